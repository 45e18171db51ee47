//! Slow clients: the deposit is answered 408 and leaves nothing. The time-outs themselves are tested in
//! artifact-server.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use crate::harness::{Answer, Server, read_to_end};

/// Sends one byte every 20 milliseconds until the server closes.
fn drip(stream: &TcpStream, bytes: &'static [u8]) -> std::thread::JoinHandle<()> {
    let mut stream = stream.try_clone().unwrap();
    std::thread::spawn(move || {
        for byte in bytes.iter().cycle() {
            if stream.write_all(&[*byte]).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    })
}

#[test]
fn an_incomplete_header_is_answered_with_a_problem_408() {
    let server = Server::start(&["--header-timeout", "1"]);
    let (mut stream, _) = server.connect();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n").unwrap();
    let answer = Answer::of(&read_to_end(&mut stream));
    answer.assert_problem(408, "about:blank");
    assert_eq!(answer.field("connection"), Some("close"));
}

#[test]
fn a_json_body_that_stops_is_answered_408_and_changes_nothing() {
    let server = Server::start(&["--throughput-window", "1"]);
    let group = "grp_00000000000000000000000000";
    let mut streams = Vec::new();
    for path in ["workers", "groups", &format!("groups/{group}/members")] {
        for (framing, sent) in [
            ("Content-Length: 9", ""),
            ("Content-Length: 9", "{\"name\""),
            ("Transfer-Encoding: chunked", "2\r\n{}\r\n"),
        ] {
            let (mut stream, headers) = server.connect();
            write!(
                stream,
                "POST /v0/experiments/default/{path} HTTP/1.1\r\n{headers}{framing}\r\n\
                 Content-Type: application/json\r\n\r\n{sent}"
            )
            .unwrap();
            streams.push(stream);
        }
    }
    for mut stream in streams {
        Answer::of(&read_to_end(&mut stream)).assert_problem(408, "about:blank");
    }
    let (mut stream, headers) = server.connect();
    write!(
        stream,
        "GET /v0/experiments/default/workers HTTP/1.1\r\n{headers}Connection: close\r\n\r\n"
    )
    .unwrap();
    let answer = Answer::of(&read_to_end(&mut stream));
    assert_eq!(answer.body, br#"{"workers":[]}"#);
}

const HEAD: &str = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n";

#[test]
fn a_deposit_that_stops_is_answered_408_and_leaves_nothing() {
    let server = Server::start(&["--throughput-window", "1"]);
    let before = server.blobs();
    let incomplete = [
        ("Content-Length: 9000000", String::new()),
        ("Content-Length: 9000000", HEAD.to_owned()),
        (
            "Content-Length: 9000000",
            format!("{HEAD}{}", "x".repeat(2 << 20)),
        ),
        (
            "Transfer-Encoding: chunked",
            format!("{:x}\r\n{HEAD}\r\n", HEAD.len()),
        ),
    ];
    for (framing, sent) in incomplete {
        let (mut stream, headers) = server.connect();
        write!(
            stream,
            "POST /v0/experiments/default/artifacts HTTP/1.1\r\n{headers}{framing}\r\n\
             Content-Type: multipart/form-data; boundary=b\r\n\r\n{sent}"
        )
        .unwrap();
        let answer = Answer::of(&read_to_end(&mut stream));
        answer.assert_problem(408, "about:blank");
        assert_eq!(server.blobs(), before, "{framing}");
    }
    let (mut stream, headers) = server.connect();
    write!(
        stream,
        "POST /v0/experiments/default/artifacts HTTP/1.1\r\n{headers}Content-Length: 9000000\r\n\
         Content-Type: multipart/form-data; boundary=b\r\n\r\n{HEAD}"
    )
    .unwrap();
    let dripping = drip(&stream, b"x");
    Answer::of(&read_to_end(&mut stream)).assert_problem(408, "about:blank");
    dripping.join().unwrap();
    assert_eq!(server.blobs(), before);
}

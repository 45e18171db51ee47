//! Clients that are slow, or silent: each is let go at its limit, with an answer where one can be
//! given, and leaves nothing.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::harness::{Answer, Server, noise, read_to_end, run_with};

/// Sends a byte now and then until the server has closed.
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
fn a_header_that_does_not_come_is_408() {
    let server = Server::start(&["--header-timeout", "1"]);
    for said in ["G", "GET / HTTP/1.1\r\nHost: h\r\n", "PRI * HTTP/2.0\r\n"] {
        let (mut stream, _) = server.connect();
        stream.write_all(said.as_bytes()).unwrap();
        let answer = Answer::of(&read_to_end(&mut stream));
        answer.assert_problem(408, "about:blank");
        assert_eq!(answer.field("connection"), Some("close"));
    }
    // One that comes by drops buys no time.
    let (mut stream, _) = server.connect();
    stream.write_all(b"GET / HTTP/1.1\r\nx: ").unwrap();
    let dripping = drip(&stream, b"x");
    Answer::of(&read_to_end(&mut stream)).assert_problem(408, "about:blank");
    dripping.join().unwrap();
    // The second of one connection has the limit too.
    let (mut stream, headers) = server.connect();
    write!(stream, "GET /healthz HTTP/1.1\r\n{headers}\r\n").unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    stream.write_all(b"GET /healthz HTTP/1.1\r\n").unwrap();
    let rest = read_to_end(&mut stream);
    let at = rest.windows(12).position(|here| here == b"HTTP/1.1 408");
    Answer::of(&rest[at.unwrap()..]).assert_problem(408, "about:blank");
}

#[test]
fn a_silent_connection_is_closed_without_a_word() {
    let server = Server::start(&["--header-timeout", "1", "--idle-timeout", "1"]);
    let (mut stream, headers) = server.connect();
    assert_eq!(read_to_end(&mut stream), b"");
    let (mut stream, _) = server.connect();
    write!(stream, "GET /healthz HTTP/1.1\r\n{headers}\r\n").unwrap();
    let answer = Answer::of(&read_to_end(&mut stream));
    assert_eq!((answer.status, &answer.body[..]), (200, &b"ok"[..]));
    // Kept until then, not closed at once.
    assert_eq!(answer.field("connection"), None);
}

const HEAD: &str = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n";

#[test]
fn a_body_that_does_not_come_is_408_and_leaves_nothing() {
    let server = Server::start(&["--throughput-window", "1"]);
    let before = server.blobs();
    let beginnings = [
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
    for (framing, begun) in beginnings {
        let (mut stream, headers) = server.connect();
        write!(
            stream,
            "POST /v0/experiments/default/artifacts HTTP/1.1\r\n{headers}{framing}\r\n\
             Content-Type: multipart/form-data; boundary=b\r\n\r\n{begun}"
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

#[test]
fn a_client_that_takes_no_answer_is_cut() {
    let server = Server::start(&[]);
    // More than every buffer on the way holds.
    let put = run_with(&mut server.client(&["put", "-"]), &noise(32 << 20)).succeeded();
    let limits = ["--throughput-window", "1", "--min-throughput", "1MiB"];
    let server = Server::start_in(server.stop("TERM"), &limits);
    let uri = put.stdout().trim_end().replace('/', "%2F");
    let idle = server.descriptors();
    let (mut stream, headers) = server.connect();
    write!(
        stream,
        "GET /v0/experiments/default/artifacts?uri={uri} HTTP/1.1\r\n{headers}\r\n"
    )
    .unwrap();
    server.wait_until("the end of the fetch", || {
        server.stderr().contains("outcome=\"cut\"")
    });
    server.wait_until("its descriptors", || server.descriptors() <= idle);
    let answer = Answer::of(&read_to_end(&mut stream));
    assert_eq!(answer.status, 200);
    assert!(answer.body.len() < 32 << 20, "all of it came");
}

//! Clients that go away in the middle: no leftover, no descriptor, nothing that still runs.

use std::io::{Read, Write};

use crate::harness::{Answer, Server, noise, run_with};

const HEAD: &str = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n";

/// The head of a deposit whose body is to have this length.
fn post(headers: &str, length: usize) -> String {
    format!(
        "POST /v0/experiments/default/artifacts HTTP/1.1\r\n{headers}\
         Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {length}\r\n\r\n"
    )
}

#[test]
fn in_the_middle_of_an_upload() {
    let server = Server::start(&[]);
    let (before, open) = (server.blobs(), server.descriptors());
    let body = noise(8 << 20);
    for sent in [0, 10, 100_000, body.len()] {
        let (mut stream, headers) = server.connect();
        let head = post(&headers, HEAD.len() + body.len() + 9);
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(HEAD.as_bytes()).unwrap();
        stream.write_all(&body[..sent]).unwrap();
    }
    server.wait_until("four lines of the log", || {
        server
            .stderr()
            .matches("route=\"/v0/experiments/{E}/artifacts\"")
            .count()
            + server.stderr().matches("outcome=\"gone\"").count()
            >= 4
    });
    server.wait_until("its descriptors", || server.descriptors() <= open);
    assert_eq!(server.blobs(), before);
}

#[test]
fn in_the_middle_of_a_download() {
    let server = Server::start(&[]);
    let put = run_with(&mut server.client(&["put", "-"]), &noise(32 << 20)).succeeded();
    let uri = put.stdout().trim_end().replace('/', "%2F");
    let open = server.descriptors();
    for _ in 0..5 {
        let (mut stream, headers) = server.connect();
        write!(
            stream,
            "GET /v0/experiments/default/artifacts?uri={uri} HTTP/1.1\r\n{headers}\r\n"
        )
        .unwrap();
        stream.read_exact(&mut [0; 1000]).unwrap();
    }
    server.wait_until("five lines of the log", || {
        server.stderr().matches("outcome=\"cut\"").count() == 5
    });
    server.wait_until("its descriptors", || server.descriptors() <= open);
}

#[test]
fn a_length_that_is_wrong_both_ways() {
    let server = Server::start(&[]);
    let before = server.blobs();
    let body = [HEAD.as_bytes(), &noise(100_000), b"\r\n--b--\r\n"].concat();
    // Too long: this side closes before all of it came.
    let (mut stream, headers) = server.connect();
    let head = post(&headers, body.len() + 10);
    stream
        .write_all(&[head.as_bytes(), &body].concat())
        .unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let answer = crate::harness::read_to_end(&mut stream);
    if !answer.is_empty() {
        Answer::of(&answer).assert_problem(400, "eden://error/bad-request");
    }
    // Too short: what is left over is the beginning of a request that is none.
    let head = post(&headers, body.len() - 10);
    let answers = server.say([head.as_bytes(), &body].concat());
    assert!(answers.starts_with(b"HTTP/1.1 400 "));
    assert_eq!(server.blobs(), before);
}

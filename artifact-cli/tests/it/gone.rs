//! Clients that disconnect during a deposit leave no blob, no file and no open descriptor.

use std::io::Write;

use crate::harness::{Answer, Server, noise, read_to_end};

const HEAD: &str = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n";

/// Returns the head of a deposit that announces a body of this length.
fn post(headers: &str, length: usize) -> String {
    format!(
        "POST /v0/experiments/default/artifacts HTTP/1.1\r\n{headers}\
         Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {length}\r\n\r\n"
    )
}

#[test]
fn clients_that_disconnect_during_a_deposit_leave_nothing_behind() {
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
    server.wait_until("four lines in the log", || {
        server
            .stderr()
            .matches("route=\"/v0/experiments/{E}/artifacts\"")
            .count()
            + server.stderr().matches("outcome=\"gone\"").count()
            >= 4
    });
    server.wait_until("its descriptors are closed", || {
        server.descriptors() <= open
    });
    assert_eq!(server.blobs(), before);
    let log = server.stderr();
    let lines = log
        .lines()
        .filter(|line| line.contains("artifact::request"));
    for line in lines.filter(|line| line.contains("POST")) {
        assert!(
            line.contains("outcome=\"gone\"") && !line.contains("status="),
            "{line}"
        );
    }
}

#[test]
fn a_deposit_with_a_wrong_length_leaves_nothing() {
    let server = Server::start(&[]);
    let before = server.blobs();
    let body = [HEAD.as_bytes(), &noise(100_000), b"\r\n--b--\r\n"].concat();
    // Announces more than it sends, then closes.
    let (mut stream, headers) = server.connect();
    let head = post(&headers, body.len() + 10);
    stream
        .write_all(&[head.as_bytes(), &body].concat())
        .unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let answer = read_to_end(&mut stream);
    if !answer.is_empty() {
        Answer::of(&answer).assert_problem(400, "eden://error/bad-request");
    }
    // Announces less than it sends; the rest is a malformed request.
    let head = post(&headers, body.len() - 10);
    let answers = server.say([head.as_bytes(), &body].concat());
    assert!(answers.starts_with(b"HTTP/1.1 400 "));
    assert_eq!(server.blobs(), before);
}

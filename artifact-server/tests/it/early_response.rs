//! Responses that the service sends before it has read the request's body.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::harness::{PATIENT, Response, TestServer, read_to_end};

static BODY: [u8; 40_000] = [b'x'; 40_000];

/// Reads one response with a `Content-Length`, and leaves the connection open.
fn read_one(stream: &mut TcpStream) -> Response {
    let mut bytes = vec![];
    loop {
        let mut byte = [0];
        assert_eq!(stream.read(&mut byte).unwrap(), 1, "the server closed");
        bytes.push(byte[0]);
        if bytes.ends_with(b"\r\n\r\n") {
            let mut response = Response::parse(&bytes);
            let length = response.field("content-length").unwrap();
            response.body = vec![0; length.parse().unwrap()];
            stream.read_exact(&mut response.body).unwrap();
            return response;
        }
    }
}

fn head(path: &str, framing: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n")
}

#[test]
fn a_response_before_a_large_body_says_that_the_connection_closes() {
    let server = TestServer::start(PATIENT);
    for (path, status) in [("/refuse", 403), ("/nowhere", 404), ("/ok", 405)] {
        for framing in ["Content-Length: 100000000", "Transfer-Encoding: chunked"] {
            let mut stream = server.connect();
            stream.write_all(head(path, framing).as_bytes()).unwrap();
            let mut sender = stream.try_clone().unwrap();
            let sending = std::thread::spawn(move || {
                let chunk = [b"9c40\r\n", &BODY[..], b"\r\n"].concat();
                // The server discards them, or closes before it has received all.
                (0..10).all(|_| sender.write_all(&chunk).is_ok())
            });
            let response = Response::parse(&read_to_end(&mut stream));
            assert_eq!(response.status, status, "{framing}");
            assert_eq!(response.field("connection"), Some("close"), "{framing}");
            drop(stream);
            sending.join().unwrap();
        }
    }
    server.stop();
}

#[test]
fn a_small_body_that_the_service_does_not_read_keeps_the_connection() {
    let server = TestServer::start(PATIENT);
    let mut stream = server.connect();
    for framing in ["Content-Length: 40000", "Transfer-Encoding: chunked"] {
        let body = if framing.starts_with('T') {
            [b"9c40\r\n", &BODY[..], b"\r\n0\r\n\r\n"].concat()
        } else {
            BODY.to_vec()
        };
        // The body arrives in one piece with the header, and after it.
        for split in [0, 1, 30_000] {
            let request = [head("/refuse", framing).as_bytes(), &body].concat();
            let (first, second) = request.split_at(request.len() - split);
            stream.write_all(first).unwrap();
            stream.write_all(second).unwrap();
            let response = read_one(&mut stream);
            assert_eq!(response.status, 403, "{framing}");
            assert_eq!(response.field("connection"), None, "{framing}");
        }
    }
    stream
        .write_all(b"GET /ok HTTP/1.1\r\nHost: h\r\n\r\n")
        .unwrap();
    assert_eq!(read_one(&mut stream).body, b"ok");
    server.stop();
}

#[test]
fn a_small_body_that_does_not_arrive_closes_the_connection() {
    let server = TestServer::start(PATIENT);
    let mut stream = server.connect();
    let request = head("/refuse", "Content-Length: 10");
    stream.write_all(request.as_bytes()).unwrap();
    stream.write_all(b"01234").unwrap();
    let response = Response::parse(&read_to_end(&mut stream));
    assert_eq!(response.status, 403);
    assert_eq!(response.field("connection"), Some("close"));
    server.stop();
}

#[test]
fn a_client_that_waits_to_continue_gets_the_response_without_sending_the_body() {
    let server = TestServer::start(PATIENT);
    let mut stream = server.connect();
    let request = head("/refuse", "Expect: 100-continue\r\nContent-Length: 10");
    stream.write_all(request.as_bytes()).unwrap();
    let response = Response::parse(&read_to_end(&mut stream));
    assert_eq!(response.status, 403);
    assert_eq!(response.field("connection"), Some("close"));
    server.stop();
}

#[test]
fn a_body_that_was_read_keeps_the_connection() {
    let server = TestServer::start(PATIENT);
    let mut stream = server.connect();
    // Line ends after a body may precede the next request (RFC 9112, section 2.2).
    for framing in [
        "Content-Length: 5\r\n\r\n01234",
        "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0",
    ] {
        stream
            .write_all(head("/upload", framing).as_bytes())
            .unwrap();
        let response = read_one(&mut stream);
        assert_eq!((response.status, response.field("connection")), (201, None));
    }
    server.stop();
}

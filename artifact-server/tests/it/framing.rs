//! Malformed, oversized and ambiguous requests. Each gets exactly one response.

use crate::harness::{LOOKS_LIKE_A_REJECTION, Response, TestServer};
use artifact_server::ServerConfig;

fn count(responses: &[u8]) -> usize {
    responses
        .windows(9)
        .filter(|window| window == b"HTTP/1.1 ")
        .count()
}

#[test]
fn malformed_and_oversized_requests_are_rejected_once() {
    let server = TestServer::start(ServerConfig::default());
    let long = "x".repeat(64 << 10);
    let fields = (0..2000).fold(String::new(), |all, n| all + &format!("x-{n}: y\r\n"));
    let small_fields = (0..200).fold(String::new(), |all, n| all + &format!("{n}: y\r\n"));
    for (status, request) in [
        (400, "nonsense\r\n\r\n".to_owned()),
        (400, "GET\r\n\r\n".into()),
        (400, "GET / HTTP/9.9\r\n\r\n".into()),
        (400, "GET / HTTP/1.1\r\nno colon\r\n\r\n".into()),
        (400, "GET / HTTP/1.1\r\nspace : x\r\n\r\n".into()),
        (400, "GET / HTTP/1.1\r\nx: a\0b\r\n\r\n".into()),
        (
            400,
            "\u{16}\u{3}\u{1}\u{2}\0\u{1}a TLS hello\r\n\r\n".into(),
        ),
        (414, format!("GET /{long} HTTP/1.1\r\nHost: h\r\n\r\n")),
        (
            414,
            format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", &long[..9000]),
        ),
        (
            431,
            format!("GET / HTTP/1.1\r\nHost: h\r\nx: {long}\r\n\r\n"),
        ),
        (431, format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n")),
        (
            431,
            format!("GET / HTTP/1.1\r\nHost: h\r\n{small_fields}\r\n"),
        ),
    ] {
        let beginning: String = request.chars().take(60).collect();
        let responses = server.send(&request);
        assert_eq!(count(&responses), 1, "{beginning:?}");
        let response = Response::parse(&responses);
        assert_eq!(response.status, status, "{beginning:?}: {}", response.head);
        response.assert_rejection(status);
    }
}

#[test]
fn a_complete_request_before_a_malformed_one_is_answered() {
    let server = TestServer::start(ServerConfig::default());
    let responses = server.send("GET /ok HTTP/1.1\r\nHost: h\r\n\r\nnonsense\r\n\r\n");
    assert_eq!(count(&responses), 2);
    let first = Response::parse(&responses);
    assert_eq!(first.status, 200);
    let second = Response::parse(first.body.strip_prefix(b"ok").unwrap());
    second.assert_rejection(400);
}

#[test]
fn a_response_body_that_looks_like_a_rejection_is_not_replaced() {
    let server = TestServer::start(ServerConfig::default());
    let response = server.get("/rejection");
    assert_eq!(response.status, 200);
    assert_eq!(response.body, LOOKS_LIKE_A_REJECTION.as_bytes());
}

#[test]
fn no_request_hides_in_another() {
    let server = TestServer::start(ServerConfig::default());
    let hidden = "GET /ok HTTP/1.1\r\nHost: h\r\n\r\n";
    let chunk = format!("0\r\n\r\n{hidden}");
    let length = hidden.len();
    for framing in [
        format!("Content-Length: 0\r\nContent-Length: {length}"),
        format!("Content-Length: {length}, 0"),
        format!("Content-Length: +{length}"),
        "Transfer-Encoding: chunked, identity".into(),
        "Transfer-Encoding: identity".into(),
        "Transfer-Encoding: xchunked".into(),
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity".into(),
        "Transfer-Encoding : chunked".into(),
        "Transfer-Encoding: \u{b}chunked".into(),
        " Transfer-Encoding: chunked".into(),
        "x: y\r\n Transfer-Encoding: chunked".into(),
    ] {
        let responses = server.send(format!(
            "POST /upload HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n{chunk}"
        ));
        let text = String::from_utf8_lossy(&responses).into_owned();
        assert_eq!(count(&responses), 1, "{framing}: {text}");
        Response::parse(&responses).assert_rejection(400);
    }
}

#[test]
fn a_panic_in_the_service_returns_500_and_the_server_continues() {
    let server = TestServer::start(ServerConfig::default());
    server.get("/panic").assert_rejection(500);
    assert_eq!(server.get("/ok").body, b"ok");
    server.stop();
}

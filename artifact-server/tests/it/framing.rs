//! Malformed, oversized and ambiguous requests. Each gets exactly one response.

use std::io::Write;

use crate::harness::{LOOKS_LIKE_A_REJECTION, Response, TestServer, read_to_end};
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
        "Transfer-Encoding: gzip, chunked".into(),
        "Transfer-Encoding: chunked, chunked".into(),
        "Transfer-Encoding: identity, chunked".into(),
        "Transfer-Encoding: chunked;q=1".into(),
        "Transfer-Encoding: ,chunked".into(),
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked".into(),
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked".into(),
        "Transfer-Encoding:\r\nTransfer-Encoding: chunked".into(),
        "Transfer-Encoding:".into(),
        format!("Content-Length: {length}\r\nTransfer-Encoding: chunked"),
        format!("Transfer-Encoding: chunked\r\nContent-Length: {length}"),
        "Transfer-Encoding: chunked\r\nx: y\r\ncontent-length: 0\r\nz: y".into(),
        format!("Content-Length: {length}, {length}"),
        format!("Content-Length: -{length}"),
        format!("Content-Length: {length}.0"),
        format!("Content-Length: 0x{length}"),
        format!("Content-Length: \u{c}{length}"),
        "Content-Length:".into(),
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

#[test]
fn a_body_framed_in_the_one_allowed_way_is_read() {
    let server = TestServer::start(ServerConfig::default());
    for (framing, body) in [
        ("Transfer-Encoding: chunked", "2\r\nok\r\n0\r\n\r\n"),
        ("transfer-encoding:CHUNKED \t", "2\r\nok\r\n0\r\n\r\n"),
        ("Content-Length: 2", "ok"),
        ("Content-Length: 0002", "ok"),
        ("Content-Length: 2\r\nContent-Length: 2", "ok"),
        ("x-content-length: 9\r\nContent-Length: 2", "ok"),
        ("Content-Length: 2\r\nTE: chunked", "ok"),
    ] {
        let responses = server.send(format!(
            "POST /upload HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{framing}\r\n\r\n{body}"
        ));
        let response = Response::parse(&responses);
        assert_eq!(
            (response.status, &response.body[..]),
            (201, &b"2"[..]),
            "{framing}"
        );
    }
}

#[test]
fn two_framings_are_rejected_however_the_header_arrives() {
    let server = TestServer::start(ServerConfig::default());
    let request = "POST /upload HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: \
                   chunked\r\n\r\n0\r\n\r\n";
    for cut in 1..request.len() - 5 {
        let mut stream = server.connect();
        stream.set_nodelay(true).unwrap();
        stream.write_all(&request.as_bytes()[..cut]).unwrap();
        stream.write_all(&request.as_bytes()[cut..]).unwrap();
        let responses = read_to_end(&mut stream);
        assert_eq!(count(&responses), 1, "{cut}");
        Response::parse(&responses).assert_rejection(400);
    }
    // The request before it on the connection says nothing about it, nor it about the next.
    let mut stream = server.connect();
    let ordinary = "POST /upload HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nok";
    stream.write_all(ordinary.as_bytes()).unwrap();
    assert_eq!(Response::read(&mut stream).status, 201);
    stream.write_all(request.as_bytes()).unwrap();
    Response::parse(&read_to_end(&mut stream)).assert_rejection(400);
}

#[test]
fn a_content_length_above_every_limit_is_rejected_at_once() {
    let server = TestServer::start(ServerConfig::default());
    for (status, length) in [
        (413, "18446744073709551614"),
        (413, "18446744073709551615"),
        (413, "018446744073709551615"),
        (400, "18446744073709551616"),
        (
            400,
            "99999999999999999999999999999999999999999999999999999999999999999999999999999",
        ),
        (400, "18446744073709551615x"),
        (400, "-18446744073709551615"),
    ] {
        for method in ["POST", "GET"] {
            let responses = server.send(format!(
                "{method} /upload HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n"
            ));
            assert_eq!(count(&responses), 1, "{length}");
            Response::parse(&responses).assert_rejection(status);
        }
    }
}

#[test]
fn transfer_encoding_over_http_1_0_is_rejected() {
    let server = TestServer::start(ServerConfig::default());
    let responses = server
        .send("POST /upload HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    assert_eq!(count(&responses), 1);
    Response::parse(&responses).assert_rejection(400);
}

#[test]
fn a_request_has_exactly_one_valid_host() {
    let server = TestServer::start(ServerConfig::default());
    let send = |target: &str, fields: &str| {
        let request = format!("GET {target} HTTP/1.1\r\n{fields}Connection: close\r\n\r\n");
        let responses = server.send(request);
        assert_eq!(count(&responses), 1, "{fields}");
        Response::parse(&responses)
    };
    let status_of_old_request = |fields: &str| {
        let response = server.send(format!("GET /ok HTTP/1.0\r\n{fields}\r\n"));
        String::from_utf8_lossy(&response[9..12]).into_owned()
    };
    for fields in [
        "",
        "Host: a\r\nHost: a\r\n",
        "Host: a\r\nHost: b\r\n",
        "Host: a\r\nhost:\r\n",
        "Host: a b\r\n",
        "Host: a, b\r\n",
        "Host: a/b\r\n",
        "Host: http://a\r\n",
        "Host: user@a\r\n",
        "Host: a:b\r\n",
        "Host: a:80:80\r\n",
        "Host: a:99999\r\n",
        "Host: a:-1\r\n",
        "Host: a:+1\r\n",
        "Host: [::1\r\n",
        "Host: [::zz]\r\n",
        "Host: ::1\r\n",
        "Host: [::1]x\r\n",
        "Host: a?b\r\n",
        "Host: a#b\r\n",
        "Host: a\\b\r\n",
        "Host: a\"b\r\n",
        "Host: <a>\r\n",
        "Host: \u{e4}\r\n",
        "Host: a%zz\r\n",
    ] {
        send("/ok", fields).assert_rejection(400);
        // An absolute target needs the field too (RFC 9112, section 3.2.2).
        send("http://a/ok", fields).assert_rejection(400);
        // RFC 9112, section 3.2: only HTTP/1.1 requires it.
        let status = if fields.is_empty() { "200" } else { "400" };
        assert_eq!(status_of_old_request(fields), status, "{fields}");
    }
    for fields in [
        "Host: a\r\n",
        "Host: a:80\r\n",
        "Host: a:\r\n",
        "HOST:\tA.example:8080 \r\n",
        "Host: 127.0.0.1:1\r\n",
        "Host: [::1]\r\n",
        "Host: [::1]:8080\r\n",
        "Host: a_b-c.d~e\r\n",
        "Host: a%20b\r\n",
        "Host:\r\n",
    ] {
        for target in ["/ok", "http://other.example/ok", "HTTP://a:1/ok"] {
            assert_eq!(send(target, fields).body, b"ok", "{target} {fields}");
        }
    }
}

#[test]
fn a_target_has_the_form_of_its_method() {
    let server = TestServer::start(ServerConfig::default());
    for (method, target) in [("GET", "h:80"), ("POST", "localhost"), ("CONNECT", "/ok")] {
        let responses = server.send(format!(
            "{method} {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
        ));
        assert_eq!(count(&responses), 1, "{method} {target}");
        Response::parse(&responses).assert_rejection(400);
    }
    // The service answers the others; this one has no such path.
    for (method, target) in [("CONNECT", "h:443"), ("OPTIONS", "*")] {
        let responses = server.send(format!(
            "{method} {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
        ));
        assert_eq!(count(&responses), 1, "{method} {target}");
        assert_eq!(Response::parse(&responses).status, 404);
    }
}

//! Clients that close their write side after a request, and clients that are gone.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;

use artifact_server::Listener;
use socket2::SockRef;

use crate::harness::{PATIENT, Response, TestServer, read_to_end};

const GATE: &[u8] = b"GET /gate HTTP/1.1\r\nHost: h\r\n\r\n";
const POST: &[u8] = b"POST /gate HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n01234";

/// Waits until the request was dropped without a response, then asserts that nothing is left open.
#[track_caller]
fn assert_gone(server: TestServer) {
    server.wait_until("the request is dropped", || {
        server.log().contains("outcome=\"gone\"")
    });
    server.stop();
}

/// Closes a connection with a reset.
fn reset(stream: TcpStream) {
    let socket = SockRef::from(&stream);
    socket.set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(stream);
}

fn start_unix() -> (tempfile::TempDir, TestServer, UnixStream) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let bind = || Listener::bind_unix(&path, 0o600).unwrap();
    let server = TestServer::start_on(bind, |server| server, PATIENT);
    let stream = UnixStream::connect(&path).unwrap();
    (folder, server, stream)
}

#[test]
fn a_half_closed_client_gets_its_response() {
    let server = TestServer::start(PATIENT);
    for request in [GATE, POST] {
        let mut stream = server.connect();
        stream.write_all(request).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        server.wait_for_request();
        server.release();
        let response = Response::parse(&read_to_end(&mut stream));
        assert_eq!(response.status, 200);
        assert_eq!(response.body, b"released");
    }
    server.stop();
}

#[test]
fn a_half_closed_client_of_a_unix_socket_gets_its_response() {
    let (_folder, server, mut stream) = start_unix();
    stream.write_all(POST).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    server.wait_for_request();
    server.release();
    let response = Response::parse(&read_to_end(&mut stream));
    assert_eq!(response.body, b"released");
    server.stop();
}

#[test]
fn pipelined_requests_before_the_end_of_input_are_all_answered() {
    let server = TestServer::start(PATIENT);
    let mut stream = server.connect();
    stream.write_all(&[GATE, POST, GATE].concat()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    for _ in 0..3 {
        server.release();
    }
    let responses = String::from_utf8(read_to_end(&mut stream)).unwrap();
    assert_eq!(responses.matches("HTTP/1.1 200 OK").count(), 3);
    assert_eq!(responses.matches("released").count(), 3);
    server.stop();
}

#[test]
fn the_end_of_input_in_a_body_breaks_the_request_off() {
    let server = TestServer::start(PATIENT);
    for framing in [
        "Content-Length: 10\r\n\r\n01234",
        "Transfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\n01",
    ] {
        let mut stream = server.connect();
        let request = format!("POST /upload HTTP/1.1\r\nHost: h\r\n{framing}");
        stream.write_all(request.as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let response = Response::parse(&read_to_end(&mut stream));
        assert_eq!(response.status, 400, "{framing}");
        assert_eq!(response.field("connection"), Some("close"), "{framing}");
    }
    server.stop();
}

#[test]
fn the_end_of_input_in_a_header_closes_the_connection() {
    let server = TestServer::start(PATIENT);
    for part in [&b"G"[..], b"GET / HTTP/1.1\r\nHost: h\r\n", b"PRI * HTTP/2"] {
        let mut stream = server.connect();
        stream.write_all(part).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        read_to_end(&mut stream);
    }
    server.stop();
}

#[test]
fn a_reset_drops_the_request() {
    for request in [GATE, POST] {
        let server = TestServer::start(PATIENT);
        let mut stream = server.connect();
        stream.write_all(request).unwrap();
        server.wait_for_request();
        reset(stream);
        assert_gone(server);
    }
}

#[test]
fn a_reset_after_the_end_of_input_drops_the_request() {
    let server = TestServer::start(PATIENT);
    let mut stream = server.connect();
    stream.write_all(POST).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    server.wait_for_request();
    reset(stream);
    assert_gone(server);
}

#[test]
fn a_reset_behind_a_pipelined_request_drops_the_open_one() {
    let server = TestServer::start(PATIENT);
    let mut stream = server.connect();
    stream.write_all(POST).unwrap();
    server.wait_for_request();
    // The server does not read it before it has responded to the first.
    stream.write_all(GATE).unwrap();
    reset(stream);
    assert_gone(server);
}

#[test]
fn a_closed_unix_socket_drops_the_request() {
    for half_closed in [false, true] {
        let (_folder, server, mut stream) = start_unix();
        stream.write_all(POST).unwrap();
        if half_closed {
            stream.shutdown(Shutdown::Write).unwrap();
        }
        server.wait_for_request();
        drop(stream);
        assert_gone(server);
    }
}

#[test]
fn a_client_that_is_gone_in_a_response_ends_the_request() {
    let server = TestServer::start(PATIENT);
    let mut stream = server.connect();
    stream
        .write_all(b"GET /large HTTP/1.1\r\nHost: h\r\n\r\n")
        .unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    stream.read_exact(&mut [0; 1000]).unwrap();
    drop(stream);
    server.wait_until("the end of the request", || {
        server.log().contains("outcome=\"cut\"")
    });
    server.stop();
}

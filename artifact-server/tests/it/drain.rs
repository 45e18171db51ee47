//! Tests the drain: open requests finish, idle connections close, and the server ends after the drain
//! time-out at the latest.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use artifact_server::{ServeOutcome, ServerConfig};

use crate::harness::{PATIENT, Response, TestServer, begin_upload, read_to_end};

const ONE_ABORTED: ServeOutcome = ServeOutcome::Aborted { connections: 1 };

fn is_refused(server: &TestServer) -> bool {
    TcpStream::connect(server.tcp_address()).is_err()
}

#[test]
fn open_requests_finish_after_the_server_stops_accepting() {
    let mut server = TestServer::start(PATIENT);
    let mut stream = server.connect();
    begin_upload(&mut stream);
    server.handle.drain();
    server.wait_until("no connection is accepted", || is_refused(&server));
    stream.write_all(b"56789").unwrap();
    let response = Response::parse(&read_to_end(&mut stream));
    assert_eq!((response.status, &response.body[..]), (201, &b"10"[..]));
    assert_eq!(server.outcome(), ServeOutcome::Drained);
}

#[test]
fn an_abort_closes_connections_with_open_requests() {
    let mut server = TestServer::start(PATIENT);
    let mut stream = server.connect();
    begin_upload(&mut stream);
    server.handle.drain();
    server.wait_until("no connection is accepted", || is_refused(&server));
    server.handle.abort();
    assert_eq!(server.outcome(), ONE_ABORTED);
    assert_eq!(read_to_end(&mut stream), b"");
}

#[test]
fn an_abort_without_a_drain_stops_the_server_too() {
    let mut server = TestServer::start(PATIENT);
    let mut stream = server.connect();
    begin_upload(&mut stream);
    server.handle.abort();
    assert_eq!(server.outcome(), ONE_ABORTED);
}

#[test]
fn the_drain_timeout_closes_connections_with_open_requests() {
    let mut server = TestServer::start(ServerConfig {
        drain_timeout: Duration::from_secs(1),
        ..PATIENT
    });
    let mut stream = server.connect();
    begin_upload(&mut stream);
    server.handle.drain();
    assert_eq!(server.outcome(), ONE_ABORTED);
}

#[test]
fn idle_connections_do_not_delay_the_end() {
    let server = TestServer::start(PATIENT);
    let silent = server.connect();
    let mut kept = server.connect();
    kept.write_all(b"GET /ok HTTP/1.1\r\nHost: h\r\n\r\n")
        .unwrap();
    assert_ne!(kept.read(&mut [0; 1024]).unwrap(), 0);
    server.stop();
    drop(silent);
}

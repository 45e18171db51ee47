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

/// The first bytes of an HTTP/2 connection: the preface and an empty SETTINGS frame (RFC 9113, section 3.4).
const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

#[test]
fn connections_without_a_complete_request_do_not_delay_the_end() {
    let server = TestServer::start(PATIENT);
    let begun: Vec<_> = [
        b"",
        &b"G"[..],
        b"GET / HTTP/1.1\r\nHost: h\r\n",
        b"PRI * HTTP/2.0\r\n",
        HTTP2,
        // The header of a request that a CONTINUATION frame must complete.
        &[HTTP2, b"\0\0\x05\x01\0\0\0\0\x01\0\x01a\x01b"].concat(),
    ]
    .into_iter()
    .map(|bytes| {
        let mut stream = server.connect();
        stream.write_all(bytes).unwrap();
        stream
    })
    .collect();
    // Complete requests, and parts of the next.
    let kept: Vec<_> = ["", "G", "GET / HTTP/1.1\r\n"]
        .into_iter()
        .map(|part| {
            let mut stream = server.connect();
            let ok = format!("GET /ok HTTP/1.1\r\nHost: h\r\n\r\n{part}");
            stream.write_all(ok.as_bytes()).unwrap();
            assert_ne!(stream.read(&mut [0; 1024]).unwrap(), 0);
            stream
        })
        .collect();
    // The bytes of all have arrived, since a response to a later connection has.
    assert_eq!(server.get("/ok").status, 200);
    server.stop();
    drop((begun, kept));
}

#[test]
fn a_connection_that_only_lingers_is_not_counted_as_aborted() {
    let mut server = TestServer::start(ServerConfig {
        drain_timeout: Duration::from_secs(1),
        ..PATIENT
    });
    let mut stream = server.connect();
    let head = b"POST /refuse HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\n";
    stream.write_all(head).unwrap();
    let mut sender = stream.try_clone().unwrap();
    let sending = std::thread::spawn(move || while sender.write_all(&[0; 100]).is_ok() {});
    stream.read_exact(&mut [0; 12]).unwrap();
    server.handle.drain();
    assert_eq!(server.outcome(), ServeOutcome::Drained);
    sending.join().unwrap();
}

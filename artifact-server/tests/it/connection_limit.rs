//! Tests the connection limit: many connections at once, and one healthy client.

use std::io::{Read, Write};

use artifact_server::{ServerConfig, raise_open_file_limit};

use crate::harness::{PATIENT, Response, TestServer, begin_upload, read_to_end};

#[test]
fn idle_connections_do_not_delay_other_clients() {
    // Both ends are in this process; other tests need descriptors too.
    let many = raise_open_file_limit(2500)
        .unwrap()
        .saturating_sub(500)
        .clamp(50, 2000);
    let server = TestServer::start(PATIENT);
    let idle: Vec<_> = (0..many)
        .map(|n| {
            let mut stream = server.connect();
            // Half of them are silent, the others have begun a header.
            if n % 2 == 0 {
                stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n").unwrap();
            }
            stream
        })
        .collect();
    for _ in 0..5 {
        assert_eq!(server.get("/ok").body, b"ok");
    }
    drop(idle);
    server.stop();
}

#[test]
fn at_the_limit_the_longest_idle_connection_makes_room() {
    let server = TestServer::start(ServerConfig {
        max_connections: 20,
        ..PATIENT
    });
    let mut idle: Vec<_> = (0..100).map(|_| server.connect()).collect();
    let late = idle.split_off(80);
    for stream in &mut idle {
        // Blocks until the server closes it.
        assert_eq!(read_to_end(stream), b"");
    }
    assert_eq!(server.get("/ok").body, b"ok");
    drop(late);
}

#[test]
fn new_connections_get_503_if_all_connections_are_busy() {
    let server = TestServer::start(ServerConfig {
        max_connections: 1,
        ..PATIENT
    });
    let mut busy = server.connect();
    begin_upload(&mut busy);
    let response = Response::parse(&server.send("GET /ok HTTP/1.1\r\nHost: h\r\n\r\n"));
    response.assert_rejection(503);
    assert_eq!(response.field("retry-after"), Some("1"));
    busy.write_all(b"56789").unwrap();
    let mut status = [0; 12];
    busy.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 201");
    drop(busy);
    server.wait_until("there is room again", || server.get("/ok").status == 200);
}

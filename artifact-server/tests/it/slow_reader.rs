//! Tests clients that do not read their response, over real sockets with the kernel's buffers.

use std::io::{Read, Write};
use std::time::Duration;

use artifact_server::ServerConfig;

use crate::harness::{LARGE, Response, TestServer, read_to_end};

const REQUEST: &[u8] = b"GET /large HTTP/1.1\r\nHost: h\r\n\r\n";

#[test]
fn a_client_that_does_not_read_its_response_is_closed() {
    let server = TestServer::start(ServerConfig {
        throughput_window: Duration::from_secs(1),
        min_throughput: 1 << 20,
        ..ServerConfig::default()
    });
    let mut stream = server.connect();
    stream.write_all(REQUEST).unwrap();
    server.wait_until("the end of the request", || {
        server.log().contains("outcome=\"cut\"")
    });
    let response = Response::parse(&read_to_end(&mut stream));
    assert_eq!(response.status, 200);
    assert!(response.body.len() < LARGE, "the whole body arrived");
    server.stop();
}

#[test]
fn clients_that_disconnect_during_a_response_leave_nothing_open() {
    let server = TestServer::start(ServerConfig::default());
    for _ in 0..5 {
        let mut stream = server.connect();
        stream.write_all(REQUEST).unwrap();
        stream.read_exact(&mut [0; 1000]).unwrap();
    }
    server.wait_until("the end of five requests", || {
        server.log().matches("outcome=\"cut\"").count() == 5
    });
    server.stop();
}

//! Signals: the first drains the server, the second ends it at once.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::harness::{Server, run};

/// Begins a deposit of 10 bytes and sends 5 of them.
fn begin(server: &Server) -> TcpStream {
    let (mut stream, headers) = server.connect();
    let head = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n";
    let length = head.len() + 10 + "\r\n--b--\r\n".len();
    write!(
        stream,
        "POST /v0/experiments/default/artifacts HTTP/1.1\r\n{headers}Expect: 100-continue\r\n\
         Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {length}\r\n\r\n"
    )
    .unwrap();
    // The server asks for the body once the handler reads it.
    let mut response = [0; 25];
    stream.read_exact(&mut response).unwrap();
    assert_eq!(&response, b"HTTP/1.1 100 Continue\r\n\r\n");
    write!(stream, "{head}01234").unwrap();
    stream
}

/// Waits until the server accepts no new connections, because it has received the signal.
fn wait_until_refused(server: &Server) {
    let address = server.url.strip_prefix("http://").unwrap();
    while TcpStream::connect(address).is_ok() {
        std::thread::yield_now();
    }
}

#[test]
fn after_a_signal_open_requests_finish_and_the_exit_code_is_0() {
    for signal in ["TERM", "INT"] {
        let mut server = Server::start(&[]);
        let mut stream = begin(&server);
        server.signal(signal);
        wait_until_refused(&server);
        write!(stream, "56789\r\n--b--\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
        assert_eq!(
            server.wait(),
            (Some(0), String::new()),
            "{}",
            server.stderr()
        );

        let uri = answer
            .split('"')
            .find(|part| part.starts_with("eden://"))
            .unwrap()
            .to_owned();
        let server = Server::start_in(server.take_folder(), &[]);
        assert_eq!(
            run(&mut server.client(&["get", &uri])).succeeded().stdout(),
            "0123456789"
        );
    }
}

#[test]
fn a_second_signal_closes_open_requests_and_the_exit_code_is_1() {
    let mut server = Server::start(&[]);
    let mut stream = begin(&server);
    server.signal("TERM");
    wait_until_refused(&server);
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(1));
    assert!(
        server
            .stderr()
            .contains("error: 1 connections were aborted"),
        "{}",
        server.stderr()
    );
    let mut answer = String::new();
    // The end or a reset, and no response.
    let _ = stream.read_to_string(&mut answer);
    assert_eq!(answer, "");
}

#[test]
fn the_drain_timeout_closes_open_requests_and_the_exit_code_is_1() {
    let mut server = Server::start(&["--drain-timeout", "1"]);
    let _stream = begin(&server);
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(1));
}

#[test]
fn connections_without_a_request_in_flight_do_not_delay_the_exit() {
    let mut server = Server::start(&[]);
    let http2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let open: Vec<_> = [&b""[..], b"G", b"GET / HTTP/1.1\r\nHost: h\r\n", http2]
        .into_iter()
        .map(|bytes| {
            let mut stream = server.stream();
            stream.write_all(bytes).unwrap();
            stream
        })
        .collect();
    let mut kept = server.stream();
    kept.write_all(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
        .unwrap();
    assert_ne!(kept.read(&mut [0; 1000]).unwrap(), 0);
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(0), "{}", server.stderr());
    drop((open, kept));
}

#[test]
fn sighup_ends_neither_the_server_nor_a_transfer() {
    let mut server = Server::start(&[]);
    let mut stream = begin(&server);
    for count in 1..=2 {
        server.signal("HUP");
        server.wait_until("the line in the log", || {
            server.stderr().matches("reloaded the admin token").count() == count
        });
    }
    write!(stream, "56789\r\n--b--\r\n").unwrap();
    server.signal("TERM");
    wait_until_refused(&server);
    // Not even while it drains.
    server.signal("HUP");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    assert_eq!(server.wait().0, Some(0), "{}", server.stderr());
}

//! Tests the settings for connection and deposit limits. artifact-server tests the connection limit itself.

use std::io::{Read, Write};

use crate::harness::{Answer, Server, noise, run};

#[test]
fn a_connection_beyond_the_limit_is_answered_with_a_problem_503() {
    let server = Server::start(&["--max-connections", "1"]);
    let (mut busy, headers) = server.connect();
    write!(
        busy,
        "POST /v0/experiments/default/artifacts HTTP/1.1\r\n{headers}Expect: 100-continue\r\n\
         Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000\r\n\r\n"
    )
    .unwrap();
    let mut response = [0; 25];
    busy.read_exact(&mut response).unwrap();
    let answer = Answer::of(&server.say("GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"));
    answer.assert_problem(503, "about:blank");
    assert_eq!(answer.field("retry-after"), Some("1"));
    drop(busy);
    let healthy = "GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    server.wait_until("there is room again", || {
        Answer::of(&server.say(healthy)).status == 200
    });
}

#[test]
fn deposits_per_principal_are_limited() {
    let server = Server::start(&["--max-uploads-per-principal", "1"]);
    let begin = |server: &Server| {
        let (mut stream, headers) = server.connect();
        write!(
            stream,
            "POST /v0/experiments/default/artifacts HTTP/1.1\r\n{headers}Expect: 100-continue\r\n\
             Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000\r\n\r\n"
        )
        .unwrap();
        let mut status = [0; 12];
        stream.read_exact(&mut status).unwrap();
        (stream, String::from_utf8(status.to_vec()).unwrap())
    };
    let (first, status) = begin(&server);
    assert_eq!(status, "HTTP/1.1 100");
    let (_second, status) = begin(&server);
    assert_eq!(status, "HTTP/1.1 429");
    drop(first);
    server.wait_until("the permit is returned", || {
        begin(&server).1 == "HTTP/1.1 100"
    });
}

#[test]
fn fetches_per_principal_are_limited() {
    let server = Server::start(&["--max-fetches-per-principal", "1"]);
    // More than the kernel's buffers take.
    server.write("file", &noise(32 << 20));
    let put = run(&mut server.client(&["put", "file"])).succeeded();
    let uri = put.stdout().trim().replace(':', "%3A").replace('/', "%2F");
    let fetch = |server: &Server| {
        let (mut stream, headers) = server.connect();
        write!(
            stream,
            "GET /v0/experiments/default/artifacts?uri={uri} HTTP/1.1\r\n{headers}\r\n"
        )
        .unwrap();
        let mut status = [0; 12];
        stream.read_exact(&mut status).unwrap();
        (stream, String::from_utf8(status.to_vec()).unwrap())
    };
    let (first, status) = fetch(&server);
    assert_eq!(status, "HTTP/1.1 200");
    assert_eq!(fetch(&server).1, "HTTP/1.1 429");
    drop(first);
    server.wait_until("the permit is returned", || {
        fetch(&server).1 == "HTTP/1.1 200"
    });
}

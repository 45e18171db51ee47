//! Tests the request log: one event per request, with its outcome. The request id is the only value from
//! the client in it.

use std::io::Write;
use std::time::Duration;

use artifact_server::ServerConfig;

use crate::harness::{Response, TestServer, begin_upload};

/// Returns the events about requests.
fn requests(server: &TestServer) -> Vec<String> {
    let log = server.log();
    let lines = log
        .lines()
        .filter(|line| line.contains("artifact::request"));
    lines.map(str::to_owned).collect()
}

#[track_caller]
fn assert_fields(line: &str, fields: &[&str]) {
    for field in fields {
        assert!(line.contains(field), "{field}: {line}");
    }
}

#[test]
fn each_request_is_logged_once_with_its_outcome() {
    let server = TestServer::start(ServerConfig::default());
    let with_id = "GET /labelled?secret HTTP/1.1\r\nHost: h\r\nX-Request-Id: mine-1\r\n\
                   Connection: close\r\n\r\n";
    let response = Response::parse(&server.send(with_id));
    assert_eq!(response.field("x-request-id"), Some("mine-1"));
    let strange = "PROPFIND /secret HTTP/1.1\r\nHost: h\r\nX-Request-Id: a b\r\nConnection: \
                   close\r\n\r\n";
    let response = Response::parse(&server.send(strange));
    let generated = response.field("x-request-id").unwrap().to_owned();
    assert_eq!(generated.len(), 32);
    let upload = "POST /upload HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\
                  Content-Length: 12\r\n\r\ntwelve bytes";
    server.send(upload);
    server.wait_until("three events", || requests(&server).len() == 3);

    let [labelled, other, uploaded] = &requests(&server)[..] else {
        panic!("{}", server.log());
    };
    let answered = "outcome=\"answered\"";
    assert_fields(
        labelled,
        &[
            "request_id=mine-1",
            "method=\"GET\"",
            "route=\"/{label}\"",
            "principal=\"admin\"",
            "experiment=\"an-experiment\"",
            "artifact=\"an-artifact\"",
            "status=200",
            "bytes_in=0",
            "bytes_out=2",
            "peer=127.0.0.1:",
            "duration_us=",
            answered,
        ],
    );
    let id = format!("request_id={generated}");
    assert_fields(
        other,
        &[
            &id,
            "method=\"other\"",
            "route=\"-\"",
            "status=404",
            answered,
        ],
    );
    assert!(!other.contains("principal"), "{other}");
    assert_fields(
        uploaded,
        &["status=201", "bytes_in=12", "bytes_out=2", answered],
    );
    let log = server.log();
    assert!(
        !log.contains("secret") && !log.contains("PROPFIND"),
        "{log}"
    );
}

#[test]
fn a_client_that_disconnects_before_the_response_is_logged_as_gone() {
    let server = TestServer::start(ServerConfig::default());
    let mut stream = server.connect();
    begin_upload(&mut stream);
    drop(stream);
    // A reset instead of an end of the stream.
    let mut stream = server.connect();
    begin_upload(&mut stream);
    socket2::SockRef::from(&stream)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(stream);
    // In the middle of a chunk, and between two.
    for body in ["5\r\n012", "5\r\n01234\r\n"] {
        let request =
            format!("POST /upload HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        server.connect().write_all(request.as_bytes()).unwrap();
    }
    server.wait_until("four events", || requests(&server).len() == 4);
    for line in requests(&server) {
        assert_fields(&line, &["method=\"POST\"", "outcome=\"gone\""]);
        assert!(!line.contains("status="), "{line}");
    }
    server.stop();
}

#[test]
fn a_malformed_body_is_logged_with_the_status_of_its_response() {
    let server = TestServer::start(ServerConfig::default());
    let responses = server
        .send("POST /upload HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n");
    assert_eq!(Response::parse(&responses).status, 400);
    server.wait_until("the event", || requests(&server).len() == 1);
    assert_fields(
        &requests(&server)[0],
        &["status=400", "outcome=\"answered\""],
    );
}

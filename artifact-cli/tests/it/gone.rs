//! Clients that disconnect during a deposit leave no blob, no file and no open descriptor.

use std::io::{Read, Write};
use std::time::Duration;

use crate::harness::{Answer, Server, noise, read_to_end};

const HEAD: &str = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n";

/// Returns the head of a deposit that announces a body of this length.
fn post(headers: &str, length: usize) -> String {
    format!(
        "POST /v0/experiments/default/artifacts HTTP/1.1\r\n{headers}\
         Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {length}\r\n\r\n"
    )
}

#[test]
fn clients_that_disconnect_during_a_deposit_leave_nothing_behind() {
    let server = Server::start(&[]);
    let (before, open) = (server.blobs(), server.descriptors());
    let body = noise(8 << 20);
    for sent in [0, 10, 100_000, body.len()] {
        let (mut stream, headers) = server.connect();
        let head = post(&headers, HEAD.len() + body.len() + 9);
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(HEAD.as_bytes()).unwrap();
        stream.write_all(&body[..sent]).unwrap();
    }
    server.wait_until("four lines in the log", || {
        server
            .stderr()
            .matches("route=\"/v0/experiments/{E}/artifacts\"")
            .count()
            + server.stderr().matches("outcome=\"gone\"").count()
            >= 4
    });
    server.wait_until("its descriptors are closed", || {
        server.descriptors() <= open
    });
    assert_eq!(server.blobs(), before);
    let log = server.stderr();
    let lines = log
        .lines()
        .filter(|line| line.contains("artifact::request"));
    for line in lines.filter(|line| line.contains("POST")) {
        assert!(
            line.contains("outcome=\"gone\"") && !line.contains("status="),
            "{line}"
        );
    }
}

#[test]
fn a_deposit_with_a_wrong_length_leaves_nothing() {
    let server = Server::start(&[]);
    let before = server.blobs();
    let body = [HEAD.as_bytes(), &noise(100_000), b"\r\n--b--\r\n"].concat();
    // Announces more than it sends, then closes.
    let (mut stream, headers) = server.connect();
    let head = post(&headers, body.len() + 10);
    stream
        .write_all(&[head.as_bytes(), &body].concat())
        .unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let answer = read_to_end(&mut stream);
    if !answer.is_empty() {
        Answer::of(&answer).assert_problem(400, "eden://error/bad-request");
    }
    // Announces less than it sends; the rest is a malformed request.
    let head = post(&headers, body.len() - 10);
    let answers = server.say([head.as_bytes(), &body].concat());
    assert!(answers.starts_with(b"HTTP/1.1 400 "));
    assert_eq!(server.blobs(), before);
}

/// Returns the body of a deposit of 10,000 bytes.
fn form() -> Vec<u8> {
    [HEAD.as_bytes(), &noise(10_000), b"\r\n--b--\r\n"].concat()
}

/// Returns a whole deposit.
fn deposit(headers: &str) -> Vec<u8> {
    let body = form();
    [post(headers, body.len()).as_bytes(), &body].concat()
}

/// Returns the number of events about requests in the log.
fn requests_in_log(server: &Server) -> usize {
    server.stderr().matches("artifact::request: ").count()
}

/// Returns the number of artifacts in the database.
fn rows(server: &Server) -> usize {
    let database = rusqlite::Connection::open(server.path("artifact-data/rows.sqlite")).unwrap();
    let count = "SELECT count(*) FROM artifacts";
    let count: u32 = database.query_row(count, [], |row| row.get(0)).unwrap();
    usize::try_from(count).unwrap()
}

#[test]
fn a_half_closed_client_gets_the_answer_to_its_deposit() {
    let server = Server::start(&[]);
    for _ in 0..10 {
        let (mut stream, headers) = server.connect();
        stream.write_all(&deposit(&headers)).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(Answer::of(&read_to_end(&mut stream)).status, 201);
    }
    assert_eq!(rows(&server), 10);
    let server = Server::start(&["--listen", "unix:socket"]);
    for _ in 0..10 {
        let mut stream = std::os::unix::net::UnixStream::connect(server.path("socket")).unwrap();
        let headers = format!(
            "Host: h\r\nAuthorization: Bearer admin:{}\r\nX-Eden-Experiment-Id: default\r\n",
            server.token()
        );
        stream.write_all(&deposit(&headers)).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(Answer::of(&read_to_end(&mut stream)).status, 201);
    }
}

#[test]
fn a_client_that_is_gone_after_its_deposit_leaves_no_blob_without_a_row() {
    let server = Server::start(&[]);
    let before = server.blobs().len();
    let sent = 40;
    for n in 0..sent {
        let (mut stream, headers) = server.connect();
        let body = form();
        let head = post(&format!("{headers}Expect: 100-continue\r\n"), body.len());
        stream.write_all(head.as_bytes()).unwrap();
        let mut response = [0; 25];
        stream.read_exact(&mut response).unwrap();
        assert_eq!(&response, b"HTTP/1.1 100 Continue\r\n\r\n");
        stream.write_all(&body).unwrap();
        // The reset comes at another moment each time: in the body, and while the blob and its row are
        // written.
        std::thread::sleep(Duration::from_micros(100) * n);
        let socket = socket2::SockRef::from(&stream);
        socket.set_linger(Some(Duration::ZERO)).unwrap();
        drop(stream);
        let logged = usize::try_from(n).unwrap() + 1;
        server.wait_until("the request is logged", || {
            requests_in_log(&server) == logged
        });
    }
    // A deposit that was received is finished after its request has ended.
    server.wait_until("each blob has its row", || {
        server.blobs().len() - before == rows(&server)
    });
}

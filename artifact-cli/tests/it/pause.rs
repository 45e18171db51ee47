//! A server that stands still for longer than its time limits. What clients sent meanwhile counts.

use std::io::{Read, Write};
use std::time::Duration;

use crate::harness::{Answer, Server, noise, read_to_end, run_with};

const LIMITS: [&str; 6] = [
    "--header-timeout",
    "2",
    "--idle-timeout",
    "2",
    "--throughput-window",
    "2",
];
/// Longer than each limit.
const PAUSE: Duration = Duration::from_secs(3);

/// Stops the process and waits until it stands still.
#[expect(
    clippy::disallowed_methods,
    reason = "the kernel's file, not one of the server"
)]
fn suspend(server: &Server) {
    server.signal("STOP");
    let status = format!("/proc/{}/stat", server.pid());
    server.wait_until("the process stands still", || {
        // The state follows the name (proc_pid_stat(5)).
        std::fs::read_to_string(&status).unwrap().contains(") T ")
    });
}

const HEALTHZ: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n";

#[test]
fn bytes_that_arrived_while_the_server_stood_still_are_in_time() {
    let server = Server::start(&LIMITS);
    let put = run_with(&mut server.client(&["put", "-"]), &noise(30 << 20)).succeeded();
    let uri = put.stdout().trim_end().replace('/', "%2F");

    // A deposit whose body has begun.
    let (mut body, headers) = server.connect();
    let form = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n0123456789\
                \r\n--b--\r\n";
    let (first, rest) = form.split_at(70);
    write!(
        body,
        "POST /v0/experiments/default/artifacts HTTP/1.1\r\n{headers}Expect: 100-continue\r\n\
         Connection: close\r\nContent-Type: multipart/form-data; boundary=b\r\n\
         Content-Length: {}\r\n\r\n",
        form.len()
    )
    .unwrap();
    let mut response = [0; 25];
    body.read_exact(&mut response).unwrap();
    assert_eq!(&response, b"HTTP/1.1 100 Continue\r\n\r\n");
    body.write_all(first.as_bytes()).unwrap();
    // A reader of a response that exceeds all buffers.
    let (mut reader, headers) = server.connect();
    let fetch = format!(
        "GET /v0/experiments/default/artifacts?uri={uri} HTTP/1.1\r\n{headers}Connection: \
         close\r\n\r\n"
    );
    reader.write_all(fetch.as_bytes()).unwrap();
    let mut fetched = vec![0; 100_000];
    reader.read_exact(&mut fetched).unwrap();
    // A connection without a byte, one with half a header, and an idle one.
    let mut silent = server.stream();
    let mut header = server.stream();
    header.write_all(&HEALTHZ[..20]).unwrap();
    let mut idle = server.stream();
    idle.write_all(HEALTHZ).unwrap();
    // The content may arrive after the header.
    let mut answered = Vec::new();
    while !answered.ends_with(b"ok") {
        let mut byte = [0];
        idle.read_exact(&mut byte).unwrap();
        answered.extend(byte);
    }

    suspend(&server);
    body.write_all(rest.as_bytes()).unwrap();
    silent.write_all(HEALTHZ).unwrap();
    header.write_all(&HEALTHZ[20..]).unwrap();
    idle.write_all(HEALTHZ).unwrap();
    std::thread::sleep(PAUSE);
    server.signal("CONT");

    for stream in [&mut silent, &mut header, &mut idle] {
        let mut status = [0; 12];
        stream.read_exact(&mut status).unwrap();
        assert_eq!(&status, b"HTTP/1.1 200");
    }
    let answer = Answer::of(&read_to_end(&mut body));
    assert_eq!(answer.status, 201, "{}", answer.head);
    fetched.extend(read_to_end(&mut reader));
    assert_eq!(Answer::of(&fetched).body.len(), 30 << 20);
}

#[test]
fn requests_that_finish_in_a_pause_of_the_drain_are_finished() {
    let mut server = Server::start(&["--drain-timeout", "2"]);
    let (mut stream, headers) = server.connect();
    let form = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n0123456789\
                \r\n--b--\r\n";
    write!(
        stream,
        "POST /v0/experiments/default/artifacts HTTP/1.1\r\n{headers}Expect: 100-continue\r\n\
         Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {}\r\n\r\n",
        form.len()
    )
    .unwrap();
    stream.read_exact(&mut [0; 25]).unwrap();
    server.signal("TERM");
    let address = server.url.strip_prefix("http://").unwrap();
    while std::net::TcpStream::connect(address).is_ok() {
        std::thread::yield_now();
    }
    suspend(&server);
    stream.write_all(form.as_bytes()).unwrap();
    std::thread::sleep(PAUSE);
    server.signal("CONT");
    assert_eq!(Answer::of(&read_to_end(&mut stream)).status, 201);
    assert_eq!(server.wait().0, Some(0), "{}", server.stderr());
}

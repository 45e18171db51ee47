//! HTTP/2 without TLS, with prior knowledge (RFC 9113, section 3.3).

use std::io::{Read, Write};
use std::time::Duration;

use artifact_server::{ServeOutcome, ServerConfig};
use bytes::Bytes;
use h2::client::{Connection, ResponseFuture, SendRequest};
use http::{Request, StatusCode};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::harness::{LARGE, LONG, PATIENT, PIECE, TestServer, read_to_end};

type Client = (SendRequest<Bytes>, JoinHandle<Result<(), h2::Error>>);

async fn connect(server: &TestServer) -> Client {
    let stream = TcpStream::connect(server.tcp_address()).await.unwrap();
    let (client, connection): (_, Connection<_, Bytes>) =
        h2::client::handshake(stream).await.unwrap();
    let task = tokio::spawn(connection);
    (client, task)
}

fn request(server: &TestServer, method: &str, path: &str) -> Request<()> {
    Request::builder()
        .method(method)
        .uri(format!("{}{path}", server.address))
        .body(())
        .unwrap()
}

async fn read(response: ResponseFuture) -> (StatusCode, Vec<u8>) {
    let response = timeout(LONG, response).await.unwrap().unwrap();
    let status = response.status();
    assert_eq!(response.headers().get("connection"), None);
    assert!(response.headers().contains_key("x-request-id"));
    let mut body = response.into_body();
    let mut all = vec![];
    while let Some(chunk) = timeout(LONG, body.data()).await.unwrap() {
        let chunk = chunk.unwrap();
        body.flow_control().release_capacity(chunk.len()).unwrap();
        all.extend_from_slice(&chunk);
    }
    (status, all)
}

async fn get(
    server: &TestServer,
    client: &mut SendRequest<Bytes>,
    path: &str,
) -> (StatusCode, Vec<u8>) {
    let mut client = client.clone().ready().await.unwrap();
    let request = request(server, "GET", path);
    let (response, _) = client.send_request(request, true).unwrap();
    read(response).await
}

fn with_window_of_one_second() -> ServerConfig {
    ServerConfig {
        throughput_window: Duration::from_secs(1),
        min_throughput: 1 << 20,
        ..PATIENT
    }
}

#[test]
fn requests_are_served_and_rejections_have_no_connection_field() {
    let server = TestServer::start(PATIENT);
    server.block_on(async {
        let (mut client, _task) = connect(&server).await;
        assert_eq!(get(&server, &mut client, "/ok").await.1, b"ok");
        // The server's settings have arrived, since a response has.
        assert_eq!(client.current_max_send_streams(), 64);

        let upload = request(&server, "POST", "/upload");
        let (response, mut body) = client.send_request(upload, false).unwrap();
        body.send_data(vec![0; 3 << 20].into(), true).unwrap();
        let (status, length) = read(response).await;
        assert_eq!((status.as_u16(), length), (201, b"3145728".to_vec()));
        let (status, large) = get(&server, &mut client, "/large").await;
        assert_eq!((status, large.len()), (StatusCode::OK, LARGE));

        let long_path = format!("/{}", "x".repeat(9000));
        let (status, text) = get(&server, &mut client, &long_path).await;
        assert_eq!(status, 414);
        assert_eq!(text, b"the path and query are too long");
        assert_eq!(get(&server, &mut client, "/panic").await.0, 500);
    });
}

#[test]
fn a_flood_of_reset_streams_ends_its_connection_and_no_other() {
    let server = TestServer::start(PATIENT);
    server.block_on(async {
        let (mut client, task) = connect(&server).await;
        let (mut other, _task) = connect(&server).await;
        let mut sent = 0;
        let ended = loop {
            if task.is_finished() || sent == 100_000 {
                break task;
            }
            let upload = request(&server, "POST", "/upload");
            if let Ok((_, mut body)) = client.send_request(upload, false) {
                body.send_reset(h2::Reason::CANCEL);
                sent += 1;
            }
            tokio::task::yield_now().await;
        };
        let error = timeout(LONG, ended).await.unwrap().unwrap().unwrap_err();
        let calm = Some(h2::Reason::ENHANCE_YOUR_CALM);
        assert_eq!(error.reason(), calm, "{error}");
        assert_eq!(get(&server, &mut other, "/ok").await.0, 200);
    });
}

#[test]
fn a_stream_that_is_not_read_ends_the_connection() {
    let server = TestServer::start(with_window_of_one_second());
    server.block_on(async {
        let (mut client, task) = connect(&server).await;
        let large = request(&server, "GET", "/large");
        let (response, _) = client.send_request(large, true).unwrap();
        // The window is never opened again, but pings and settings are answered.
        let mut unread = response.await.unwrap().into_body();
        let _ = timeout(LONG, task).await.unwrap();
        let mut received = 0;
        while let Some(Ok(chunk)) = unread.data().await {
            received += chunk.len();
        }
        assert!(received < LARGE, "the whole body arrived");
    });
    server.wait_until("the end of the request", || {
        server.log().contains("outcome=\"cut\"")
    });
    server.stop();
}

#[test]
fn a_response_that_never_gets_a_window_ends_the_connection() {
    let server = TestServer::start(with_window_of_one_second());
    server.block_on(async {
        let stream = TcpStream::connect(server.tcp_address()).await.unwrap();
        let mut client = h2::client::Builder::new();
        client.initial_window_size(0);
        let (mut client, connection) = client.handshake::<_, Bytes>(stream).await.unwrap();
        let task = tokio::spawn(connection);
        let ok = request(&server, "GET", "/ok");
        let (_response, _) = client.send_request(ok, true).unwrap();
        let _ = timeout(LONG, task).await.unwrap();
    });
}

#[test]
fn open_requests_finish_after_the_server_stops_accepting() {
    let mut server = TestServer::start(PATIENT);
    server.block_on(async {
        let (mut client, task) = connect(&server).await;
        let upload = request(&server, "POST", "/upload");
        let (response, mut body) = client.send_request(upload, false).unwrap();
        body.send_data("open ".into(), false).unwrap();
        // A response on the same connection: the upload before it has begun.
        assert_eq!(get(&server, &mut client, "/ok").await.0, 200);
        server.handle.drain();
        let address = server.tcp_address();
        while TcpStream::connect(&address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        body.send_data("request".into(), true).unwrap();
        let (status, length) = read(response).await;
        assert_eq!((status.as_u16(), length), (201, b"12".to_vec()));
        timeout(LONG, task).await.unwrap().unwrap().unwrap();
    });
    assert_eq!(server.outcome(), ServeOutcome::Drained);
}

#[test]
fn a_body_that_stops_is_answered_408_and_other_streams_continue() {
    let server = TestServer::start(with_window_of_one_second());
    server.block_on(async {
        let (mut client, _task) = connect(&server).await;
        let upload = request(&server, "POST", "/upload");
        let (response, mut body) = client.send_request(upload, false).unwrap();
        body.send_data("open".into(), false).unwrap();
        assert_eq!(get(&server, &mut client, "/ok").await.0, 200);
        assert_eq!(read(response).await.0, 408);
        assert_eq!(get(&server, &mut client, "/ok").await.0, 200);
    });
}

/// Encodes one frame (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [&head, payload].concat()
}

/// The encoded field `a: b`, not indexed (RFC 7541, section 6.2.2).
const FIELD: [u8; 5] = *b"\0\x01a\x01b";

/// Returns the start of a connection, with a header that a later frame must continue.
fn incomplete_header() -> Vec<u8> {
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    [&preface[..], &frame(4, 0, 0, b""), &frame(1, 0, 1, &FIELD)].concat()
}

/// Sends a start and then the same frames without end. Checks that the server ends this connection with `ENHANCE_YOUR_CALM`,
/// and no other.
fn assert_flood_ends_its_connection(start: &[u8], more: Vec<u8>) {
    let server = TestServer::start(PATIENT);
    let mut stream = server.connect();
    stream.write_all(start).unwrap();
    let mut sender = stream.try_clone().unwrap();
    // Sends until the server closes; it discards some while it lingers.
    let sending = std::thread::spawn(move || while sender.write_all(&more).is_ok() {});
    let received = read_to_end(&mut stream);
    // A GOAWAY frame, whose second word is the reason (RFC 9113, section 6.8).
    let goaway = [7, 0, 0, 0, 0, 0];
    let at = received
        .windows(6)
        .position(|bytes| bytes == goaway)
        .unwrap();
    let reason = u32::from(h2::Reason::ENHANCE_YOUR_CALM).to_be_bytes();
    assert_eq!(received[at + 10..at + 14], reason, "{received:?}");
    drop(stream);
    sending.join().unwrap();
    assert_eq!(server.get("/ok").status, 200);
}

#[test]
fn endless_continuation_frames_end_the_connection() {
    let more = frame(9, 0, 1, &FIELD.repeat(2000));
    assert_flood_ends_its_connection(&incomplete_header(), more);
}

#[test]
fn endless_empty_frames_end_the_connection() {
    // `:method` POST, `:scheme` http, and `:path` and `:authority` as literals (RFC 7541, section 6.2.2).
    let head = b"\x83\x86\x04\x07/upload\x01\x01a";
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let start = [&preface[..], &frame(4, 0, 0, b""), &frame(1, 4, 1, head)].concat();
    // The body has no byte and no end.
    let more = frame(0, 0, 1, b"").repeat(1000);
    assert_flood_ends_its_connection(&start, more);
}

#[test]
fn an_incomplete_header_counts_as_idle() {
    let server = TestServer::start(ServerConfig {
        idle_timeout: Duration::from_secs(1),
        ..with_window_of_one_second()
    });
    let mut stream = server.connect();
    stream.write_all(&incomplete_header()).unwrap();
    // Frames may arrive before the end.
    read_to_end(&mut stream);
    server.stop();
}

#[test]
fn idle_connections_are_closed_gracefully() {
    let server = TestServer::start(ServerConfig {
        idle_timeout: Duration::from_secs(1),
        ..PATIENT
    });
    server.block_on(async {
        let (mut client, task) = connect(&server).await;
        assert_eq!(get(&server, &mut client, "/ok").await.0, 200);
        timeout(LONG, task).await.unwrap().unwrap().unwrap();
        // A connection without any request.
        let (_client, task) = connect(&server).await;
        timeout(LONG, task).await.unwrap().unwrap().unwrap();
    });
}

#[test]
fn a_client_that_disconnects_during_an_upload_is_logged_as_gone() {
    let server = TestServer::start(PATIENT);
    server.block_on(async {
        let (mut client, task) = connect(&server).await;
        let upload = request(&server, "POST", "/upload");
        let (_response, mut body) = client.send_request(upload, false).unwrap();
        body.send_data(vec![0; 1000].into(), false).unwrap();
        // The server reads in order, so it has read the upload too.
        assert_eq!(get(&server, &mut client, "/ok").await.1, b"ok");
        task.abort();
    });
    let line = || {
        let log = server.log();
        let mut lines = log.lines().filter(|line| line.contains("method=\"POST\""));
        lines.next().map(str::to_owned)
    };
    server.wait_until("the event", || line().is_some());
    let line = line().unwrap();
    assert!(
        line.contains("outcome=\"gone\"") && !line.contains("status="),
        "{line}"
    );
}

#[test]
fn a_response_that_waits_for_the_window_is_finished_in_the_drain() {
    let mut server = TestServer::start(PATIENT);
    let mut stream = server.connect();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    // GET http://h/piece, by the static table (RFC 7541, appendix A).
    let header = b"\x82\x86\x04\x06/piece\x01\x01h";
    let request = [&preface[..], &frame(4, 0, 0, b""), &frame(1, 5, 1, header)].concat();
    stream.write_all(&request).unwrap();
    let received = Frames::default();
    let received = received.read_until(&mut stream, |frames| frames.data >= 65_535);
    server.handle.drain();
    // GOAWAY and PING. This client confirms neither settings nor pings.
    let received = received.read_until(&mut stream, |frames| {
        frames.kinds.contains(&7) && frames.kinds.contains(&6)
    });
    let limit = Duration::from_secs(1);
    stream.set_read_timeout(Some(limit)).unwrap();
    let closed = stream.read(&mut [0; 100]);
    assert_eq!(closed.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);

    stream.set_read_timeout(Some(LONG)).unwrap();
    let more = u32::try_from(PIECE).unwrap().to_be_bytes();
    stream.write_all(&frame(8, 0, 1, &more)).unwrap();
    stream.write_all(&frame(8, 0, 0, &more)).unwrap();
    let received = received.read_until(&mut stream, |frames| frames.ended);
    assert_eq!(received.data, PIECE);
    assert_eq!(server.outcome(), ServeOutcome::Drained);
}

/// What a client has received.
#[derive(Debug, Default)]
struct Frames {
    kinds: Vec<u8>,
    /// The number of bytes in DATA frames.
    data: usize,
    /// Whether a stream has ended.
    ended: bool,
}

impl Frames {
    fn read_until(mut self, stream: &mut impl Read, done: impl Fn(&Self) -> bool) -> Self {
        while !done(&self) {
            let mut head = [0; 9];
            stream.read_exact(&mut head).unwrap();
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let length = usize::try_from(length).unwrap();
            stream.read_exact(&mut vec![0; length]).unwrap();
            self.kinds.push(head[3]);
            if head[3] == 0 {
                self.data += length;
                self.ended |= head[4] & 1 != 0;
            }
        }
        self
    }
}

//! HTTP/2 without TLS, from its first byte on (RFC 9113, section 3.3).

use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Connection, ResponseFuture, SendRequest};
use http::{Request, StatusCode};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::harness::{Answer, Server, noise, read_to_end, run_with};

/// No test waits for so long.
const LONG: Duration = Duration::from_mins(1);

type Client = (SendRequest<Bytes>, JoinHandle<Result<(), h2::Error>>);

async fn connect(server: &Server) -> Client {
    let address = server.url.strip_prefix("http://").unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let (client, connection): (_, Connection<_, Bytes>) =
        h2::client::handshake(stream).await.unwrap();
    let task = tokio::spawn(connection);
    (client, task)
}

fn request(server: &Server, method: &str, path: &str) -> Request<()> {
    Request::builder()
        .method(method)
        .uri(format!("{}{path}", server.url))
        .header("authorization", format!("Bearer admin:{}", server.token()))
        .header("x-eden-experiment-id", "default")
        .header("content-type", "multipart/form-data; boundary=b")
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
    while let Some(piece) = timeout(LONG, body.data()).await.unwrap() {
        let piece = piece.unwrap();
        body.flow_control().release_capacity(piece.len()).unwrap();
        all.extend_from_slice(&piece);
    }
    (status, all)
}

fn block_on(test: impl Future<Output = ()>) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(test);
}

const ARTIFACTS: &str = "/v0/experiments/default/artifacts";
const HEAD: &str = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n";

async fn get(
    server: &Server,
    client: &mut SendRequest<Bytes>,
    path: &str,
) -> (StatusCode, Vec<u8>) {
    let mut client = client.clone().ready().await.unwrap();
    let (response, _) = client
        .send_request(request(server, "GET", path), true)
        .unwrap();
    read(response).await
}

#[test]
fn what_goes_in_comes_out() {
    let server = Server::start(&[]);
    block_on(async {
        let (mut client, _task) = connect(&server).await;
        // The settings are here once an answer is.
        assert_eq!(get(&server, &mut client, "/healthz").await.1, b"ok");
        assert_eq!(client.current_max_send_streams(), 64);

        let bytes = noise(3 << 20);
        let form = [HEAD.as_bytes(), &bytes, b"\r\n--b--\r\n"].concat();
        let (response, mut body) = client
            .send_request(request(&server, "POST", ARTIFACTS), false)
            .unwrap();
        body.send_data(form.into(), true).unwrap();
        let (status, answer) = read(response).await;
        assert_eq!(status, 201);
        let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
        let uri = answer["artifacts_uri"]
            .as_str()
            .unwrap()
            .replace('/', "%2F");
        let (status, back) = get(&server, &mut client, &format!("{ARTIFACTS}?uri={uri}")).await;
        assert_eq!((status, back == bytes), (StatusCode::OK, true));

        // What is refused before the router is a problem too.
        let (status, problem) = get(&server, &mut client, &format!("/{}", "x".repeat(9000))).await;
        assert_eq!(status, 414);
        let problem: serde_json::Value = serde_json::from_slice(&problem).unwrap();
        assert_eq!(problem["status"], 414);
    });
}

#[test]
fn streams_that_are_reset_at_once_end_the_connection_and_nobody_else() {
    let server = Server::start(&[]);
    block_on(async {
        let (mut client, task) = connect(&server).await;
        let (mut other, _task) = connect(&server).await;
        let mut sent = 0;
        let ended = loop {
            if task.is_finished() || sent == 100_000 {
                break task;
            }
            if let Ok((_, mut body)) =
                client.send_request(request(&server, "POST", ARTIFACTS), false)
            {
                body.send_reset(h2::Reason::CANCEL);
                sent += 1;
            }
            tokio::task::yield_now().await;
        };
        let error = timeout(LONG, ended).await.unwrap().unwrap().unwrap_err();
        assert_eq!(
            error.reason(),
            Some(h2::Reason::ENHANCE_YOUR_CALM),
            "{error}"
        );
        assert_eq!(get(&server, &mut other, "/healthz").await.0, 200);
    });
}

#[test]
fn a_stream_that_is_not_taken_ends_the_connection() {
    let server = Server::start(&[]);
    let put = run_with(&mut server.client(&["put", "-"]), &noise(4 << 20)).succeeded();
    let limits = ["--throughput-window", "1", "--min-throughput", "1MiB"];
    let server = Server::start_in(server.stop("TERM"), &limits);
    let uri = put.stdout().trim_end().replace('/', "%2F");
    block_on(async {
        let (mut client, task) = connect(&server).await;
        let path = format!("{ARTIFACTS}?uri={uri}");
        let (response, _) = client
            .send_request(request(&server, "GET", &path), true)
            .unwrap();
        // Its window is never opened again; pings and settings are answered all the while.
        let mut held = response.await.unwrap().into_body();
        let _ = timeout(LONG, task).await.unwrap();
        let mut came = 0;
        while let Some(Ok(piece)) = held.data().await {
            came += piece.len();
        }
        assert!(came < 4 << 20, "all of it came");
    });
    server.wait_until("the line of the log", || {
        server.stderr().contains("outcome=\"cut\"")
    });
}

#[test]
fn an_answer_for_which_there_is_never_room_ends_the_connection() {
    let server = Server::start(&["--throughput-window", "1"]);
    block_on(async {
        let address = server.url.strip_prefix("http://").unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let mut client = h2::client::Builder::new();
        client.initial_window_size(0);
        let (mut client, connection) = client.handshake::<_, Bytes>(stream).await.unwrap();
        let task = tokio::spawn(connection);
        let (_response, _) = client
            .send_request(request(&server, "GET", "/healthz"), true)
            .unwrap();
        let _ = timeout(LONG, task).await.unwrap();
    });
}

#[test]
fn what_is_in_flight_is_finished_after_a_signal() {
    let mut server = Server::start(&[]);
    block_on(async {
        let (mut client, task) = connect(&server).await;
        let (response, mut body) = client
            .send_request(request(&server, "POST", ARTIFACTS), false)
            .unwrap();
        body.send_data(HEAD.into(), false).unwrap();
        // An answer on the same connection: the deposit before it has begun.
        assert_eq!(get(&server, &mut client, "/healthz").await.0, 200);
        server.signal("TERM");
        crate::shutdown::wait_until_refused(&server);
        body.send_data("in flight\r\n--b--\r\n".into(), true)
            .unwrap();
        assert_eq!(read(response).await.0, 201);
        timeout(LONG, task).await.unwrap().unwrap().unwrap();
    });
    assert_eq!(server.wait().0, Some(0), "{}", server.stderr());
}

#[test]
fn a_body_that_does_not_come_is_408_and_other_streams_go_on() {
    let server = Server::start(&["--throughput-window", "1"]);
    let before = server.blobs();
    block_on(async {
        let (mut client, _task) = connect(&server).await;
        let (response, mut body) = client
            .send_request(request(&server, "POST", ARTIFACTS), false)
            .unwrap();
        body.send_data(HEAD.into(), false).unwrap();
        assert_eq!(get(&server, &mut client, "/healthz").await.0, 200);
        let (status, problem) = read(response).await;
        assert_eq!(status, 408, "{}", String::from_utf8_lossy(&problem));
        assert_eq!(get(&server, &mut client, "/healthz").await.0, 200);
    });
    assert_eq!(server.blobs(), before);
}

/// One frame (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [&head, payload].concat()
}

/// The beginning of a connection, and a header that is still to be continued.
fn begun() -> Vec<u8> {
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    [&preface[..], &frame(4, 0, 0, b""), &frame(1, 0, 1, &FIELD)].concat()
}

/// A field `a: b` that is not kept (RFC 7541, section 6.2.2).
const FIELD: [u8; 5] = *b"\0\x01a\x01b";

#[test]
fn a_header_that_is_continued_without_an_end_is_not_taken_for_long() {
    let server = Server::start(&[]);
    let mut stream = server.stream();
    stream.write_all(&begun()).unwrap();
    let more = frame(9, 0, 1, &FIELD.repeat(2000));
    let mut sender = stream.try_clone().unwrap();
    // Until nobody listens any more: a refusal is lingered over, so some is thrown away.
    let sending = std::thread::spawn(move || while sender.write_all(&more).is_ok() {});
    let said = read_to_end(&mut stream);
    // GOAWAY, whose second word is the reason (RFC 9113, section 6.8).
    let goaway = [7, 0, 0, 0, 0, 0];
    let at = said.windows(6).position(|here| here == goaway).unwrap();
    let reason = u32::from(h2::Reason::ENHANCE_YOUR_CALM).to_be_bytes();
    assert_eq!(said[at + 10..at + 14], reason, "{said:?}");
    drop(stream);
    sending.join().unwrap();
    let healthy = "GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    assert_eq!(Answer::of(&server.say(healthy)).status, 200);
}

#[test]
fn half_a_header_and_silence_end_like_silence() {
    let server = Server::start(&["--idle-timeout", "1", "--throughput-window", "1"]);
    let before = server.descriptors();
    let mut stream = server.stream();
    stream.write_all(&begun()).unwrap();
    // Its end, after whatever frames come before it.
    read_to_end(&mut stream);
    server.wait_until("its descriptor", || server.descriptors() <= before);
}

#[test]
fn an_idle_connection_is_ended_in_an_orderly_way() {
    let server = Server::start(&["--idle-timeout", "1"]);
    block_on(async {
        let (mut client, task) = connect(&server).await;
        assert_eq!(get(&server, &mut client, "/healthz").await.0, 200);
        timeout(LONG, task).await.unwrap().unwrap().unwrap();
        // And one that never asks for anything.
        let (_client, task) = connect(&server).await;
        timeout(LONG, task).await.unwrap().unwrap().unwrap();
    });
}

//! Tests the time limits with slow and silent clients over an in-memory pipe. The clock is paused, so each
//! limit is asserted exactly.

use std::convert::Infallible;
use std::error::Error;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::{Instant, advance, sleep};
use tokio_util::sync::CancellationToken;
use tower::{Service, service_fn};

use super::request_body::RequestBody;
use super::server_state::ServerState;
use super::state::ConnectionState;
use crate::config::ServerConfig;
use crate::hooks::DefaultHooks;
use crate::lingering_close::{MAX_LINGER, QUIET};
use crate::listener::Peer;

pub(super) const CONFIG: ServerConfig = ServerConfig {
    header_timeout: Duration::from_secs(20),
    idle_timeout: Duration::from_secs(50),
    min_throughput: 1000,
    throughput_window: Duration::from_secs(10),
    max_connections: 1,
    max_header_bytes: 32 << 10,
    drain_timeout: Duration::from_secs(30),
};

/// Reads the request body. Responds 200, or 408 if the body is too slow; `/large` returns 10 MB. `/refuse`
/// responds 403 without reading.
async fn handle(request: Request<RequestBody>) -> Result<Response<Full<Bytes>>, Infallible> {
    let large = request.uri().path() == "/large";
    if request.uri().path() == "/refuse" {
        let mut response = Response::new("refused".into());
        *response.status_mut() = StatusCode::FORBIDDEN;
        return Ok(response);
    }
    let response = match request.into_body().collect().await {
        Ok(_) if large => Response::new(vec![0; 10_000_000].into()),
        Ok(_) => Response::new("ok".into()),
        Err(error) => {
            assert!(format!("{error}").contains("too slowly"), "{error}");
            let mut response = Response::new("slow".into());
            *response.status_mut() = StatusCode::REQUEST_TIMEOUT;
            let close = http::HeaderValue::from_static("close");
            response.headers_mut().insert("connection", close);
            response
        }
    };
    Ok(response)
}

/// Returns a client's end of a new connection, and the task that serves it.
fn connect(config: ServerConfig) -> (DuplexStream, JoinHandle<()>) {
    connect_to(config, service_fn(handle))
}

/// Returns a client's end of a new connection to this service, and the task that serves it.
pub(super) fn connect_to<S, B>(config: ServerConfig, service: S) -> (DuplexStream, JoinHandle<()>)
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + Unpin + 'static,
{
    let (client, server) = duplex(16 << 10);
    let state = Arc::new(ServerState {
        config,
        hooks: Arc::new(DefaultHooks),
        metrics: crate::metrics::ServerMetrics::none(),
    });
    let task = tokio::spawn(super::serve(
        Box::new(server),
        Peer::Unix,
        super::builder(&config),
        service,
        state,
        ConnectionState::new(),
        CancellationToken::new(),
    ));
    (client, task)
}

async fn read_to_end(client: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut bytes = vec![];
    let _ = client.read_to_end(&mut bytes).await;
    String::from_utf8(bytes).unwrap()
}

/// Sends one byte per second until the server closes.
async fn drip(mut client: impl AsyncWriteExt + Unpin) {
    while client.write_all(b"x").await.is_ok() {
        sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn incomplete_headers_are_answered_408_after_the_header_timeout() {
    for sent in ["G", "GET / HTTP/1.1\r\nHost: h\r\n", "PRI * HTTP/2.0\r\n"] {
        let began = Instant::now();
        let (mut client, _task) = connect(CONFIG);
        client.write_all(sent.as_bytes()).await.unwrap();
        let mut response = vec![0; 1000];
        let length = client.read(&mut response).await.unwrap();
        assert_eq!(began.elapsed(), CONFIG.header_timeout, "{sent:?}");
        let response = str::from_utf8(&response[..length]).unwrap();
        assert!(response.starts_with("HTTP/1.1 408 "), "{response}");
        assert!(response.contains("\r\nconnection: close\r\n"), "{response}");
        assert_eq!(read_to_end(&mut client).await, "");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_header_does_not_extend_the_time_limit() {
    let began = Instant::now();
    let (client, _task) = connect(CONFIG);
    let (mut reader, mut writer) = tokio::io::split(client);
    writer.write_all(b"GET / HTTP/1.1\r\nx: ").await.unwrap();
    let dripping = tokio::spawn(drip(writer));
    let mut status = [0; 12];
    reader.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 408");
    assert_eq!(began.elapsed(), CONFIG.header_timeout);
    read_to_end(&mut reader).await;
    drop(reader);
    dripping.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_second_header_of_a_connection_has_the_limit_too() {
    let (mut client, _task) = connect(CONFIG);
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        .await
        .unwrap();
    let mut first = [0; 12];
    client.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    client.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let rest = read_to_end(&mut client).await;
    let second = &rest[rest.find("HTTP/1.1 ").unwrap()..];
    assert!(second.starts_with("HTTP/1.1 408 "), "{rest}");
    assert!(second.ends_with("did not arrive in time"), "{rest}");
}

#[tokio::test(start_paused = true)]
async fn silent_connections_are_closed_without_a_response() {
    let began = Instant::now();
    let (mut client, task) = connect(CONFIG);
    assert_eq!(read_to_end(&mut client).await, "");
    assert_eq!(began.elapsed(), CONFIG.header_timeout);
    drop(client);
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn connections_are_kept_for_the_idle_timeout_after_a_response() {
    let began = Instant::now();
    let (mut client, _task) = connect(CONFIG);
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        .await
        .unwrap();
    let response = read_to_end(&mut client).await;
    assert_eq!(began.elapsed(), CONFIG.idle_timeout);
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    assert!(response.ends_with("\r\n\r\nok"), "{response}");
    assert!(!response.contains("connection:"), "{response}");
}

#[tokio::test(start_paused = true)]
async fn bodies_that_stop_are_ended_after_the_throughput_window() {
    for (framing, body) in [
        ("Content-Length: 9000", String::new()),
        ("Content-Length: 9000", "x".repeat(5000)),
        ("Transfer-Encoding: chunked", "3\r\nabc\r\n".to_owned()),
    ] {
        let began = Instant::now();
        let (mut client, _task) = connect(CONFIG);
        let head = format!("POST / HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n{body}");
        client.write_all(head.as_bytes()).await.unwrap();
        let mut status = [0; 12];
        client.read_exact(&mut status).await.unwrap();
        assert_eq!(&status, b"HTTP/1.1 408", "{framing}");
        assert_eq!(began.elapsed(), CONFIG.throughput_window, "{framing}");
    }
}

#[tokio::test(start_paused = true)]
async fn bodies_below_the_minimum_rate_are_aborted_and_others_are_not() {
    let (client, _task) = connect(CONFIG);
    let (mut reader, mut writer) = tokio::io::split(client);
    let head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9000\r\n\r\n";
    writer.write_all(head).await.unwrap();
    let began = Instant::now();
    let dripping = tokio::spawn(drip(writer));
    let mut status = [0; 12];
    reader.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 408");
    let waited = began.elapsed();
    assert!(waited < CONFIG.throughput_window + Duration::from_secs(1));
    read_to_end(&mut reader).await;
    drop(reader);
    dripping.await.unwrap();

    let (mut client, _task) = connect(CONFIG);
    let head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n";
    client.write_all(head).await.unwrap();
    for _ in 0..100 {
        sleep(Duration::from_secs(1)).await;
        client.write_all(&[b'x'; 1000]).await.unwrap();
    }
    client.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
}

#[tokio::test(start_paused = true)]
async fn slow_readers_above_the_minimum_rate_receive_the_whole_response() {
    let (mut client, _task) = connect(CONFIG);
    let request = b"GET /large HTTP/1.1\r\nHost: h\r\n\r\n";
    client.write_all(request).await.unwrap();
    let mut received = 0;
    let mut buffer = vec![0; 4000];
    // Far longer than the idle time-out, which must not count while the response is written.
    while received < 10_000_000 {
        let length = client.read(&mut buffer).await.unwrap();
        assert_ne!(length, 0, "closed after {received} bytes");
        received += length;
        sleep(Duration::from_secs(1)).await;
    }
    // The idle time-out counts from the last byte on.
    let (began, rest) = (Instant::now(), read_to_end(&mut client).await);
    assert!(rest.len() < 4000, "{}", rest.len());
    let (waited, idle) = (began.elapsed(), CONFIG.idle_timeout);
    assert!(
        waited <= idle && waited + Duration::from_secs(10) >= idle,
        "{waited:?}"
    );
}

/// Returns an HTTP/2 client of a new connection.
async fn connect_http2(config: ServerConfig) -> h2::client::SendRequest<Bytes> {
    let (client, _task) = connect(config);
    let (client, connection) = h2::client::handshake(client).await.unwrap();
    tokio::spawn(connection);
    client
}

#[tokio::test(start_paused = true)]
async fn the_stream_of_an_early_response_is_reset_only_after_the_client_was_silent() {
    let mut client = connect_http2(CONFIG).await;
    let request = Request::post("http://h/refuse").body(()).unwrap();
    let (response, mut body) = client.send_request(request, false).unwrap();
    body.send_data(vec![0; 1000].into(), false).unwrap();
    assert_eq!(response.await.unwrap().status(), 403);
    // Sends one byte every 200 milliseconds.
    let began = Instant::now();
    for _ in 0..5 {
        sleep(Duration::from_millis(200)).await;
        body.send_data("x".into(), false).unwrap();
    }
    let reset = poll_fn(|context| body.poll_reset(context)).await.unwrap();
    assert_eq!(reset, h2::Reason::NO_ERROR);
    assert_eq!(began.elapsed(), Duration::from_secs(1) + QUIET);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_keeps_sending_after_an_early_response_is_reset_after_a_maximum_time() {
    let mut client = connect_http2(CONFIG).await;
    let request = Request::post("http://h/refuse").body(()).unwrap();
    let (response, mut body) = client.send_request(request, false).unwrap();
    let began = Instant::now();
    assert_eq!(response.await.unwrap().status(), 403);
    // Far more than the windows of the stream and of the connection.
    let mut sent = 0;
    let reset = loop {
        body.reserve_capacity(10_000);
        let next = poll_fn(|context| match body.poll_reset(context) {
            Poll::Ready(reset) => Poll::Ready(Err(reset.unwrap())),
            Poll::Pending => body.poll_capacity(context).map(Ok),
        });
        match next.await {
            Err(reset) => break reset,
            Ok(None | Some(Err(_))) => panic!("no reset came"),
            Ok(Some(Ok(capacity))) => {
                sent += capacity;
                body.send_data(vec![0; capacity].into(), false).unwrap();
                sleep(Duration::from_millis(10)).await;
            }
        }
    };
    assert_eq!(reset, h2::Reason::NO_ERROR);
    assert!(sent > 4_000_000, "{sent}");
    let waited = began.elapsed();
    assert!(
        waited >= MAX_LINGER && waited < MAX_LINGER + QUIET,
        "{waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_pause_of_the_server_does_not_count_against_the_client() {
    for part in [
        "",
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    ] {
        let (mut client, _task) = connect(CONFIG);
        client.write_all(part.as_bytes()).await.unwrap();
        // Lets the server wait for the rest, then stops it for longer than each limit.
        sleep(Duration::from_secs(1)).await;
        advance(Duration::from_secs(1000)).await;
        sleep(Duration::from_secs(1)).await;
        let rest = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
        let rest = rest.strip_prefix(part).filter(|rest| !rest.is_empty());
        let rest = rest.unwrap_or("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        client.write_all(rest.as_bytes()).await.unwrap();
        let mut status = [0; 12];
        client.read_exact(&mut status).await.unwrap();
        assert_eq!(&status, b"HTTP/1.1 200", "{part:?}");
    }
    let (mut client, _task) = connect(CONFIG);
    let head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n01234";
    client.write_all(head).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    advance(Duration::from_secs(1000)).await;
    sleep(Duration::from_secs(1)).await;
    client.write_all(b"56789").await.unwrap();
    let mut status = [0; 12];
    client.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
}

#[tokio::test(start_paused = true)]
async fn an_http2_client_whose_reply_to_a_ping_arrives_in_a_pause_stays_connected() {
    let mut client = connect_http2(ServerConfig {
        idle_timeout: Duration::from_secs(3600),
        ..CONFIG
    })
    .await;
    for _ in 0..3 {
        sleep(Duration::from_secs(40)).await;
        advance(Duration::from_secs(100)).await;
        let request = Request::get("http://h/").body(()).unwrap();
        let (response, _) = client.send_request(request, true).unwrap();
        assert_eq!(response.await.unwrap().status(), 200);
    }
}

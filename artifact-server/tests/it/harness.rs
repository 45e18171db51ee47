//! Starts a server in this process and connects to it over blocking sockets.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use artifact_server::{
    Address, Hooks, Listener, RequestLabels, ServeOutcome, Server, ServerConfig, ServerHandle,
};
use axum::body::{Body, Bytes};
use axum::routing::{any, get, post};
use axum::{Extension, Router};
use futures_util::{StreamExt, stream};
use http::{Extensions, StatusCode};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// The time limit of a wait. Only a failing test reaches it.
pub(crate) const LONG: Duration = Duration::from_secs(60);
/// A response that hyper could have written.
pub(crate) const LOOKS_LIKE_A_REJECTION: &str =
    "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
/// The size of the response to `/large` in bytes. It exceeds all buffers between server and client.
pub(crate) const LARGE: usize = 32 << 20;

/// The size of the response to `/piece`, which the service returns at once. It exceeds the first window of an
/// HTTP/2 stream (RFC 9113, section 6.9.2).
pub(crate) const PIECE: usize = 100 << 10;

pub(crate) const PATIENT: ServerConfig = ServerConfig {
    header_timeout: Duration::from_secs(3600),
    idle_timeout: Duration::from_secs(3600),
    min_throughput: 4096,
    throughput_window: Duration::from_secs(3600),
    max_connections: 4096,
    max_header_bytes: 32 << 10,
    drain_timeout: Duration::from_secs(60),
};

#[derive(Debug, Clone)]
struct Labels(&'static str, &'static str);

#[derive(Debug)]
struct TestHooks;

impl Hooks for TestHooks {
    fn labels(&self, response: &Extensions) -> RequestLabels {
        let labels = response.get::<Labels>();
        labels.map_or_else(RequestLabels::default, |labels| RequestLabels {
            route: labels.0.into(),
            principal: Some(labels.1.into()),
            experiment: Some("an-experiment".into()),
            artifact: Some("an-artifact".into()),
            is_probe: false,
        })
    }
}

async fn upload(body: Body) -> (StatusCode, String) {
    let mut length = 0;
    let mut body = body.into_data_stream();
    while let Some(chunk) = body.next().await {
        match chunk {
            Ok(chunk) => length += chunk.len(),
            Err(error) => {
                let chain =
                    std::iter::successors(Some(&error as &dyn std::error::Error), |error| {
                        error.source()
                    });
                let slow = chain
                    .filter_map(|error| error.downcast_ref::<io::Error>())
                    .any(|error| error.kind() == io::ErrorKind::TimedOut);
                let status = if slow {
                    StatusCode::REQUEST_TIMEOUT
                } else {
                    StatusCode::BAD_REQUEST
                };
                return (status, error.to_string());
            }
        }
    }
    (StatusCode::CREATED, length.to_string())
}

async fn panic() -> &'static str {
    panic!("a handler panics")
}

fn router(gate: Arc<Semaphore>) -> Router {
    let gated = async move || {
        tracing::debug!("a request arrived");
        gate.acquire().await.unwrap().forget();
        "released"
    };
    let large = || async {
        let chunk = Bytes::from(vec![7; 64 << 10]);
        let chunks = stream::iter(vec![chunk; LARGE / (64 << 10)]).map(Ok::<_, io::Error>);
        Body::from_stream(chunks)
    };
    Router::new()
        .route("/ok", get(|| async { "ok" }))
        .route("/large", get(large))
        .route("/rejection", get(|| async { LOOKS_LIKE_A_REJECTION }))
        .route(
            "/labelled",
            get(|| async { (Extension(Labels("/{label}", "admin")), "ok") }),
        )
        .route("/panic", get(panic))
        .route(
            "/gate",
            get(gated.clone()).post(async move |_: Bytes| gated().await),
        )
        .route("/piece", get(|| async { vec![7; PIECE] }))
        .route(
            "/refuse",
            any(|| async { (StatusCode::FORBIDDEN, "refused") }),
        )
        .route("/upload", post(upload))
}

#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A running server. Dropping it aborts the server.
pub(crate) struct TestServer {
    pub(crate) address: Address,
    pub(crate) handle: ServerHandle,
    runtime: Runtime,
    task: Option<JoinHandle<ServeOutcome>>,
    log: Log,
    gate: Arc<Semaphore>,
}

impl TestServer {
    /// Starts a server on a free TCP port.
    pub(crate) fn start(config: ServerConfig) -> Self {
        Self::start_on(
            || Listener::bind_tcp("127.0.0.1:0").unwrap(),
            |server| server,
            config,
        )
    }

    /// Applies `customize` to a server and starts it on the socket that `bind` returns.
    pub(crate) fn start_on(
        bind: impl FnOnce() -> Listener,
        customize: impl FnOnce(Server<Router>) -> Server<Router>,
        config: ServerConfig,
    ) -> Self {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(tracing::Level::DEBUG)
            .with_writer(move || writer.clone())
            .finish();
        let dispatch = tracing::Dispatch::new(subscriber);
        // Each test server has threads and a log of its own.
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .on_thread_start(move || std::mem::forget(tracing::dispatcher::set_default(&dispatch)))
            .build()
            .unwrap();
        let listener = {
            let _entered = runtime.enter();
            bind()
        };
        let address = listener.address(false).unwrap();
        let gate = Arc::new(Semaphore::new(0));
        let server =
            customize(Server::new(router(Arc::clone(&gate)), config).with_hooks(TestHooks));
        let handle = server.handle();
        let task = Some(runtime.spawn(server.serve(listener)));
        Self {
            address,
            handle,
            runtime,
            task,
            log,
            gate,
        }
    }

    /// Lets one request to `/gate` respond.
    pub(crate) fn release(&self) {
        self.gate.add_permits(1);
    }

    /// Waits until a request to `/gate` has been received.
    pub(crate) fn wait_for_request(&self) {
        self.wait_until("a request", || self.log().contains("a request arrived"));
    }

    pub(crate) fn block_on<T>(&self, test: impl Future<Output = T>) -> T {
        self.runtime.block_on(test)
    }

    /// Returns the socket's address without its scheme.
    pub(crate) fn tcp_address(&self) -> String {
        let url = self.address.to_string();
        url.strip_prefix("http://").unwrap().to_owned()
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.tcp_address()).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream
    }

    /// Sends `request` on a new connection. Returns everything that the server sends until it closes.
    pub(crate) fn send(&self, request: impl AsRef<[u8]>) -> Vec<u8> {
        let mut stream = self.connect();
        // A server that rejects the request may close before all of it is sent.
        let _ = stream.write_all(request.as_ref());
        read_to_end(&mut stream)
    }

    /// Sends a request without body and returns its response.
    pub(crate) fn get(&self, path: &str) -> Response {
        let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        Response::parse(&self.send(request))
    }

    pub(crate) fn log(&self) -> String {
        String::from_utf8(self.log.0.lock().unwrap().clone()).unwrap()
    }

    /// Waits until the condition holds. Panics after 30 seconds.
    #[track_caller]
    pub(crate) fn wait_until(&self, event: &str, holds: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !holds() {
            assert!(Instant::now() < deadline, "{event}: {}", self.log());
            std::thread::yield_now();
        }
    }

    /// Waits until a server that is stopping has ended.
    pub(crate) fn outcome(&mut self) -> ServeOutcome {
        let task = self.task.take().unwrap();
        self.runtime.block_on(task).unwrap()
    }

    /// Drains the server and asserts that no request was open.
    pub(crate) fn stop(mut self) {
        self.handle.drain();
        assert_eq!(self.outcome(), ServeOutcome::Drained);
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

/// Reads until the end of the stream. A connection reset also counts as the end.
pub(crate) fn read_to_end(stream: &mut impl Read) -> Vec<u8> {
    let mut all = vec![];
    let mut chunk = vec![0; 64 << 10];
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => return all,
            Ok(length) => all.extend_from_slice(&chunk[..length]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                panic!("the server is silent: {}", String::from_utf8_lossy(&all))
            }
            // A read with a time limit is not restarted after a signal: signal(7).
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return all,
        }
    }
}

/// A parsed response.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// Parses the first response in these bytes. Everything after its header is its body.
    #[track_caller]
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no response: {}", String::from_utf8_lossy(bytes)));
        let head = str::from_utf8(&bytes[..end]).unwrap().to_owned();
        assert!(head.starts_with("HTTP/1.1 "), "{head}");
        Self {
            status: head[9..12].parse().unwrap(),
            head,
            body: bytes[end + 4..].to_owned(),
        }
    }

    /// Reads one response with a `Content-Length` from a connection that stays open.
    #[track_caller]
    pub(crate) fn read(stream: &mut impl Read) -> Self {
        let (mut all, mut byte) = (vec![], [0]);
        while !all.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            all.push(byte[0]);
        }
        let mut response = Self::parse(&all);
        let length = response.field("content-length").unwrap().parse().unwrap();
        response.body.resize(length, 0);
        stream.read_exact(&mut response.body).unwrap();
        response
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// Asserts that the response is a complete rejection with this status and that no bytes follow it.
    #[track_caller]
    pub(crate) fn assert_rejection(&self, status: u16) {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{} {text}", self.head);
        assert_eq!(
            self.field("content-length"),
            Some(&*self.body.len().to_string())
        );
        assert_eq!(self.field("connection"), Some("close"), "{}", self.head);
        assert_eq!(
            self.field("content-type"),
            Some("text/plain; charset=utf-8")
        );
        assert!(self.field("date").is_some(), "{}", self.head);
    }
}

/// Begins an upload of 10 bytes and sends 5 of them. Returns once the service reads the body.
pub(crate) fn begin_upload(stream: &mut (impl Read + Write)) {
    let head = "POST /upload HTTP/1.1\r\nHost: h\r\nConnection: close\r\nExpect: 100-continue\r\n\
                Content-Length: 10\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut response = [0; 25];
    stream.read_exact(&mut response).unwrap();
    assert_eq!(&response, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"01234").unwrap();
}

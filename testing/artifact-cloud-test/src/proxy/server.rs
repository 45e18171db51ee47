//! The proxy's listener, and the injection of faults.

use std::fmt;
use std::io;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, Method, Request, Response, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

use super::fault::{Fault, Loss};
use super::forward::forward;
use super::script::{RecordedRequest, Script};
use crate::error::{Error, Result};

/// How long a silent connection stays open if the client never gives up.
const MAX_SILENCE: Duration = Duration::from_mins(2);

/// A reverse proxy in front of one store, which injects the faults of its script and forwards all other
/// requests unchanged. It speaks HTTP/1.1 and holds whole bodies in memory. Dropping it cuts all
/// connections.
///
/// If several rules apply to a request, the first one added counts.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    script: Arc<Script>,
    task: JoinHandle<()>,
}

impl FaultProxy {
    /// Listens on a loopback port and forwards to `store`.
    ///
    /// # Errors
    ///
    /// Fails if no port is available.
    pub async fn start(store: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(Error::io("cannot listen for the proxy"))?;
        let address = listener
            .local_addr()
            .map_err(Error::io("cannot read the proxy's port"))?;
        let script = Arc::new(Script::default());
        let task = tokio::spawn(accept(listener, store, Arc::clone(&script)));
        Ok(Self {
            address,
            script,
            task,
        })
    }

    /// Returns the address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Injects `fault` into the request with this number, counted from 0 since the last
    /// [`clear`](Self::clear).
    pub fn fail_nth(&self, number: usize, fault: Fault) {
        self.script
            .add(move |request| request.number == number, fault, true);
    }

    /// Injects `fault` into the request with this number and all later ones.
    pub fn fail_from(&self, number: usize, fault: Fault) {
        self.script
            .add(move |request| request.number >= number, fault, false);
    }

    /// Injects `fault` into the next request for which `applies` returns true.
    pub fn fail_next(
        &self,
        applies: impl FnMut(&RecordedRequest) -> bool + Send + 'static,
        fault: Fault,
    ) {
        self.script.add(applies, fault, true);
    }

    /// Injects `fault` into every request for which `applies` returns true.
    pub fn fail_all(
        &self,
        applies: impl FnMut(&RecordedRequest) -> bool + Send + 'static,
        fault: Fault,
    ) {
        self.script.add(applies, fault, false);
    }

    /// Clears the script and the log. The next request has number 0.
    pub fn clear(&self) {
        self.script.clear();
    }

    /// Returns every request since the last [`clear`](Self::clear), in the order in which they were
    /// completely received.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.script.requests()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An error that makes hyper close a connection without a response.
#[derive(Debug)]
struct Lost;

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a fault was injected")
    }
}

impl std::error::Error for Lost {}

type Body = BoxBody<Bytes, io::Error>;

async fn accept(listener: TcpListener, store: SocketAddr, script: Arc<Script>) {
    // Dropped with this task, which ends every connection.
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        if let Ok((stream, socket)) = share_socket(stream) {
            connections.spawn(serve(stream, Arc::new(socket), store, Arc::clone(&script)));
        }
    }
}

/// Returns the stream for hyper, and the same socket for faults that hyper cannot produce.
fn share_socket(stream: TcpStream) -> io::Result<(TcpStream, std::net::TcpStream)> {
    stream.set_nodelay(true)?;
    let stream = stream.into_std()?;
    let socket = stream.try_clone()?;
    Ok((TcpStream::from_std(stream)?, socket))
}

async fn serve(
    stream: TcpStream,
    socket: Arc<std::net::TcpStream>,
    store: SocketAddr,
    script: Arc<Script>,
) {
    let service = service_fn(move |request| {
        let (socket, script) = (Arc::clone(&socket), Arc::clone(&script));
        async move { handle(request, &socket, store, &script).await }
    });
    // Errors are expected: either the client disconnected, or a fault was injected.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn handle(
    request: Request<Incoming>,
    socket: &std::net::TcpStream,
    store: SocketAddr,
    script: &Script,
) -> Result<Response<Body>, Lost> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Lost)?.to_bytes();
    let method = head.method.clone();
    let is_azure = head.headers.contains_key("x-ms-version");
    let (number, fault) = script.record(RecordedRequest {
        number: 0,
        method: method.clone(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers.clone(),
        body: body.len(),
        status: None,
        fault: None,
    });
    match &fault {
        Some(Fault::RequestLost(loss)) => return lose(*loss, socket).await,
        Some(Fault::Rejected(response)) => {
            return Ok(response.response(&method, is_azure).map(whole));
        }
        Some(Fault::Overtaken(first)) => first().await,
        _ => {}
    }
    // If the store does not respond, the connection is closed.
    let response = forward(store, Request::from_parts(head, body))
        .await
        .map_err(|_| Lost)?;
    script.record_status(number, response.status().as_u16());
    match fault {
        Some(Fault::ResponseLost(loss)) => lose(loss, socket).await,
        Some(Fault::ResponseReplaced(instead)) => {
            Ok(instead.response(&method, is_azure).map(whole))
        }
        fault => Ok(deliver(response, &method, fault.as_ref())),
    }
}

async fn lose(loss: Loss, mut socket: &std::net::TcpStream) -> Result<Response<Body>, Lost> {
    match loss {
        Loss::Closed => {}
        Loss::Reset => {
            let _ = SockRef::from(&socket).set_linger(Some(Duration::ZERO));
        }
        Loss::Silent => sleep(MAX_SILENCE).await,
        Loss::CutHead => {
            let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Ty");
        }
    }
    Err(Lost)
}

fn whole(
    body: impl http_body::Body<Data = Bytes, Error = std::convert::Infallible> + Send + Sync + 'static,
) -> Body {
    body.map_err(|never| match never {}).boxed()
}

/// Returns the store's response with the fault applied.
fn deliver(response: Response<Bytes>, method: &Method, fault: Option<&Fault>) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    if *method != Method::HEAD && !head.status.is_informational() {
        head.headers
            .insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    let body = match fault {
        Some(Fault::WrongETag) => {
            let other = HeaderValue::from_static("\"another\"");
            head.headers.insert(header::ETAG, other);
            chunks(body, usize::MAX, Duration::ZERO, None)
        }
        Some(Fault::SlowBody { chunk, pause }) => chunks(body, *chunk, *pause, None),
        Some(Fault::CutBody { after }) => chunks(body, usize::MAX, Duration::ZERO, Some(*after)),
        _ => chunks(body, usize::MAX, Duration::ZERO, None),
    };
    Response::from_parts(head, body)
}

/// Returns a body that is sent in chunks, each after a pause, and breaks off after `cut` bytes.
fn chunks(body: Bytes, chunk: usize, pause: Duration, cut: Option<usize>) -> Body {
    // Gives the sent bytes time to leave before the connection closes.
    const FLUSH_TIME: Duration = Duration::from_millis(20);
    let end = cut.unwrap_or(body.len()).min(body.len());
    let cut = cut.is_some();
    let stream = stream::unfold((body, 0, false), move |(body, at, done)| async move {
        if at < end {
            sleep(pause).await;
            let next = at.saturating_add(chunk.max(1)).min(end);
            let frame = Frame::data(body.slice(at..next));
            return Some((Ok(frame), (body, next, done)));
        }
        if !cut || done {
            return None;
        }
        sleep(FLUSH_TIME).await;
        let broken = io::Error::new(io::ErrorKind::ConnectionAborted, Lost);
        Some((Err(broken), (body, at, true)))
    });
    StreamBody::new(stream).boxed()
}

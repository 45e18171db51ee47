//! The proxy's listener, and the faults carried out.

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
use super::script::{Script, Seen};
use crate::error::{Error, Result};

/// How long a silence lasts at most, should the client never give up.
const SILENCE: Duration = Duration::from_mins(2);

/// A reverse proxy before one store, which does to each request what its script says, and nothing to
/// those of which it says nothing. It speaks HTTP/1.1 and holds whole bodies in memory. Dropping it
/// cuts all connections.
///
/// Of several rules that apply to a request, the one that was given first counts.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    script: Arc<Script>,
    task: JoinHandle<()>,
}

impl FaultProxy {
    /// Listens on a port of the loopback and forwards to `store`.
    ///
    /// # Errors
    ///
    /// When no port can be had.
    pub async fn start(store: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(Error::io("listen as a proxy"))?;
        let address = listener
            .local_addr()
            .map_err(Error::io("ask for the proxy's port"))?;
        let script = Arc::new(Script::default());
        let task = tokio::spawn(accept(listener, store, Arc::clone(&script)));
        Ok(Self {
            address,
            script,
            task,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The request of this number, counted from 0 since the script was last cleared, meets `fault`.
    pub fn fail_nth(&self, number: usize, fault: Fault) {
        self.script
            .add(move |seen| seen.number == number, fault, true);
    }

    /// The request of this number and all after it meet `fault`.
    pub fn fail_from(&self, number: usize, fault: Fault) {
        self.script
            .add(move |seen| seen.number >= number, fault, false);
    }

    /// The next request to which `applies` says yes meets `fault`.
    pub fn fail_next(&self, applies: impl FnMut(&Seen) -> bool + Send + 'static, fault: Fault) {
        self.script.add(applies, fault, true);
    }

    /// Every request to which `applies` says yes meets `fault`.
    pub fn fail_all(&self, applies: impl FnMut(&Seen) -> bool + Send + 'static, fault: Fault) {
        self.script.add(applies, fault, false);
    }

    /// Forgets the script and the log. Counting begins at 0 again.
    pub fn clear(&self) {
        self.script.clear();
    }

    /// Every request since the last [`clear`](Self::clear), in the order in which they were whole.
    pub fn seen(&self) -> Vec<Seen> {
        self.script.seen()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What makes hyper close a connection without an answer.
#[derive(Debug)]
struct Lost;

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the script says so")
    }
}

impl std::error::Error for Lost {}

type Body = BoxBody<Bytes, io::Error>;

async fn accept(listener: TcpListener, store: SocketAddr, script: Arc<Script>) {
    // It ends with this task, and every connection with it.
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        if let Ok((stream, socket)) = split(stream) {
            connections.spawn(serve(stream, Arc::new(socket), store, Arc::clone(&script)));
        }
    }
}

/// The stream for hyper, and the same socket for what hyper would never do to it.
fn split(stream: TcpStream) -> io::Result<(TcpStream, std::net::TcpStream)> {
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
        async move { answer(request, &socket, store, &script).await }
    });
    // The client's end of it is the client's affair, and ours was meant.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(
    request: Request<Incoming>,
    socket: &std::net::TcpStream,
    store: SocketAddr,
    script: &Script,
) -> Result<Response<Body>, Lost> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Lost)?.to_bytes();
    let method = head.method.clone();
    let is_azure = head.headers.contains_key("x-ms-version");
    let (number, fault) = script.note(Seen {
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
        Some(Fault::Refused(answer)) => {
            return Ok(answer.response(&method, is_azure).map(whole));
        }
        Some(Fault::Overtaken(first)) => first().await,
        _ => {}
    }
    // A store that does not answer is a connection that closes.
    let answer = forward(store, Request::from_parts(head, body))
        .await
        .map_err(|_| Lost)?;
    script.answered(number, answer.status().as_u16());
    match fault {
        Some(Fault::AnswerLost(loss)) => lose(loss, socket).await,
        Some(Fault::AnswerReplaced(instead)) => Ok(instead.response(&method, is_azure).map(whole)),
        fault => Ok(deliver(answer, &method, fault.as_ref())),
    }
}

async fn lose(loss: Loss, mut socket: &std::net::TcpStream) -> Result<Response<Body>, Lost> {
    match loss {
        Loss::Closed => {}
        Loss::Reset => {
            let _ = SockRef::from(&socket).set_linger(Some(Duration::ZERO));
        }
        Loss::Silent => sleep(SILENCE).await,
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

/// The store's answer, with what the fault does to it on the way.
fn deliver(answer: Response<Bytes>, method: &Method, fault: Option<&Fault>) -> Response<Body> {
    let (mut head, body) = answer.into_parts();
    if *method != Method::HEAD && !head.status.is_informational() {
        head.headers
            .insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    let body = match fault {
        Some(Fault::WrongETag) => {
            let other = HeaderValue::from_static("\"another\"");
            head.headers.insert(header::ETAG, other);
            pieces(body, usize::MAX, Duration::ZERO, None)
        }
        Some(Fault::SlowBody { piece, pause }) => pieces(body, *piece, *pause, None),
        Some(Fault::CutBody { after }) => pieces(body, usize::MAX, Duration::ZERO, Some(*after)),
        _ => pieces(body, usize::MAX, Duration::ZERO, None),
    };
    Response::from_parts(head, body)
}

/// A body in pieces, each after a pause, that breaks off after so many bytes.
fn pieces(body: Bytes, piece: usize, pause: Duration, cut: Option<usize>) -> Body {
    // What was sent must have left before the connection goes.
    const FLUSHED: Duration = Duration::from_millis(20);
    let end = cut.unwrap_or(body.len()).min(body.len());
    let cut = cut.is_some();
    let stream = stream::unfold((body, 0, false), move |(body, at, done)| async move {
        if at < end {
            sleep(pause).await;
            let next = at.saturating_add(piece.max(1)).min(end);
            let frame = Frame::data(body.slice(at..next));
            return Some((Ok(frame), (body, next, done)));
        }
        if !cut || done {
            return None;
        }
        sleep(FLUSHED).await;
        let broken = io::Error::new(io::ErrorKind::ConnectionAborted, Lost);
        Some((Err(broken), (body, at, true)))
    });
    StreamBody::new(stream).boxed()
}

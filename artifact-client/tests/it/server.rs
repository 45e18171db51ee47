//! A test server on a raw socket. It reads requests and writes scripted replies.

use std::io;
use std::time::Duration;

use artifact_client::{Client, ClientBuilder, Credential, RetryPolicy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub(crate) const SECRET: &str = "canary-3f9c";

/// A request as received.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// Reads to the end of the header. Returns it and the bytes read after it.
pub(crate) async fn read_head(stream: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    let mut read = Vec::new();
    loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = read.split_off(end + 4);
            return Ok((String::from_utf8(read).unwrap(), rest));
        }
        if stream.read_buf(&mut read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Reads a request and its body, as long as `Content-Length` says or to the last chunk.
pub(crate) async fn read_request(stream: &mut TcpStream) -> io::Result<Request> {
    let (head, mut body) = read_head(stream).await?;
    let mut request = Request { head, body: vec![] };
    let length: Option<usize> = request.header("content-length").map(|n| n.parse().unwrap());
    let chunked = request.header("transfer-encoding") == Some("chunked");
    loop {
        let complete = match length {
            Some(length) => body.len() >= length,
            // An empty body has no chunk before the last one.
            None => !chunked || body == b"0\r\n\r\n" || body.ends_with(b"\r\n0\r\n\r\n"),
        };
        if complete {
            break;
        }
        if stream.read_buf(&mut body).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    request.body = if chunked { dechunk(&body) } else { body };
    Ok(request)
}

fn dechunk(mut body: &[u8]) -> Vec<u8> {
    let mut whole = vec![];
    loop {
        let end = body.windows(2).position(|two| two == b"\r\n").unwrap();
        let size = str::from_utf8(&body[..end]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return whole;
        }
        whole.extend_from_slice(&body[end + 2..end + 2 + size]);
        body = &body[end + 2 + size + 2..];
    }
}

/// Starts a server that sends `reply` to its first request, then closes. Returns a client for it and
/// that request.
pub(crate) async fn server_replying(reply: impl Into<Vec<u8>>) -> (Client, JoinHandle<Request>) {
    let (builder, listener) = listen().await;
    let reply = reply.into();
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let request = read_request(&mut stream).await.unwrap();
        stream.write_all(&reply).await.unwrap();
        request
    });
    (builder.build().unwrap(), served)
}

/// Formats a response with a body and its length.
pub(crate) fn response(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{headers}\r\n{body}")
}

/// Returns a builder of a client without retries, and the socket that the client connects to.
pub(crate) async fn listen() -> (ClientBuilder, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let credential = Credential::new("admin", SECRET).unwrap();
    let builder = Client::builder(&url, "exp-1", credential);
    (builder.with_retry_policy(RetryPolicy::never()), listener)
}

/// Returns a policy with this many retries and no delays.
pub(crate) fn immediate_retries(max_retries: u32) -> RetryPolicy {
    RetryPolicy::default()
        .with_max_retries(max_retries)
        .with_delays(Duration::ZERO, Duration::ZERO)
}

/// What the server does after it has read the request of a connection.
pub(crate) enum Reply {
    /// Writes the text and closes the connection.
    Send(String),
    /// Writes the text and keeps the connection open without sending more.
    Stall(String),
}

/// Starts a server that gives each connection the next of `replies` and then stops listening. Returns a
/// builder of a client with three retries, and the requests that the server received.
pub(crate) async fn server_with_replies(
    replies: Vec<Reply>,
) -> (ClientBuilder, JoinHandle<Vec<Request>>) {
    let (builder, listener) = listen().await;
    let served = tokio::spawn(async move {
        let mut requests = vec![];
        let mut open = vec![];
        for reply in replies {
            // A missing request must fail the test, not hang it.
            let limit = Duration::from_secs(20);
            let accepted = tokio::time::timeout(limit, listener.accept()).await;
            let (mut stream, _) = accepted
                .expect("the client must send another request")
                .unwrap();
            requests.push(read_request(&mut stream).await.unwrap());
            let (Reply::Send(text) | Reply::Stall(text)) = &reply;
            stream.write_all(text.as_bytes()).await.unwrap();
            if matches!(reply, Reply::Stall(_)) {
                open.push(stream);
            }
        }
        drop(listener);
        // Keeps stalled connections open until the client closes them.
        for mut stream in open {
            while stream.read(&mut [0; 1024]).await.is_ok_and(|n| n > 0) {}
        }
        requests
    });
    (builder.with_retry_policy(immediate_retries(3)), served)
}

//! A server on a raw socket: it reads a request and writes what it is told.

use std::io;
use std::time::Duration;

use artifact_client::{Client, ClientBuilder, Credential, RetryPolicy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub(crate) const SECRET: &str = "canary-3f9c";

/// A request as it came over the wire.
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

/// Reads up to the empty line; what came after it is given back.
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

/// Reads a request with its body, by `Content-Length` or to the last chunk.
pub(crate) async fn read_request(stream: &mut TcpStream) -> io::Result<Request> {
    let (head, mut body) = read_head(stream).await?;
    let mut request = Request { head, body: vec![] };
    let length: Option<usize> = request.header("content-length").map(|n| n.parse().unwrap());
    let chunked = request.header("transfer-encoding") == Some("chunked");
    loop {
        let whole = match length {
            Some(length) => body.len() >= length,
            None => !chunked || body.ends_with(b"\r\n0\r\n\r\n"),
        };
        if whole {
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

/// A client of a server that answers its first request with `answer`, then closes; and that request.
pub(crate) async fn answering(answer: impl Into<Vec<u8>>) -> (Client, JoinHandle<Request>) {
    let (builder, listener) = listen().await;
    let answer = answer.into();
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let request = read_request(&mut stream).await.unwrap();
        stream.write_all(&answer).await.unwrap();
        request
    });
    (builder.build().unwrap(), served)
}

/// An answer with a body and its length.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{headers}\r\n{body}")
}

/// A client's builder and the socket that it will connect to. It tries nothing again.
pub(crate) async fn listen() -> (ClientBuilder, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let credential = Credential::new("admin", SECRET).unwrap();
    let builder = Client::builder(&url, "exp-1", credential);
    (builder.with_retry_policy(RetryPolicy::never()), listener)
}

/// So many further tries, without a pause.
pub(crate) fn at_once(retries: u32) -> RetryPolicy {
    RetryPolicy::default()
        .with_retries(retries)
        .with_pauses(Duration::ZERO, Duration::ZERO)
}

/// What becomes of one connection once its request has been read.
pub(crate) enum Turn {
    /// This is written, and the connection closed.
    Answer(String),
    /// This is written, and the connection stays open without a further byte.
    Silence(String),
}

/// A client that tries three times more, of a server that does to one connection after the other what
/// its turn says and then is not there any more; and what was asked of it. A request that does not come
/// to its end is as long as it came.
pub(crate) async fn in_turn(turns: Vec<Turn>) -> (ClientBuilder, JoinHandle<Vec<Request>>) {
    let (builder, listener) = listen().await;
    let served = tokio::spawn(async move {
        let mut requests = vec![];
        let mut open = vec![];
        for turn in turns {
            // A request that never comes must fail the test, not hang it.
            let patience = Duration::from_secs(20);
            let accepted = tokio::time::timeout(patience, listener.accept()).await;
            let (mut stream, _) = accepted.expect("a further request never came").unwrap();
            requests.push(read_request(&mut stream).await.unwrap());
            let (Turn::Answer(text) | Turn::Silence(text)) = &turn;
            stream.write_all(text.as_bytes()).await.unwrap();
            if matches!(turn, Turn::Silence(_)) {
                open.push(stream);
            }
        }
        drop(listener);
        // What stands still does so until the client has had enough.
        for mut stream in open {
            while stream.read(&mut [0; 1024]).await.is_ok_and(|n| n > 0) {}
        }
        requests
    });
    (builder.with_retry_policy(at_once(3)), served)
}

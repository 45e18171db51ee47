//! Starts a real server on loopback and opens a raw connection to it.

use axum::Router;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A connection to a server that was started for it. Dropping it stops the server.
#[derive(Debug)]
pub(crate) struct Wire {
    server: JoinHandle<()>,
    pub(crate) socket: TcpStream,
}

/// A response that ends when the server closes the connection.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Wire {
    pub(crate) async fn new(router: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let socket = TcpStream::connect(address).await.unwrap();
        Self { server, socket }
    }

    pub(crate) async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.socket.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Reads only the header of one response.
    pub(crate) async fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.socket.read_u8().await.unwrap());
        }
        String::from_utf8(head).unwrap()
    }

    /// Closes the client's side, waits until the server closes too, and returns the remaining bytes.
    pub(crate) async fn hang_up(&mut self) -> String {
        self.socket.shutdown().await.unwrap();
        String::from_utf8_lossy(&self.received().await).into_owned()
    }

    /// Reads until the server closes. Returns `None` if the header is incomplete.
    pub(crate) async fn rest(&mut self) -> Option<Answer> {
        let mut all = self.received().await;
        let end = all.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let body = all.split_off(end);
        let head = String::from_utf8(all).unwrap();
        Some(Answer { head, body })
    }

    /// Reads all remaining bytes.
    pub(crate) async fn until_closed(&mut self) -> Vec<u8> {
        self.received().await
    }

    /// Reads all remaining bytes. A connection reset also counts as the end.
    async fn received(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        let mut piece = [0; 4096];
        while let Ok(length @ 1..) = self.socket.read(&mut piece).await {
            all.extend_from_slice(&piece[..length]);
        }
        all
    }
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.head[9..12].parse().unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        field(&self.head, name)
    }
}

/// Returns the value of a header field.
pub(crate) fn field<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().skip(1).find_map(|line| {
        let (found, value) = line.split_once(": ")?;
        found.eq_ignore_ascii_case(name).then_some(value)
    })
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.server.abort();
    }
}

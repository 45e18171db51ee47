//! A raw connection, for requests that no client library would send.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::reply::Reply;
use crate::scenario::{Outcome, Stop};
use crate::subject::Subject;

/// How long the server may take to send or accept more bytes.
const IO_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest response head that is accepted.
const MAX_HEAD: usize = 64 << 10;

/// A connection on which the scenario writes every byte.
#[derive(Debug)]
pub(crate) struct Raw {
    stream: TcpStream,
    /// What the scenario does on the connection, for the report.
    asked: String,
    read: Vec<u8>,
}

impl Raw {
    pub(crate) async fn connect(subject: &Subject, asked: &str) -> Outcome<Self> {
        let stream = TcpStream::connect(subject.address()).await;
        let stream =
            stream.map_err(|error| Stop::failed(asked, "a connection", error.to_string()))?;
        Ok(Self {
            stream,
            asked: asked.to_owned(),
            read: Vec::new(),
        })
    }

    pub(crate) fn fail(&self, expected: &str, seen: impl Into<String>) -> Stop {
        Stop::failed(self.asked.clone(), expected, seen)
    }

    /// Writes bytes. A failed write is no error: the server may already have responded and closed.
    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = timeout(IO_TIMEOUT, self.stream.write_all(bytes.as_ref())).await;
    }

    /// Closes the sending side and keeps the receiving side open.
    pub(crate) async fn finish(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// Reads more bytes. Returns their count, 0 at the end.
    async fn read_more(&mut self) -> Outcome<usize> {
        self.read.reserve(16 << 10);
        let read = timeout(IO_TIMEOUT, self.stream.read_buf(&mut self.read)).await;
        let read = read
            .map_err(|_| self.fail("a response", format!("no response within {IO_TIMEOUT:?}")))?;
        // A reset counts as the end.
        Ok(read.unwrap_or(0))
    }

    /// Reads the next response: status line, header fields and a body of `Content-Length` bytes.
    pub(crate) async fn response(&mut self) -> Outcome<Reply> {
        let reply = self.head().await?;
        let length = reply.fields.get(http::header::CONTENT_LENGTH);
        let length = length.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        let length = length.unwrap_or(0);
        while self.read.len() < length {
            if self.read_more().await? == 0 {
                let seen = format!("the end after {} bytes", self.read.len());
                return Err(self.fail(&format!("a body of {length} bytes"), seen));
            }
        }
        let body: Vec<u8> = self.read.drain(..length).collect();
        Ok(Reply {
            body: Bytes::from(body),
            ..reply
        })
    }

    /// Reads the next status line and header fields, including those of `100 Continue`.
    pub(crate) async fn head(&mut self) -> Outcome<Reply> {
        let end = loop {
            if let Some(at) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if self.read.len() > MAX_HEAD || self.read_more().await? == 0 {
                let text = String::from_utf8_lossy(&self.read);
                let seen = format!("the end after `{}`", text.escape_debug());
                return Err(self.fail("a response", seen));
            }
        };
        let head: Vec<u8> = self.read.drain(..end).collect();
        let text = String::from_utf8_lossy(&head).into_owned();
        let malformed = || self.fail("an HTTP/1.1 response", text.escape_debug().to_string());
        let mut lines = text.trim_end().split("\r\n");
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 "));
        let status = status.and_then(|rest| rest.get(..3)?.parse::<u16>().ok());
        let status = status.ok_or_else(malformed)?;
        let mut fields = HeaderMap::new();
        for line in lines {
            let (name, value) = line.split_once(':').ok_or_else(malformed)?;
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| malformed())?;
            let value = HeaderValue::from_str(value.trim()).map_err(|_| malformed())?;
            fields.append(name, value);
        }
        Ok(Reply {
            asked: self.asked.clone(),
            head: false,
            version: Version::HTTP_11,
            status,
            fields,
            body: Bytes::new(),
        })
    }

    /// Waits until the server closes the connection and discards what it sends before.
    pub(crate) async fn closed(&mut self) -> Outcome {
        while self.read_more().await? > 0 {
            if self.read.len() > MAX_HEAD {
                self.read.clear();
            }
        }
        Ok(())
    }
}

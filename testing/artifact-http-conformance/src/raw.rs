//! A connection on which every byte is written by hand: what no client library would send.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::reply::Reply;
use crate::scenario::{Outcome, Stop};
use crate::subject::Subject;

/// How long the server may take for its next word.
const PATIENCE: Duration = Duration::from_secs(30);
/// No head of an answer is longer.
const MAX_HEAD: usize = 64 << 10;

#[derive(Debug)]
pub(crate) struct Raw {
    stream: TcpStream,
    /// What is done on it, for the report.
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

    /// Says this. That the server does not listen any more is no failure: it may have answered.
    pub(crate) async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = timeout(PATIENCE, self.stream.write_all(bytes.as_ref())).await;
    }

    /// Says no more, but goes on listening.
    pub(crate) async fn finish(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// More of what the server says; zero at the end.
    async fn more(&mut self) -> Outcome<usize> {
        self.read.reserve(16 << 10);
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.read)).await;
        let read = read.map_err(|_| self.fail("an answer", format!("none within {PATIENCE:?}")))?;
        // A reset is an end too.
        Ok(read.unwrap_or(0))
    }

    /// The next answer: status line and fields, and what `Content-Length` says that it has.
    pub(crate) async fn answer(&mut self) -> Outcome<Reply> {
        let reply = self.head().await?;
        let length = reply.fields.get(http::header::CONTENT_LENGTH);
        let length = length.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        let length = length.unwrap_or(0);
        while self.read.len() < length {
            if self.more().await? == 0 {
                let seen = format!("{} and the end", self.read.len());
                return Err(self.fail(&format!("{length} bytes of content"), seen));
            }
        }
        let body: Vec<u8> = self.read.drain(..length).collect();
        Ok(Reply {
            body: Bytes::from(body),
            ..reply
        })
    }

    /// The next status line and fields, `100 Continue` included.
    pub(crate) async fn head(&mut self) -> Outcome<Reply> {
        let end = loop {
            if let Some(at) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if self.read.len() > MAX_HEAD || self.more().await? == 0 {
                let text = String::from_utf8_lossy(&self.read);
                let seen = format!("the end after `{}`", text.escape_debug());
                return Err(self.fail("an answer", seen));
            }
        };
        let head: Vec<u8> = self.read.drain(..end).collect();
        let text = String::from_utf8_lossy(&head).into_owned();
        let malformed = || self.fail("an answer of HTTP/1.1", text.escape_debug().to_string());
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

    /// Waits until the server closes. What it says before that is thrown away.
    pub(crate) async fn closed(&mut self) -> Outcome {
        while self.more().await? > 0 {
            if self.read.len() > MAX_HEAD {
                self.read.clear();
            }
        }
        Ok(())
    }
}

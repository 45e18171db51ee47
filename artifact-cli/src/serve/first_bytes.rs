//! A time limit on the bytes that tell HTTP/1.1 from HTTP/2, which hyper-util waits for without one.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// What an HTTP/2 connection begins with (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A stream whose first bytes must come in time: until they differ from the preface of HTTP/2, or
/// are all of it. From then on the HTTP implementation keeps its own time.
pub(crate) struct FirstBytes<S> {
    stream: S,
    waiting: Option<Waiting>,
}

struct Waiting {
    deadline: Pin<Box<Sleep>>,
    seen: usize,
}

impl<S> FirstBytes<S> {
    pub(crate) fn new(stream: S, limit: Duration) -> Self {
        let deadline = Box::pin(sleep(limit));
        Self {
            stream,
            waiting: Some(Waiting { deadline, seen: 0 }),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FirstBytes<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(context, buffer);
        let Some(waiting) = &mut this.waiting else {
            return read;
        };
        if read.is_pending() {
            ready!(waiting.deadline.as_mut().poll(context));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let new = &buffer.filled()[before..];
        if PREFACE[waiting.seen..].starts_with(new) && waiting.seen + new.len() < PREFACE.len() {
            waiting.seen += new.len();
        } else {
            this.waiting = None;
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FirstBytes<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn silence_and_half_a_preface_end_at_the_limit() {
        for said in [&b""[..], b"P", &PREFACE[..23]] {
            let (mut client, server) = duplex(64);
            let mut server = FirstBytes::new(server, LIMIT);
            client.write_all(said).await.unwrap();
            let mut read = vec![];
            let error = server.read_to_end(&mut read).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            assert_eq!(read, said);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn once_the_version_is_known_there_is_no_limit_any_more() {
        for said in [&b"G"[..], b"PUT", PREFACE] {
            let (mut client, server) = duplex(64);
            let mut server = FirstBytes::new(server, LIMIT);
            client.write_all(said).await.unwrap();
            let mut first = vec![0; said.len()];
            server.read_exact(&mut first).await.unwrap();
            let later = tokio::spawn(async move {
                sleep(2 * LIMIT).await;
                client.write_all(b"x").await.unwrap();
            });
            assert_eq!(server.read_u8().await.unwrap(), b'x');
            later.await.unwrap();
        }
    }
}

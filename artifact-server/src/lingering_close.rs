//! Closes a connection so that its last response arrives.
//!
//! A server that rejects a request does not read the rest of its body. Closing a socket with unread
//! bytes makes the operating system send a reset. The reset can overtake the response: the client then
//! sees a broken pipe instead of a 413. So the write side is closed first, and what still arrives is
//! read and discarded for a moment (RFC 9112, section 9.6).

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::client_timeout::ClientTimeout;
use crate::connection::SocketRef;
use crate::listener::Io;

/// A client that was silent for this long has read the response or stopped sending.
pub(crate) const QUIET: Duration = Duration::from_millis(250);
/// A client that keeps sending for this long does not read the response.
pub(crate) const MAX_LINGER: Duration = Duration::from_secs(5);

/// A stream whose shutdown lingers: it takes until the client is silent or gone.
pub(crate) struct LingeringClose<S> {
    stream: S,
    timers: Option<Timers>,
}

struct Timers {
    quiet: Pin<Box<ClientTimeout>>,
    total: Pin<Box<ClientTimeout>>,
}

impl<S> LingeringClose<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream,
            timers: None,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for LingeringClose<S> {
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.timers.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(context))?;
        }
        let timers = this.timers.get_or_insert_with(|| Timers {
            quiet: Box::pin(ClientTimeout::new(QUIET)),
            total: Box::pin(ClientTimeout::new(MAX_LINGER)),
        });
        loop {
            if timers.total.as_mut().poll(context).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut bytes = [MaybeUninit::uninit(); 16 * 1024];
            let mut discarded = ReadBuf::uninit(&mut bytes);
            match Pin::new(&mut this.stream).poll_read(context, &mut discarded) {
                Poll::Ready(Ok(())) if !discarded.filled().is_empty() => {
                    timers.quiet.as_mut().reset(QUIET);
                }
                // The end or a reset: the client is gone.
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => {
                    ready!(timers.quiet.as_mut().poll(context));
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }

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

impl<S: AsyncRead + Unpin> AsyncRead for LingeringClose<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: Io> Io for LingeringClose<S> {
    fn poll_input(&self, context: &mut Context<'_>) -> Poll<()> {
        self.stream.poll_input(context)
    }

    fn socket(&self) -> Option<SocketRef<'_>> {
        self.stream.socket()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::{Instant, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn unread_bytes_are_discarded_until_the_client_is_silent() {
        let (mut client, server) = duplex(16);
        let mut server = LingeringClose::new(server);
        let began = Instant::now();
        let client = tokio::spawn(async move {
            // Far more than the pipe holds: this waits forever unless the server reads it.
            client.write_all(&vec![0; 100_000]).await.unwrap();
            let mut received = vec![];
            client.read_to_end(&mut received).await.unwrap();
            (client, received)
        });
        server.write_all(b"rejected").await.unwrap();
        server.shutdown().await.unwrap();
        assert_eq!(began.elapsed(), QUIET);
        assert_eq!(client.await.unwrap().1, b"rejected");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_never_stops_sending_is_closed_after_the_maximum() {
        let (mut client, server) = duplex(16);
        let began = Instant::now();
        let client = tokio::spawn(async move {
            while client.write_all(b"x").await.is_ok() {
                sleep(QUIET / 2).await;
            }
        });
        let mut server = LingeringClose::new(server);
        server.shutdown().await.unwrap();
        assert_eq!(began.elapsed(), MAX_LINGER);
        drop(server);
        client.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn shutdown_does_not_wait_for_a_disconnected_client() {
        let (client, server) = duplex(16);
        drop(client);
        let began = Instant::now();
        LingeringClose::new(server).shutdown().await.unwrap();
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}

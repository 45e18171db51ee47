//! Closes a connection so that its last answer arrives.
//!
//! A server that refuses a request does not read the rest of its body. Closing a socket with unread
//! bytes makes the operating system send a reset, which can overtake the answer: the client then
//! sees a broken pipe instead of a 413. So the write side is closed first, and what still comes is
//! read and thrown away for a moment (RFC 9112, section 9.6).

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// A client that has sent nothing for so long has heard the answer, or will not send any more.
const QUIET: Duration = Duration::from_millis(250);
/// A client that goes on sending for so long does not listen.
const LONGEST: Duration = Duration::from_secs(5);

/// A stream that lingers between its shutdown and its end.
pub(crate) struct Linger<S> {
    stream: S,
    ends: Option<Ends>,
}

struct Ends {
    quiet: Pin<Box<Sleep>>,
    longest: Pin<Box<Sleep>>,
}

impl<S> Linger<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, ends: None }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Linger<S> {
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.ends.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(context))?;
        }
        let ends = this.ends.get_or_insert_with(|| Ends {
            quiet: Box::pin(sleep(QUIET)),
            longest: Box::pin(sleep(LONGEST)),
        });
        loop {
            if ends.longest.as_mut().poll(context).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut bytes = [MaybeUninit::uninit(); 16 * 1024];
            let mut unwanted = ReadBuf::uninit(&mut bytes);
            match Pin::new(&mut this.stream).poll_read(context, &mut unwanted) {
                Poll::Ready(Ok(())) if !unwanted.filled().is_empty() => {
                    ends.quiet.as_mut().reset(Instant::now() + QUIET);
                }
                // Its end, or a reset: the client is gone, which is what was waited for.
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => {
                    ready!(ends.quiet.as_mut().poll(context));
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

impl<S: AsyncRead + Unpin> AsyncRead for Linger<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_still_comes_is_taken_until_it_is_quiet() {
        let (mut client, server) = duplex(16);
        let mut server = Linger::new(server);
        let began = Instant::now();
        let client = tokio::spawn(async move {
            // Far more than the pipe holds: it is taken, or this would wait for ever.
            client.write_all(&vec![0; 100_000]).await.unwrap();
            let mut heard = vec![];
            client.read_to_end(&mut heard).await.unwrap();
            (client, heard)
        });
        server.write_all(b"refused").await.unwrap();
        server.shutdown().await.unwrap();
        assert_eq!(began.elapsed(), QUIET);
        assert_eq!(client.await.unwrap().1, b"refused");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_never_stops_is_left_and_one_that_has_gone_is_not_waited_for() {
        let (mut client, server) = duplex(16);
        let began = Instant::now();
        let client = tokio::spawn(async move {
            while client.write_all(b"x").await.is_ok() {
                sleep(QUIET / 2).await;
            }
        });
        let mut server = Linger::new(server);
        server.shutdown().await.unwrap();
        assert_eq!(began.elapsed(), LONGEST);
        drop(server);
        client.await.unwrap();

        let (client, server) = duplex(16);
        drop(client);
        let began = Instant::now();
        Linger::new(server).shutdown().await.unwrap();
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}

//! A download as tokio's `AsyncRead`.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures_core::Stream;
use tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};

use crate::download::Download;

/// A [`Download`] as [`AsyncRead`] and [`AsyncBufRead`].
///
/// It holds one chunk of the download. The end is reported only after every byte of the range; a blob that ends early is an error.
/// After an error every read fails. Errors are those of the download as [`io::Error`]. Dropping it stops the download.
///
/// ```
/// use artifact_backend::{ArtifactBackend, ArtifactId, ByteRange};
/// use artifact_backend_mem::MemBackend;
/// use bytes::Bytes;
/// use tokio::io::AsyncReadExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let backend = MemBackend::default();
/// let id = ArtifactId::mint();
/// backend.store(id, Bytes::from_static(b"twelve bytes")).await?;
///
/// let mut text = String::new();
/// let download = backend.download(id, ByteRange::from(0..6)).await?;
/// download.into_reader().read_to_string(&mut text).await?;
/// assert_eq!(text, "twelve");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "nothing is read until the reader is polled"]
pub struct DownloadReader {
    download: Download,
    chunk: Bytes,
    failed: bool,
}

impl Download {
    /// Turns the download into tokio's `AsyncRead` and `AsyncBufRead`.
    ///
    /// The download itself is a `futures` `Stream`. For the `AsyncRead` of `futures`, use
    /// `TryStreamExt::into_async_read` on `download.map_err(io::Error::from)`.
    pub fn into_reader(self) -> DownloadReader {
        DownloadReader {
            download: self,
            chunk: Bytes::new(),
            failed: false,
        }
    }
}

impl DownloadReader {
    /// Returns the download, for its size, range and stamp. Its [`remaining`](Download::remaining) bytes do not contain
    /// those that are in the reader's buffer.
    pub fn download(&self) -> &Download {
        &self.download
    }

    /// Returns the bytes that are in the buffer.
    #[cfg(feature = "blocking-api")]
    pub(crate) fn buffered(&self) -> &[u8] {
        &self.chunk
    }
}

impl AsyncBufRead for DownloadReader {
    fn poll_fill_buf(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        if this.failed {
            return Poll::Ready(Err(io::Error::other("the download failed before")));
        }
        while this.chunk.is_empty() {
            match ready!(Pin::new(&mut this.download).poll_next(context)) {
                Some(Ok(chunk)) => this.chunk = chunk,
                Some(Err(error)) => {
                    this.failed = true;
                    return Poll::Ready(Err(error.into()));
                }
                None => break,
            }
        }
        Poll::Ready(Ok(&this.chunk))
    }

    fn consume(mut self: Pin<&mut Self>, bytes: usize) {
        self.chunk.advance(bytes);
    }
}

impl AsyncRead for DownloadReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let chunk = ready!(self.as_mut().poll_fill_buf(context))?;
        let taken = chunk.len().min(buffer.remaining());
        buffer.put_slice(&chunk[..taken]);
        self.consume(taken);
        Poll::Ready(Ok(()))
    }
}

//! A blob, or a range of it, as a stream.

use std::fmt;
use std::future::poll_fn;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use futures_core::stream::BoxStream;

use crate::chunk_size::ChunkSize;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::id::ArtifactId;
use crate::stamp::Stamp;

/// A blob, or a range of it, as a stream of chunks, with the total size and the range.
///
/// The stream counts its bytes. If the backend delivers fewer or more bytes than the range has, the
/// stream ends with [`Corrupt`](ErrorKind::Corrupt). A stream that ends without an error has
/// delivered exactly [`range`](Self::range). An error is always the last item.
///
/// Dropping the download stops the backend's work for it.
#[must_use = "nothing is read until the stream is polled"]
pub struct Download {
    id: ArtifactId,
    size: u64,
    range: Range<u64>,
    remaining: u64,
    stamp: Option<Stamp>,
    chunk_size: Option<ChunkSize>,
    stream: Option<BoxStream<'static, Result<Bytes>>>,
    /// The only chunk, if it is in memory. Then there is no stream.
    in_memory: Option<Bytes>,
}

impl Download {
    /// Creates a download of `range` of blob `id`, which has `size` bytes. Backends call this.
    ///
    /// # Panics
    ///
    /// If `range` is not inside `0..size`, which
    /// [`ByteRange::resolve`](crate::ByteRange::resolve) never returns.
    pub fn new(
        id: ArtifactId,
        size: u64,
        range: Range<u64>,
        stream: BoxStream<'static, Result<Bytes>>,
    ) -> Self {
        assert!(
            range.start <= range.end && range.end <= size,
            "{range:?} is not inside 0..{size}"
        );
        let remaining = range.end - range.start;
        Self {
            id,
            size,
            range,
            remaining,
            stamp: None,
            chunk_size: None,
            stream: Some(stream),
            in_memory: None,
        }
    }

    /// Creates a download of the whole blob `id`, whose bytes are in memory. It has one chunk, or none if
    /// the blob is empty.
    pub fn in_memory(id: ArtifactId, bytes: Bytes) -> Self {
        let size = bytes.len() as u64;
        Self {
            id,
            size,
            range: 0..size,
            remaining: size,
            stamp: None,
            chunk_size: None,
            stream: None,
            in_memory: Some(bytes).filter(|bytes| !bytes.is_empty()),
        }
    }

    /// Takes the bytes of a download that is [in memory](Self::in_memory) and was not polled. The download
    /// has then ended. Returns `None` for every other download and for an empty blob.
    pub fn take_in_memory(&mut self) -> Option<Bytes> {
        let bytes = self.in_memory.take()?;
        self.remaining = 0;
        Some(bytes)
    }

    /// Sets the state of the storage; for backends that know it without a further request.
    #[must_use = "returns the changed download"]
    pub fn with_stamp(mut self, stamp: Stamp) -> Self {
        self.stamp = Some(stamp);
        self
    }

    /// Sets the size of the chunks; for backends that allocate a buffer for each and follow changes.
    #[must_use = "returns the changed download"]
    pub fn with_chunk_size(mut self, size: ChunkSize) -> Self {
        self.chunk_size = Some(size);
        self
    }

    /// Sets the id that the errors of the stream name; for layers that map ids.
    #[must_use = "returns the changed download"]
    pub fn with_id(mut self, id: ArtifactId) -> Self {
        self.id = id;
        self
    }

    /// Replaces the stream of chunks; for layers. Everything else stays: size, range, stamp and chunk size.
    ///
    /// `map` gets this download, which is itself a stream, and returns the new stream. The new stream must
    /// deliver the same number of bytes, which the returned download checks.
    ///
    /// The result is not [in memory](Self::is_in_memory), so a layer that has nothing to do for such a
    /// download returns it unchanged.
    ///
    /// ```
    /// use artifact_backend::Download;
    /// use futures_util::StreamExt;
    ///
    /// fn logged(download: Download) -> Download {
    ///     let stamp = download.stamp();
    ///     let logged = download.map_stream(|chunks| {
    ///         chunks.inspect(|chunk| println!("{:?}", chunk.as_ref().map(|bytes| bytes.len())))
    ///     });
    ///     assert_eq!(logged.stamp(), stamp);
    ///     logged
    /// }
    /// ```
    pub fn map_stream<S>(self, map: impl FnOnce(Self) -> S) -> Self
    where
        S: Stream<Item = Result<Bytes>> + Send + 'static,
    {
        Self {
            id: self.id,
            size: self.size,
            range: self.range.clone(),
            remaining: self.remaining,
            stamp: self.stamp,
            chunk_size: self.chunk_size.clone(),
            in_memory: None,
            stream: Some(Box::pin(map(self))),
        }
    }

    /// Returns whether the bytes that remain are one chunk in memory, so that the reader never waits.
    pub fn is_in_memory(&self) -> bool {
        self.in_memory.is_some()
    }

    /// Returns the size of the chunks, which the reader may change. Returns `None` if it has no
    /// influence, for example because the chunks share the memory of the blob.
    pub fn chunk_size(&self) -> Option<&ChunkSize> {
        self.chunk_size.as_ref()
    }

    /// Returns the state of the blob's storage when the download was opened, if the backend knows it.
    pub fn stamp(&self) -> Option<Stamp> {
        self.stamp
    }

    /// Returns the size of the whole blob in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Returns the positions that the stream delivers.
    pub fn range(&self) -> Range<u64> {
        self.range.clone()
    }

    /// Returns the number of bytes that the stream has yet to deliver.
    pub fn remaining(&self) -> u64 {
        self.remaining
    }

    /// Returns the next chunk, or `None` after the last. Chunks are never empty.
    ///
    /// Dropping the future loses nothing: the next call returns the same chunk.
    pub async fn next(&mut self) -> Option<Result<Bytes>> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// Collects the [remaining](Self::remaining) bytes in memory.
    ///
    /// # Errors
    ///
    /// The first error of the stream.
    pub async fn into_bytes(mut self) -> Result<Bytes> {
        let Some(first) = self.next().await.transpose()? else {
            return Ok(Bytes::new());
        };
        if self.remaining == 0 {
            // The usual case: one chunk, no copy. The stream may still end with an error.
            return match self.next().await {
                None => Ok(first),
                Some(Err(error)) => Err(error),
                Some(Ok(_)) => unreachable!("a surplus chunk ends the stream with an error"),
            };
        }
        let mut all = BytesMut::from(first);
        while let Some(chunk) = self.next().await {
            all.extend_from_slice(&chunk?);
        }
        Ok(all.freeze())
    }

    /// Returns whether the stream has no further item.
    #[cfg(feature = "http-body")]
    pub(crate) fn has_ended(&self) -> bool {
        self.stream.is_none() && self.in_memory.is_none()
    }

    fn fail(&mut self, detail: String) -> Poll<Option<Result<Bytes>>> {
        self.stream = None;
        let error = Error::new(ErrorKind::Corrupt, Operation::Download).with_id(self.id);
        Poll::Ready(Some(Err(error.with_detail(detail))))
    }
}

impl Stream for Download {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(bytes) = self.take_in_memory() {
            return Poll::Ready(Some(Ok(bytes)));
        }
        loop {
            let Some(stream) = self.stream.as_mut() else {
                return Poll::Ready(None);
            };
            let Poll::Ready(item) = stream.as_mut().poll_next(context) else {
                return Poll::Pending;
            };
            return match item {
                Some(Ok(chunk)) if chunk.is_empty() => continue,
                Some(Ok(chunk)) => match self.remaining.checked_sub(chunk.len() as u64) {
                    Some(remaining) => {
                        self.remaining = remaining;
                        Poll::Ready(Some(Ok(chunk)))
                    }
                    None => self.fail("the backend delivered more bytes than the range".into()),
                },
                Some(Err(error)) => {
                    self.stream = None;
                    Poll::Ready(Some(Err(error)))
                }
                None if self.remaining == 0 => {
                    self.stream = None;
                    Poll::Ready(None)
                }
                None => {
                    let missing = self.remaining;
                    self.fail(format!(
                        "the blob ended {missing} bytes before the end of the range"
                    ))
                }
            };
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // At most one chunk per byte, and an error.
        let upper = usize::try_from(self.remaining)
            .ok()
            .and_then(|remaining| remaining.checked_add(1));
        match self.stream {
            _ if self.in_memory.is_some() => (1, Some(1)),
            Some(_) => (usize::from(self.remaining > 0), upper),
            None => (0, Some(0)),
        }
    }
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download")
            .field("id", &self.id)
            .field("size", &self.size)
            .field("range", &self.range)
            .field("remaining", &self.remaining)
            .finish_non_exhaustive()
    }
}

//! A blob on its way out.

use std::fmt;
use std::future::poll_fn;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use futures_core::stream::BoxStream;

use crate::error::{Error, ErrorKind, Operation, Result};
use crate::id::ArtifactId;
use crate::stamp::Stamp;

/// A blob, or a range of one, on its way out: its total size, the range, and a stream of pieces.
///
/// The stream counts what it delivers. A backend's stream that ends too early, or gives more than
/// the range, ends with [`Corrupt`](ErrorKind::Corrupt): a stream that ends without an error has
/// delivered exactly [`range`](Self::range). After an error the stream is at its end.
///
/// Dropping it stops the work behind it.
#[must_use = "nothing is read until the stream is polled"]
pub struct Download {
    id: ArtifactId,
    size: u64,
    range: Range<u64>,
    left: u64,
    stamp: Option<Stamp>,
    stream: Option<BoxStream<'static, Result<Bytes>>>,
}

impl Download {
    /// For implementors: `range` of blob `id`, which has `size` bytes in all, delivered by `stream`.
    ///
    /// # Panics
    ///
    /// If `range` is not inside `0..size`: [`ByteRange::resolve`](crate::ByteRange::resolve) never
    /// gives such a one.
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
        let left = range.end - range.start;
        Self {
            id,
            size,
            range,
            left,
            stamp: None,
            stream: Some(stream),
        }
    }

    /// For implementors: the same, of a storage in this state. Only where that is known without asking
    /// the storage once more.
    #[must_use = "this gives the download back, it does not change it in place"]
    pub fn with_stamp(mut self, stamp: Stamp) -> Self {
        self.stamp = Some(stamp);
        self
    }

    /// The state of what the blob is stored in, from when the download was opened; `None` where the
    /// backend does not tell.
    pub fn stamp(&self) -> Option<Stamp> {
        self.stamp
    }

    /// The size of the whole blob, in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The positions that the stream delivers.
    pub fn range(&self) -> Range<u64> {
        self.range.clone()
    }

    /// How many bytes the stream still has to deliver.
    pub fn remaining(&self) -> u64 {
        self.left
    }

    /// The next piece, or `None` after the last. Pieces are never empty.
    ///
    /// Dropping the future loses nothing: the next call goes on where this one stood.
    pub async fn next(&mut self) -> Option<Result<Bytes>> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// All that is left, in memory: as many bytes as [`remaining`](Self::remaining) says.
    ///
    /// # Errors
    ///
    /// The stream's own.
    pub async fn into_bytes(mut self) -> Result<Bytes> {
        let Some(first) = self.next().await.transpose()? else {
            return Ok(Bytes::new());
        };
        if self.left == 0 {
            // Nearly always one piece is all. The stream's end is still awaited: it may be an error.
            return match self.next().await {
                None => Ok(first),
                Some(Err(error)) => Err(error),
                Some(Ok(_)) => unreachable!("a surplus piece ends the stream with an error"),
            };
        }
        let mut all = BytesMut::from(first);
        while let Some(piece) = self.next().await {
            all.extend_from_slice(&piece?);
        }
        Ok(all.freeze())
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
        loop {
            let Some(stream) = self.stream.as_mut() else {
                return Poll::Ready(None);
            };
            let Poll::Ready(item) = stream.as_mut().poll_next(context) else {
                return Poll::Pending;
            };
            return match item {
                Some(Ok(piece)) if piece.is_empty() => continue,
                Some(Ok(piece)) => match self.left.checked_sub(piece.len() as u64) {
                    Some(left) => {
                        self.left = left;
                        Poll::Ready(Some(Ok(piece)))
                    }
                    None => self.fail("the backend delivered more bytes than the range".into()),
                },
                Some(Err(error)) => {
                    self.stream = None;
                    Poll::Ready(Some(Err(error)))
                }
                None if self.left == 0 => {
                    self.stream = None;
                    Poll::Ready(None)
                }
                None => {
                    let left = self.left;
                    self.fail(format!(
                        "the blob ended {left} bytes before the end of the range"
                    ))
                }
            };
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // At most a piece a byte, and an error.
        let most = usize::try_from(self.left)
            .ok()
            .and_then(|left| left.checked_add(1));
        match self.stream {
            Some(_) => (usize::from(self.left > 0), most),
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
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

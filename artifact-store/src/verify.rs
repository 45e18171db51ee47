//! Verifies the bytes of an artifact while they are read.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use artifact_backend::{Download, Error, ErrorKind, Operation, Result, Sha256Digest, Stamp};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use sha2::{Digest, Sha256};

use crate::row::Row;
use crate::shared::Shared;

/// The stream of a whole blob, which checks it against the SHA-256 of its row.
struct Verifying {
    download: Download,
    row: Arc<Row>,
    /// `None` after the check.
    hasher: Option<Sha256>,
    /// The latest chunk. It is held back until the next one arrives, so that the stream of a damaged
    /// blob ends with an error instead of its last chunk.
    held: Option<Bytes>,
    cache: Option<CacheSlot>,
}

/// The chunks of a blob, to be cached once they are verified.
struct CacheSlot {
    shared: Arc<Shared>,
    stamp: Stamp,
    chunks: Vec<Bytes>,
}

/// Verifies the download of a whole blob. If its bytes do not match the row, the stream ends with
/// [`Corrupt`](ErrorKind::Corrupt) instead of the last chunk.
///
/// If the same bytes were verified recently and their storage is unchanged since, they come from
/// memory.
pub(crate) fn verified(shared: &Arc<Shared>, row: &Arc<Row>, download: Download) -> Download {
    let stamp = download.stamp();
    if let Some(chunks) = stamp.and_then(|stamp| shared.verified.get(row.id, stamp)) {
        let chunks = (0..chunks.len()).map(move |index| Ok(chunks[index].clone()));
        return download_of(row, stream::iter(chunks));
    }
    let is_cached = shared.verified.accepts(row.size);
    let cache = stamp.filter(|_| is_cached).map(|stamp| CacheSlot {
        shared: Arc::clone(shared),
        stamp,
        chunks: Vec::new(),
    });
    let verifying = Verifying {
        download,
        row: Arc::clone(row),
        hasher: Some(Sha256::new()),
        held: None,
        cache,
    };
    download_of(row, verifying)
}

fn download_of(row: &Row, stream: impl Stream<Item = Result<Bytes>> + Send + 'static) -> Download {
    Download::new(row.id, row.size, 0..row.size, stream.boxed())
}

impl Verifying {
    fn finish(&mut self) -> Option<Result<Bytes>> {
        let actual = Sha256Digest::from_bytes(self.hasher.take()?.finalize().into());
        if actual != self.row.sha256 {
            self.held = None;
            let detail = format!(
                "the stored bytes are not those that were deposited: their SHA-256 is {actual}, the \
                 row says {}",
                self.row.sha256
            );
            let error = Error::new(ErrorKind::Corrupt, Operation::Download).with_id(self.row.id);
            return Some(Err(error.with_detail(detail)));
        }
        if let Some(slot) = self.cache.take() {
            let cache = &slot.shared.verified;
            cache.insert(self.row.id, slot.stamp, slot.chunks.into());
        }
        self.held.take().map(Ok)
    }
}

impl Stream for Verifying {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            let chunk = match ready!(Pin::new(&mut this.download).poll_next(context)) {
                Some(Ok(chunk)) => chunk,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(this.finish()),
            };
            if let Some(hasher) = &mut this.hasher {
                hasher.update(&chunk);
            }
            if let Some(slot) = &mut this.cache {
                slot.chunks.push(chunk.clone());
            }
            if let Some(previous) = this.held.replace(chunk) {
                return Poll::Ready(Some(Ok(previous)));
            }
        }
    }
}

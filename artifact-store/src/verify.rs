//! Bytes on their way out, so that no reader takes something else for what was deposited.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use artifact_backend::{Download, Error, ErrorKind, Operation, Result, Sha256Digest, Stamp};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use sha2::{Digest, Sha256};

use crate::row::Row;
use crate::store::Shared;

/// A whole blob, checked against the SHA-256 of its row as it streams.
struct Verifying {
    download: Download,
    row: Arc<Row>,
    /// `None` once it was looked at.
    hasher: Option<Sha256>,
    /// The last piece so far. It is held back until what comes after it is known, so that a blob that is
    /// not what was deposited never ends well.
    held: Option<Bytes>,
    keep: Option<Keep>,
}

/// Where the pieces are kept, once they turned out to be right.
struct Keep {
    shared: Arc<Shared>,
    stamp: Stamp,
    pieces: Vec<Bytes>,
}

/// The same download, of a whole blob, with its bytes verified. It ends with
/// [`Corrupt`](ErrorKind::Corrupt) in place of its last piece where they are not those of the row.
///
/// Bytes that were verified lately, and whose storage nobody touched since, come from memory.
pub(crate) fn verified(shared: &Arc<Shared>, row: &Arc<Row>, download: Download) -> Download {
    let stamp = download.stamp();
    if let Some(pieces) = stamp.and_then(|stamp| shared.verified.get(row.id, stamp)) {
        let pieces = (0..pieces.len()).map(move |at| Ok(pieces[at].clone()));
        return again(row, stream::iter(pieces));
    }
    let small = shared.verified.takes(row.size);
    let keep = stamp.filter(|_| small).map(|stamp| Keep {
        shared: Arc::clone(shared),
        stamp,
        pieces: Vec::new(),
    });
    let verifying = Verifying {
        download,
        row: Arc::clone(row),
        hasher: Some(Sha256::new()),
        held: None,
        keep,
    };
    again(row, verifying)
}

fn again(row: &Row, stream: impl Stream<Item = Result<Bytes>> + Send + 'static) -> Download {
    Download::new(row.id, row.size, 0..row.size, stream.boxed())
}

impl Verifying {
    fn end(&mut self) -> Option<Result<Bytes>> {
        let found = Sha256Digest::from_bytes(self.hasher.take()?.finalize().into());
        if found != self.row.sha256 {
            self.held = None;
            let detail = format!(
                "what is stored is not what was deposited: its SHA-256 is {found}, the row says {}",
                self.row.sha256
            );
            let error = Error::new(ErrorKind::Corrupt, Operation::Download).with_id(self.row.id);
            return Some(Err(error.with_detail(detail)));
        }
        if let Some(keep) = self.keep.take() {
            let cache = &keep.shared.verified;
            cache.insert(self.row.id, keep.stamp, keep.pieces.into());
        }
        self.held.take().map(Ok)
    }
}

impl Stream for Verifying {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            let piece = match ready!(Pin::new(&mut this.download).poll_next(context)) {
                Some(Ok(piece)) => piece,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(this.end()),
            };
            if let Some(hasher) = &mut this.hasher {
                hasher.update(&piece);
            }
            if let Some(keep) = &mut this.keep {
                keep.pieces.push(piece.clone());
            }
            if let Some(before) = this.held.replace(piece) {
                return Poll::Ready(Some(Ok(before)));
            }
        }
    }
}

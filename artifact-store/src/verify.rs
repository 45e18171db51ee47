//! Verifies the bytes of an artifact while they are read.

use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use artifact_backend::{Download, Error, ErrorKind, Operation, Result, Sha256Digest, Stamp};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use sha2::{Digest, Sha256};

use crate::read_memory::ChunkPlan;
use crate::row::Row;
use crate::shared::Shared;
use crate::verified_cache::{Collector, Entry};

/// The download of an artifact or of a range of it, whose damage is reported to the store.
struct Checked {
    shared: Arc<Shared>,
    row: Arc<Row>,
    stamp: Option<Stamp>,
    download: Download,
    /// `None` if the backend decides alone about its chunks.
    plan: Option<ChunkPlan>,
    /// `None` for a range.
    whole: Option<Whole>,
}

/// The state of the verification of a whole artifact.
struct Whole {
    hasher: Sha256,
    /// The last chunk. It is held back until the blob is verified, so that the stream of a damaged
    /// blob ends with an error instead of its last chunk.
    last: Option<Bytes>,
    /// Adds the chunks to the cache.
    collector: Option<Collector>,
}

/// Verifies the download of a whole blob. If its bytes do not match the row, the stream ends with
/// [`Corrupt`](ErrorKind::Corrupt) instead of the last chunk, and the damage is reported.
///
/// If the same bytes were verified recently and their storage is unchanged since, they come from
/// memory.
pub(crate) fn verified(shared: &Arc<Shared>, row: &Arc<Row>, download: Download) -> Download {
    let stamp = download.stamp();
    if let Some(entry) = stamp.and_then(|stamp| shared.verified.get(row.id, stamp)) {
        if let Some(bytes) = Entry::single_chunk(&entry) {
            return Download::in_memory(row.id, bytes);
        }
        let indices = 0..entry.chunks().len();
        let chunks = indices.map(move |index| Ok(entry.chunks()[index].clone()));
        return download_of(row, 0..row.size, stream::iter(chunks));
    }
    let whole = Whole {
        hasher: Sha256::new(),
        last: None,
        collector: stamp.and_then(|stamp| shared.verified.collect(row.id, stamp, row.size)),
    };
    checked(shared, row, download, Some(whole))
}

/// Returns a range from memory, if the whole blob was verified recently and its storage is unchanged since.
pub(crate) fn cached_range(
    shared: &Shared,
    row: &Row,
    download: &Download,
    wanted: Range<u64>,
) -> Option<Download> {
    let entry = shared.verified.get(row.id, download.stamp()?)?;
    let range = wanted.clone();
    let (mut index, mut at) = (0, 0);
    let parts = std::iter::from_fn(move || {
        loop {
            let chunk = entry.chunks().get(index)?;
            let start = at;
            index += 1;
            at += chunk.len() as u64;
            let cut = |bound: u64| {
                let bound = bound.clamp(start, at) - start;
                usize::try_from(bound).unwrap_or(chunk.len())
            };
            let part = chunk.slice(cut(wanted.start)..cut(wanted.end));
            if !part.is_empty() {
                return Some(Ok(part));
            }
        }
    });
    Some(download_of(row, range, stream::iter(parts)))
}

/// Watches the download of a range of an artifact without chunk digests. Only a wrong length is
/// found. The stream also ends with [`Corrupt`](ErrorKind::Corrupt) if another reader finds the artifact damaged
/// meanwhile.
pub(crate) fn watched(shared: &Arc<Shared>, row: &Arc<Row>, download: Download) -> Download {
    checked(shared, row, download, None)
}

fn checked(
    shared: &Arc<Shared>,
    row: &Arc<Row>,
    download: Download,
    whole: Option<Whole>,
) -> Download {
    let range = download.range();
    let stream = Checked {
        shared: Arc::clone(shared),
        row: Arc::clone(row),
        stamp: download.stamp(),
        plan: download
            .chunk_size()
            .map(|size| ChunkPlan::new(&shared.read_memory, size)),
        download,
        whole,
    };
    download_of(row, range, stream)
}

fn download_of(
    row: &Row,
    range: Range<u64>,
    stream: impl Stream<Item = Result<Bytes>> + Send + 'static,
) -> Download {
    Download::new(row.id, row.size, range, stream.boxed())
}

impl Checked {
    fn corrupt(&self, detail: String) -> Error {
        Error::new(ErrorKind::Corrupt, Operation::Download)
            .with_id(self.row.id)
            .with_detail(detail)
    }

    /// Ends the stream with an error. Reports it if it says that the artifact is damaged.
    fn fail(&mut self, error: Error) -> Error {
        self.whole = None;
        if error.kind() == ErrorKind::Corrupt {
            self.shared.report_damage(self.row.id, self.stamp, &error);
        }
        error
    }

    /// Plans the next chunk. Gives up collecting if there is memory only for small chunks.
    fn plan_chunk(&mut self) {
        let (Some(plan), remaining) = (&mut self.plan, self.download.remaining()) else {
            return;
        };
        if remaining == 0 {
            return;
        }
        let collector = self.whole.as_mut().map(|whole| &mut whole.collector);
        let for_cache = matches!(&collector, Some(Some(collector)) if collector.is_active());
        let fits = plan.plan(remaining, for_cache);
        if let Some(collector) = collector.filter(|_| for_cache && !fits) {
            *collector = None;
        }
    }

    /// Compares the digest at the end of the blob, and releases the last chunk.
    fn finish(&mut self) -> Option<Result<Bytes>> {
        let whole = self.whole.take()?;
        let actual = Sha256Digest::from_bytes(whole.hasher.finalize().into());
        if actual != self.row.sha256 {
            let error = self.corrupt(format!(
                "the stored bytes are not those that were deposited: their SHA-256 is {actual}, the \
                 row says {}",
                self.row.sha256
            ));
            return Some(Err(self.fail(error)));
        }
        if let Some(collector) = whole.collector {
            collector.finish();
        }
        whole.last.map(Ok)
    }
}

fn deliver(plan: &mut Option<ChunkPlan>, chunk: Bytes) -> Bytes {
    match plan {
        Some(plan) => plan.deliver(chunk),
        None => chunk,
    }
}

impl Stream for Checked {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            this.plan_chunk();
            let chunk = match ready!(Pin::new(&mut this.download).poll_next(context)) {
                Some(Ok(chunk)) => chunk,
                Some(Err(error)) => return Poll::Ready(Some(Err(this.fail(error)))),
                None => return Poll::Ready(this.finish()),
            };
            let Some(whole) = &mut this.whole else {
                if this.shared.damaged.get(this.row.id).is_some() {
                    let detail = "another reader found the stored bytes to be damaged";
                    return Poll::Ready(Some(Err(this.corrupt(detail.to_owned()))));
                }
                return Poll::Ready(Some(Ok(deliver(&mut this.plan, chunk))));
            };
            whole.hasher.update(&chunk);
            if let Some(collector) = &mut whole.collector {
                collector.push(&chunk);
            }
            let chunk = deliver(&mut this.plan, chunk);
            if this.download.remaining() == 0 {
                whole.last = Some(chunk);
            } else {
                return Poll::Ready(Some(Ok(chunk)));
            }
        }
    }
}

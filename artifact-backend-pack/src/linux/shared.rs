//! The state that all operations of a backend share.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use artifact_backend::{ArtifactId, Clock, Error, ErrorKind, Operation, Result};
use artifact_backend_fs::FsBackend;
use bytes::Bytes;
use rustix::io::Errno;
use tokio::sync::{RwLock, oneshot};

use crate::format::frame::{Body, Position, Record};
use crate::linux::claims::{Claim, Claims};
use crate::linux::error::{failed, with_kind};
use crate::linux::index::{Found, Index};
use crate::linux::pool::Pool;
use crate::linux::queue::Queue;
use crate::linux::request::{CommitError, Request};
use crate::linux::root::{Root, in_doubt};
use crate::linux::segment::{self, NotCached, Sealed, Wait};
use crate::linux::stats::Counters;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) root: Root,
    pub(crate) index: Index,
    /// The sealed segments whose entries may have made bytes of others useless that were not counted yet.
    pub(crate) uncounted: Mutex<Vec<Arc<Sealed>>>,
    /// The segments with a damaged frame, so that it is not known which blobs it had.
    pub(crate) lost: Vec<u32>,
    pub(crate) queue: Queue<Request>,
    pub(crate) claims: Claims,
    /// The larger blobs.
    pub(crate) large: FsBackend,
    pub(crate) reads: Pool,
    /// The length of a read on the caller's thread in bytes, if it is cached.
    pub(crate) inline_bytes: u64,
    pub(crate) max_packed_bytes: usize,
    pub(crate) segment_bytes: u32,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) counters: Counters,
    /// The end of the frames that are durable, of the newest segment. `None` before the first segment.
    pub(crate) end: Mutex<Option<Position>>,
    /// Held for reading by tasks that go on after their caller's future was dropped.
    pub(crate) tasks: Arc<RwLock<()>>,
}

impl Shared {
    /// Returns the time in milliseconds since the Unix epoch.
    pub(crate) fn now(&self) -> u64 {
        let since = self.clock.now().duration_since(UNIX_EPOCH);
        since.map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
    }

    /// Finds the newest entry of an id, which may be a tombstone. Waits for the disk on the blocking pool.
    pub(crate) async fn find(
        self: &Arc<Self>,
        operation: Operation,
        id: ArtifactId,
    ) -> Result<Option<Found>> {
        let wait = if self.inline_bytes > 0 {
            Wait::Never
        } else {
            Wait::Memory
        };
        if let Ok(found) = self.index.find(operation, id, wait)? {
            return Ok(found);
        }
        let shared = Arc::clone(self);
        let work = move || shared.index.find(operation, id, Wait::Disk);
        match self.reads.run(operation, work).await? {
            Ok(found) => Ok(found),
            Err(NotCached) => unreachable!("a read that waits for the disk needs no cache"),
        }
    }

    /// Hands a record to the committer. The claim ends when the record is visible. If the future is dropped, the record is
    /// committed or not.
    pub(crate) async fn commit(
        &self,
        operation: Operation,
        record: Record<Bytes>,
        claim: Claim,
    ) -> Result<()> {
        let id = record.id;
        let committed = self.request(Some((record, claim))).await;
        committed.map_err(|error| commit_error(operation, Some(id), error))
    }

    /// Asks the committer whether it can make records durable. Nothing is written, and the open segment is synced.
    pub(crate) async fn check_committer(&self, operation: Operation) -> Result<()> {
        let checked = self.request(None).await;
        checked.map_err(|error| commit_error(operation, None, error))
    }

    async fn request(&self, record: Option<(Record<Bytes>, Claim)>) -> Result<(), CommitError> {
        let (answer, answered) = oneshot::channel();
        self.queue.push(Request { record, answer });
        // Without an answer, the thread of the committer panicked.
        let result = answered.await;
        result.unwrap_or(Err(CommitError::Ambiguous(Errno::IO)))
    }

    /// Returns an error if records are lost, so that what is not found may have been stored.
    pub(crate) fn check_complete(
        &self,
        operation: Operation,
        id: Option<ArtifactId>,
    ) -> Result<()> {
        let Some(segment) = self.lost.first() else {
            return Ok(());
        };
        let detail = format!(
            "the segment {} has a damaged frame, and the record may have been in it; compare the store with its database \
             and restore what is missing from a backup, then stop the server and remove the files segments/*.damaged-*",
            segment::name(*segment)
        );
        let error = Error::new(ErrorKind::Corrupt, operation).with_detail(detail);
        Err(match id {
            Some(id) => error.with_id(id),
            None => error,
        })
    }

    /// Returns the segments of [`uncounted`](Self::uncounted).
    pub(crate) fn uncounted(&self) -> Vec<Arc<Sealed>> {
        let uncounted = self.uncounted.lock();
        uncounted.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes that a segment was counted.
    pub(crate) fn counted(&self, number: u32) {
        let uncounted = self.uncounted.lock();
        let mut uncounted = uncounted.unwrap_or_else(PoisonError::into_inner);
        uncounted.retain(|sealed| sealed.number() != number);
    }

    /// Returns the end of the frames that are durable.
    pub(crate) fn end(&self) -> Option<Position> {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a frame is durable and visible, or that a segment was begun.
    pub(crate) fn set_end(&self, end: Position) {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
    }

    /// Returns a record of this moment.
    pub(crate) fn record(&self, id: ArtifactId, body: Body<Bytes>) -> Record<Bytes> {
        Record {
            id,
            modified: self.now(),
            replaces: 0,
            body,
            note: None,
        }
    }
}

/// Returns the time of an entry.
pub(crate) fn time(milliseconds: u64) -> SystemTime {
    let time = UNIX_EPOCH.checked_add(Duration::from_millis(milliseconds));
    time.unwrap_or(UNIX_EPOCH)
}

fn commit_error(operation: Operation, id: Option<ArtifactId>, error: CommitError) -> Error {
    let error = match error {
        CommitError::NotWritten(Errno::NOENT) => Error::new(ErrorKind::Misconfigured, operation)
            .with_detail("the root was removed while it was in use; restore it and restart"),
        CommitError::NotWritten(errno) => failed(operation, None, "write to a segment", errno),
        CommitError::Ambiguous(errno) => with_kind(
            ErrorKind::Ambiguous,
            operation,
            None,
            "make the record durable",
            errno,
        ),
        CommitError::InDoubt => in_doubt(operation, None),
        CommitError::Closed => Error::new(ErrorKind::Unavailable, operation)
            .with_detail("the committer of the backend has ended; open the backend again"),
    };
    match id {
        Some(id) => error.with_id(id),
        None => error,
    }
}

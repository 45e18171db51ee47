//! The records that wait for the committer.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use rustix::io::Errno;
use tokio::sync::oneshot;

use crate::format::frame::Record;
use crate::format::log::max_record_bytes;
use crate::linux::claims::Claim;

/// Why a record was not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CommitError {
    /// Nothing of it was written, or the rest is not valid.
    NotWritten(Errno),
    /// It cannot be known whether the record is durable.
    Ambiguous(Errno),
    /// A sync has failed before.
    InDoubt,
    /// The committer has ended.
    Closed,
}

/// A record and the caller that waits for it.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) record: Record<Bytes>,
    /// Ends when the record is in the index.
    pub(crate) claim: Claim,
    /// Nobody receives the answer if the caller's future was dropped.
    pub(crate) answer: oneshot::Sender<Result<(), CommitError>>,
}

#[derive(Debug, Default)]
struct Waiting {
    requests: VecDeque<Request>,
    closed: bool,
}

/// The records that wait for the committer, in the order of their arrival.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a record.
    pub(crate) fn push(&self, request: Request) {
        let mut waiting = self.lock();
        if waiting.closed {
            drop(waiting);
            let _ = request.answer.send(Err(CommitError::Closed));
            return;
        }
        let was_empty = waiting.requests.is_empty();
        waiting.requests.push_back(request);
        drop(waiting);
        if was_empty {
            self.arrived.notify_one();
        }
    }

    /// Waits for records and takes as many as one frame holds. Returns `None` when the queue is closed and empty.
    pub(crate) fn take(&self) -> Option<Vec<Request>> {
        let mut waiting = self.lock();
        while waiting.requests.is_empty() {
            if waiting.closed {
                return None;
            }
            let woken = self.arrived.wait(waiting);
            waiting = woken.unwrap_or_else(PoisonError::into_inner);
        }
        let mut bytes = 0;
        let fits = waiting.requests.iter().take_while(|request| {
            bytes += request.record.length();
            bytes <= GROUP_BYTES
        });
        // A single record is always shorter than a frame.
        let count = fits.count().max(1);
        Some(waiting.requests.drain(..count).collect())
    }

    /// Takes no more records, and drops those that wait. Their callers learn that their outcome is not known.
    pub(crate) fn abandon(&self) {
        let mut waiting = self.lock();
        waiting.closed = true;
        let requests = std::mem::take(&mut waiting.requests);
        drop(waiting);
        drop(requests);
    }

    /// Takes no more records. Those that wait are still committed.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_one();
    }
}

/// The bytes of records in one frame. More would not make a sync cheaper, and would make every caller of the group wait longer.
const GROUP_BYTES: usize = 2 << 20;
const _: () = assert!(GROUP_BYTES < max_record_bytes());

//! What waits for the committer.

use bytes::Bytes;
use rustix::io::Errno;
use tokio::sync::oneshot;

use crate::format::frame::Record;
use crate::format::log::max_record_bytes;
use crate::linux::claims::Claim;
use crate::linux::queue::Queued;

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

/// Gets what became of a request.
pub(crate) type Answer = oneshot::Sender<Result<(), CommitError>>;

/// A record and the caller that waits for it.
#[derive(Debug)]
pub(crate) struct Request {
    /// `None` for a caller that only wants to know whether records can be made durable. The claim ends when the record is in the
    /// index.
    pub(crate) record: Option<(Record<Bytes>, Claim)>,
    /// Its receiver is gone if the caller's future was dropped.
    pub(crate) answer: Answer,
}

impl Queued for Request {
    fn length(&self) -> usize {
        self.record
            .as_ref()
            .map_or(0, |(record, _)| record.length())
    }

    fn refuse(self) {
        let Self { record, answer } = self;
        drop(record);
        let _ = answer.send(Err(CommitError::Closed));
    }
}

/// The bytes of records in one frame. More would not make a sync cheaper, and would make every caller of the group wait longer.
pub(crate) const GROUP_BYTES: usize = 2 << 20;
const _: () = assert!(GROUP_BYTES < max_record_bytes());

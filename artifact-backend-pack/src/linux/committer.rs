//! The group committer: one thread that writes the records of all waiting callers as one frame, syncs once, and answers all.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use rustix::io::Errno;

use crate::format::frame::Record;
use crate::linux::claims::Claim;
use crate::linux::index::Open;
use crate::linux::open_segment::{OpenSegment, is_full};
use crate::linux::patience::Patience;
use crate::linux::request::{Answer, CommitError, Request};
use crate::linux::root::Root;
use crate::linux::seal::seal;
use crate::linux::shared::Shared;

/// The state of the committer's thread.
#[derive(Debug)]
pub(crate) struct Committer {
    shared: Arc<Shared>,
    /// `None` after a segment was sealed and the next one could not be created yet.
    open: Option<OpenSegment>,
    /// The number of the next segment.
    next: u32,
}

impl Committer {
    pub(crate) fn new(shared: Arc<Shared>, open: Option<OpenSegment>, next: u32) -> Self {
        Self { shared, open, next }
    }

    /// Commits groups until the queue is closed.
    pub(crate) fn run(mut self) {
        let _end = End(Arc::clone(&self.shared));
        let mut patience = Patience::new();
        while let Some(requests) = self.shared.queue.take(&mut patience) {
            let began = now();
            let mut records = Vec::with_capacity(requests.len());
            let mut callers = Vec::with_capacity(requests.len());
            for request in requests {
                let Request { record, answer } = request;
                let (record, claim) = record.unzip();
                records.extend(record);
                callers.push((claim, answer));
            }
            let result = self.commit(&records);
            let waiting = self.shared.queue.len();
            patience.committed(callers.len(), waiting, began.elapsed());
            answer(callers, result);
            // Behind the answers, because no caller needs it.
            self.write_mark();
        }
        self.sync_mark();
    }

    /// Writes the mark behind the last frame if that is durable and has none.
    fn write_mark(&mut self) {
        if let Some(open) = &mut self.open {
            open.write_mark();
        }
    }

    /// Makes the mark durable when the backend is closed, so that damage of the last frame is noticed later.
    fn sync_mark(&self) {
        if let Some(open) = &self.open
            && self.shared.root.is_in_doubt() == Ok(false)
            && let Err(errno) = open.sync_mark(&self.shared.root)
        {
            let cut = (open.file.number, open.log.end().offset);
            self.shared.root.record_failed_sync(errno, Some(cut));
        }
    }

    /// Makes the records durable and visible, all or none. Without records, syncs the open segment once more.
    fn commit(&mut self, records: &[Record<Bytes>]) -> Result<(), CommitError> {
        let shared = Arc::clone(&self.shared);
        let root = &shared.root;
        if root.is_in_doubt().map_err(CommitError::NotWritten)? {
            return Err(CommitError::InDoubt);
        }
        if !root.is_alive() {
            return Err(CommitError::NotWritten(Errno::NOENT));
        }
        if records.is_empty() {
            return self.sync_again();
        }
        if records.iter().any(|record| record.note.is_some()) {
            root.allow_notes().map_err(CommitError::NotWritten)?;
        }
        let open = self.with_room(records)?;
        let Some(frame) = open.log.begin(records) else {
            return Err(CommitError::InDoubt);
        };
        let written = match open.write(&frame) {
            // Part of the frame may be in the file. It is not valid, and the next frame takes its place.
            Err(errno) if is_full(errno) => {
                open.log.not_written();
                return Err(CommitError::NotWritten(errno));
            }
            written => written.and_then(|()| root.time_sync(|| open.sync(root))),
        };
        if let Err(errno) = written {
            return Err(stop(root, open, errno));
        }
        // The other backend may have recorded a failure since, or the root was removed with the segment.
        if root.is_in_doubt() != Ok(false) || !root.is_alive() {
            return Err(stop(root, open, Errno::IO));
        }
        open.synced();
        shared.counters.count(records.len());
        shared.index.apply(&frame.entries);
        shared.set_end(open.log.end());
        Ok(())
    }

    /// Syncs the open segment, in which everything is durable.
    fn sync_again(&mut self) -> Result<(), CommitError> {
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        if open.log.is_in_doubt() {
            return Err(CommitError::InDoubt);
        }
        let synced = open.sync(&self.shared.root);
        synced.map_err(|errno| stop(&self.shared.root, open, errno))
    }

    /// Returns the open segment if it has room for the records, or else seals it and begins the next.
    fn with_room(&mut self, records: &[Record<Bytes>]) -> Result<&mut OpenSegment, CommitError> {
        let shared = Arc::clone(&self.shared);
        let indexed = shared.index.open_len();
        let not_written = |errno| {
            if shared.root.is_in_doubt() == Ok(true) {
                // A sync failed, but none that a record of this group needs.
                return CommitError::InDoubt;
            }
            CommitError::NotWritten(errno)
        };
        if let Some(open) = &self.open
            && (open.damage.is_some() || !open.log.has_room(records, indexed))
        {
            if open.log.is_in_doubt() {
                return Err(CommitError::InDoubt);
            }
            let end = match &open.damage {
                None => u64::from(open.log.end().offset),
                Some(damage) => {
                    let recorded = shared.root.record_lost(open.file.number, &damage.lost);
                    recorded.map_err(not_written)?;
                    damage.index_at
                }
            };
            let entries = shared.index.open_entries();
            let sealed = seal(&shared.root, &open.file, end, entries).map_err(not_written)?;
            shared.index.seal(sealed);
            self.open = None;
        }
        if self.open.is_none() {
            let capacity = u64::from(shared.segment_bytes);
            let open =
                OpenSegment::create(&shared.root, self.next, capacity).map_err(not_written)?;
            self.next += 1;
            shared.index.open(Open {
                file: Arc::clone(&open.file),
                entries: foldhash::HashMap::default(),
            });
            // Before the head is recorded, from when on the segment before may be removed.
            shared.set_end(open.log.end());
            self.open = Some(open);
        }
        let open = self.open.as_mut().expect("a segment was opened above");
        if open.file.number > shared.root.head() {
            let recorded = shared.root.record_head(open.file.number);
            recorded.map_err(not_written)?;
        }
        Ok(open)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the thread is outside of the runtime"
)]
fn now() -> Instant {
    Instant::now()
}

/// Stops all acknowledgements, because the end of the open segment may not be on the disk.
fn stop(root: &Root, open: &mut OpenSegment, cause: Errno) -> CommitError {
    open.log.sync_failed();
    let cut = (open.file.number, open.log.end().offset);
    root.record_failed_sync(cause, Some(cut));
    CommitError::Ambiguous(cause)
}

/// Ends the queue together with the thread, also when it panics: no caller waits for ever.
struct End(Arc<Shared>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.queue.abandon();
    }
}

/// Ends the claims, then answers the callers.
fn answer(callers: Vec<(Option<Claim>, Answer)>, result: Result<(), CommitError>) {
    for (claim, answer) in callers {
        drop(claim);
        // The caller's future may have been dropped.
        let _ = answer.send(result);
    }
}

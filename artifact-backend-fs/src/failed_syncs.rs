//! Stops all acknowledgements after a failed sync.

use artifact_backend::{ArtifactId, Error, ErrorKind, Operation, Result};
use rustix::io::Errno;

use crate::sync::{AtomicBool, Ordering};
use crate::sys::SysResult;

mod in_flight;

use in_flight::InFlight;

/// A system call whose failure can mean that data of any file was not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DiskCall {
    /// fsync(2) of a file that has no blob name yet.
    SyncBytes,
    /// Any other fsync(2): of a link count or a folder.
    Sync,
    /// linkat(2) of a file that is open for writing.
    Link,
    /// unlinkat(2), renameat(2), or linkat(2) while no file is open for writing.
    ChangeName,
    /// A call that changes metadata, in which ext4 may count an earlier error.
    Change,
}

impl DiskCall {
    /// Returns whether `errno` can mean that the kernel gave up data which it had to write.
    pub(crate) fn loses_writes(self, errno: Errno) -> bool {
        match self {
            // Without free blocks, only this file's own bytes are lost (fsync(2)).
            Self::SyncBytes => !matches!(errno, Errno::NOSPC | Errno::DQUOT),
            Self::Sync => true,
            // Nothing but an error makes a file system read-only while a file is open for writing
            // (mount(2), EBUSY).
            Self::Link => matches!(errno, Errno::IO | Errno::UCLEAN | Errno::ROFS),
            Self::ChangeName => matches!(errno, Errno::IO | Errno::UCLEAN),
            Self::Change => false,
        }
    }
}

/// The blocks of metadata that a call may write, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blocks {
    /// Any block of the file system.
    Any,
    /// The blocks of the inode table with these numbers, and what belongs to their inodes alone.
    Inodes([u64; 2]),
}

impl Blocks {
    fn overlap(self, other: Self) -> bool {
        match (self, other) {
            (Self::Inodes(a), Self::Inodes(b)) => a.iter().any(|block| b.contains(block)),
            (Self::Any, _) | (_, Self::Any) => true,
        }
    }
}

/// The calls of this process that may get the error of an operation's writes.
///
/// When a sync returns, each of its blocks is on the disk, or another call that has begun and not returned
/// wrote it, failed, and will return the error.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Overlap {
    /// The calls that had begun when the file was synced have earlier tickets.
    file_synced: u64,
    file: Blocks,
    folder: Blocks,
}

impl Overlap {
    pub(crate) const ALL: Self = Self {
        file_synced: u64::MAX,
        file: Blocks::Any,
        folder: Blocks::Any,
    };
}

/// Whether a sync has failed, and the syncs whose result is not known yet.
///
/// Linux reports a failed write-back once and then forgets it (fsync(2)). Inodes share blocks, so the
/// failed sync of one file can lose the link count of another, whose own sync then succeeds. A failed
/// sync therefore stops every later acknowledgement.
#[derive(Debug, Default)]
pub(crate) struct FailedSyncs {
    failed: AtomicBool,
    in_flight: InFlight,
}

impl FailedSyncs {
    /// Makes a system call that may write `blocks`. If it fails so that data may be lost, this is recorded
    /// before the call counts as ended.
    pub(crate) fn track<T>(
        &self,
        kind: DiskCall,
        blocks: Blocks,
        call: impl FnOnce() -> SysResult<T>,
    ) -> SysResult<T> {
        let ticket = self.in_flight.begin(blocks);
        let result = call();
        if let Err(errno) = result
            && kind.loses_writes(errno)
        {
            self.set_failed();
        }
        self.in_flight.end(ticket);
        result
    }

    /// Returns what may overlap with the sync of a file that has just ended, and with the sync of its folder
    /// that follows.
    pub(crate) fn overlap(&self, file: Blocks, folder: Blocks) -> Overlap {
        Overlap {
            file_synced: self.in_flight.next(),
            file,
            folder,
        }
    }

    /// Waits for the results of the calls that have begun and overlap. A call that fails at this moment may be
    /// the one that got the error of this caller's data.
    pub(crate) fn wait_for_results(&self, overlap: &Overlap) {
        self.in_flight.wait(|ticket, blocks| {
            ticket < overlap.file_synced && blocks.overlap(overlap.file)
                || blocks.overlap(overlap.folder)
        });
    }

    pub(crate) fn set_failed(&self) {
        self.failed.store(true, Ordering::Release);
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Returns an error if a sync has failed.
    pub(crate) fn check(&self, operation: Operation, id: Option<ArtifactId>) -> Result<()> {
        if !self.has_failed() {
            return Ok(());
        }
        let detail = "an earlier sync of this root failed, so nothing is acknowledged any more; stop \
                      the process, check the disk, repair the file system with fsck, remove the file \
                      failed-sync from the root, and start again";
        let error = Error::new(ErrorKind::Unexpected, operation).with_detail(detail);
        Err(match id {
            Some(id) => error.with_id(id),
            None => error,
        })
    }
}

#[cfg(all(test, artifact_model))]
mod model;

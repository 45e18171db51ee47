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
    /// Makes a system call. If it fails so that data may be lost, this is recorded before the call
    /// counts as ended.
    pub(crate) fn track<T>(
        &self,
        kind: DiskCall,
        call: impl FnOnce() -> SysResult<T>,
    ) -> SysResult<T> {
        let ticket = self.in_flight.begin();
        let result = call();
        if let Err(errno) = result
            && kind.loses_writes(errno)
        {
            self.set_failed();
        }
        self.in_flight.end(ticket);
        result
    }

    /// Waits for the result of every call that has begun. A call that fails at this moment may be the
    /// one that got the error of this caller's data.
    pub(crate) fn wait_for_results(&self) {
        self.in_flight.wait();
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

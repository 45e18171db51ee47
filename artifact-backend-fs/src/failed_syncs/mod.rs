//! Stops all acknowledgements after a failed sync.

use artifact_backend::{ArtifactId, Error, ErrorKind, Operation, Result};

use crate::sync::{AtomicBool, Ordering};

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
}

impl DiskCall {
    pub(crate) fn is_sync(self) -> bool {
        matches!(self, Self::SyncBytes | Self::Sync)
    }

    /// Returns whether `error` can mean that the kernel gave up data which it had to write.
    pub(crate) fn loses_writes(self, error: &impl DiskError) -> bool {
        error.loses_writes(self)
    }
}

/// An error of the operating system.
pub(crate) trait DiskError {
    /// Returns whether this error of a call can mean that the kernel gave up data which it had to write.
    fn loses_writes(&self, call: DiskCall) -> bool;
}

/// The blocks of metadata that a call may write, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blocks {
    /// The call writes nothing to the disk.
    None,
    /// Any block of the file system.
    Any,
    /// Blocks of the inode table, and the names in a folder.
    Of {
        inodes: [u64; 2],
        /// The inode number of the folder.
        names: Option<u64>,
    },
}

impl Blocks {
    fn may_have_inode(self, block: u64) -> bool {
        match self {
            Self::None => false,
            Self::Any => true,
            Self::Of { inodes, .. } => inodes.contains(&block),
        }
    }

    fn may_have_names(self, folder: u64) -> bool {
        match self {
            Self::None => false,
            Self::Any => true,
            Self::Of { names, .. } => names == Some(folder),
        }
    }
}

/// The calls of this process that may get the error of an operation's writes.
///
/// When a sync returns, each of its blocks is on the disk, or another call that has begun and not returned
/// wrote it, failed, and will return the error.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Overlap {
    All,
    /// A store that synced a file and then its folder.
    Store {
        /// The calls that had begun when the file was synced have earlier tickets.
        file_synced: u64,
        /// The block of the file's inode.
        file: u64,
        /// The inode number of the folder.
        folder: u64,
        /// The block of the folder's inode, if the folder may have grown. Otherwise the inode has nothing
        /// that the names in the folder need.
        grown: Option<u64>,
    },
}

impl Overlap {
    fn includes(&self, ticket: u64, blocks: Blocks) -> bool {
        match *self {
            Self::All => blocks != Blocks::None,
            Self::Store {
                file_synced,
                file,
                folder,
                grown,
            } => {
                ticket < file_synced && blocks.may_have_inode(file)
                    || blocks.may_have_names(folder)
                    || grown.is_some_and(|block| blocks.may_have_inode(block))
            }
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
    /// Makes a system call that may write `blocks`. If it fails so that data may be lost, this is recorded
    /// before the call counts as ended.
    pub(crate) fn track<T, E: DiskError>(
        &self,
        kind: DiskCall,
        blocks: Blocks,
        call: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let ticket = self.in_flight.begin(blocks);
        let result = call();
        if let Err(error) = &result
            && kind.loses_writes(error)
        {
            self.set_failed();
        }
        self.in_flight.end(ticket);
        result
    }

    /// Returns the ticket of the next call. Every call that has begun has an earlier one.
    pub(crate) fn next_ticket(&self) -> u64 {
        self.in_flight.next()
    }

    /// Waits for the results of the calls that have begun and overlap. A call that fails at this moment may be
    /// the one that got the error of this caller's data.
    pub(crate) fn wait_for_results(&self, overlap: &Overlap) {
        self.in_flight
            .wait(|ticket, blocks| overlap.includes(ticket, blocks));
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

//! What is not known to be durable after a failed sync.

use std::collections::HashSet;
use std::fs::File;

use artifact_backend::{ArtifactId, Error, ErrorKind, Operation, Result};
use rustix::io::Errno;

use crate::sync::{AtomicBool, Mutex, Ordering, PoisonError, RwLock, RwLockReadGuard};
use crate::sys::{self, SysResult};

/// What is not known to be durable after a failed sync.
///
/// Linux reports a failed write-back once and then forgets it (fsync(2)). A later sync that succeeds
/// says nothing about the data that was lost.
#[derive(Debug, Default)]
pub(crate) struct FailedSyncs {
    /// Blobs that are visible but may not survive a crash. They are never reported as stored.
    blobs: Mutex<HashSet<ArtifactId>>,
    /// Whether a sync of the folder failed. It is then unknown which names are on the disk, so
    /// nothing is acknowledged until an operator inspects the disk and opens the store again.
    folder: AtomicBool,
    /// Read-locked while a blob's name is visible but not yet known to be durable.
    publishing: RwLock<()>,
}

impl FailedSyncs {
    /// Begins a publish. The caller holds the guard from before it creates the name until the name is
    /// durable or recorded as failed.
    pub(crate) fn begin_publish(&self) -> RwLockReadGuard<'_, ()> {
        self.publishing
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until every publish that this process has begun is durable or recorded as failed.
    ///
    /// Without this wait, a caller could sync the folder with success after another caller's sync
    /// failed but before that failure is recorded.
    pub(crate) fn wait_for_publishes(&self) {
        drop(
            self.publishing
                .write()
                .unwrap_or_else(PoisonError::into_inner),
        );
    }

    /// Records that a visible blob may not be durable.
    pub(crate) fn add_blob(&self, id: ArtifactId) {
        self.blobs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id);
    }

    pub(crate) fn has_blob(&self, id: ArtifactId) -> bool {
        self.blobs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(&id)
    }

    /// Returns an error if a sync of the folder has failed.
    pub(crate) fn check_folder(&self, operation: Operation, id: ArtifactId) -> Result<()> {
        if self.folder.load(Ordering::Acquire) {
            let detail = "an earlier sync of the folder failed, so nothing is acknowledged any more; \
                          inspect the disk, then restart";
            return Err(Error::new(ErrorKind::Unexpected, operation)
                .with_id(id)
                .with_detail(detail));
        }
        Ok(())
    }

    /// Syncs the folder of blobs through a descriptor that only this operation uses.
    pub(crate) fn sync_folder(&self, folder: &File) -> SysResult<()> {
        self.record_sync_result(sys::fsync(folder))
    }

    /// Records the result of a sync of the folder and returns it.
    fn record_sync_result(&self, result: SysResult<()>) -> SysResult<()> {
        // A full disk loses nothing: the kernel keeps the data that it could not write.
        if let Err(errno) = result
            && !matches!(errno, Errno::NOSPC | Errno::DQUOT)
        {
            self.folder.store(true, Ordering::Release);
        }
        result
    }
}

#[cfg(all(test, artifact_model))]
mod model;

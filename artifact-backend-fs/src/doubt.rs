//! What a failed sync has put in doubt.

use std::collections::HashSet;
use std::fs::File;

use artifact_backend::{ArtifactId, Error, ErrorKind, Operation, Result};
use rustix::io::Errno;

use crate::sync::{AtomicBool, Mutex, Ordering, PoisonError, RwLock, RwLockReadGuard};
use crate::sys;

/// What a failed sync has put in doubt. Linux reports a failed write-back once and then forgets it
/// (fsync(2)), so a later sync that succeeds says nothing about what was to be written before.
#[derive(Debug, Default)]
pub(crate) struct Doubt {
    /// Blobs that got their name and may not outlive a crash: never spoken of as stored.
    blobs: Mutex<HashSet<ArtifactId>>,
    /// The folder itself: which of its names are on the disk is not known. From then on nothing is
    /// acknowledged until an operator has looked at the disk and opened the store again.
    folder: AtomicBool,
    /// Held for reading by whoever gives a name and does not know its fate yet.
    unsettled: RwLock<()>,
}

impl Doubt {
    /// To be held from before a name is given until it is durable or in doubt.
    pub(crate) fn unsettled(&self) -> RwLockReadGuard<'_, ()> {
        self.unsettled
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the fate of every name is known that was given before, by this process: between a
    /// sync that fails and the note of it, another sync of the same thing would succeed.
    pub(crate) fn wait_until_settled(&self) {
        drop(
            self.unsettled
                .write()
                .unwrap_or_else(PoisonError::into_inner),
        );
    }

    pub(crate) fn add(&self, id: ArtifactId) {
        self.blobs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id);
    }

    pub(crate) fn has(&self, id: ArtifactId) -> bool {
        self.blobs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(&id)
    }

    /// An error once the folder is in doubt.
    pub(crate) fn check(&self, operation: Operation, id: ArtifactId) -> Result<()> {
        if self.folder.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Unexpected, operation).with_id(id).with_detail(
                "a sync of the folder failed before, and nothing is acknowledged since; look at the \
                 disk, then restart",
            ));
        }
        Ok(())
    }

    /// Syncs the folder of blobs by a descriptor of this operation's own.
    pub(crate) fn sync_folder(&self, folder: &File) -> sys::SysResult<()> {
        self.told(sys::fsync(folder))
    }

    /// Takes what a sync of the folder was answered.
    fn told(&self, synced: sys::SysResult<()>) -> sys::SysResult<()> {
        // No room is an answer, not a loss: what could not be written stays to be written.
        if let Err(errno) = synced
            && !matches!(errno, Errno::NOSPC | Errno::DQUOT)
        {
            self.folder.store(true, Ordering::Release);
        }
        synced
    }
}

#[cfg(all(test, artifact_model))]
mod model;

//! The file in the root that says that a sync has failed. It keeps a restarted process from
//! acknowledging what the failed sync may have lost.

use std::os::fd::{AsFd, BorrowedFd};

use artifact_backend::Result;
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::error::sync_failed_earlier;
use crate::layout::{FAILED_SYNC, FAILED_SYNC_TEXT};
use crate::linux::sys::{self, SysResult};

/// Rejects a root in which an earlier process recorded a failed sync.
pub(crate) fn check(root: BorrowedFd<'_>) -> Result<()> {
    match exists(root) {
        Ok(false) => Ok(()),
        Ok(true) => Err(sync_failed_earlier()),
        Err(errno) => Err(crate::linux::error::failed(
            artifact_backend::Operation::Open,
            None,
            "look for the file failed-sync",
            errno,
        )),
    }
}

/// Returns whether a process has recorded a failed sync.
pub(crate) fn exists(root: BorrowedFd<'_>) -> SysResult<bool> {
    match sys::stat_name(root, FAILED_SYNC) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Records a failed sync. The name alone counts, so it is synced before the text is written.
///
/// If even the name cannot be created, only this process knows of the failure. Until the file system is
/// mounted again, the kernel may then show blobs that are not on the disk.
pub(crate) fn create(root: BorrowedFd<'_>, cause: Errno) {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY;
    let resolve = ResolveFlags::empty();
    let created = match sys::open_beneath(root, FAILED_SYNC, flags, Mode::RUSR, resolve) {
        Err(Errno::EXIST) => return,
        created => created,
    };
    let synced = created.and_then(|file| {
        sys::fsync(root)?;
        sys::write_all(file.as_fd(), FAILED_SYNC_TEXT.as_bytes())?;
        sys::fsync(&file)
    });
    match synced {
        Ok(()) => tracing::error!(
            %cause,
            "a sync failed; nothing is acknowledged any more, and the file failed-sync in the root says \
             what to do"
        ),
        Err(errno) => tracing::error!(
            %cause, %errno,
            "a sync failed, and the file failed-sync could not be made durable; nothing is acknowledged \
             any more; do not start again before the file system was repaired and mounted again"
        ),
    }
}

/// Syncs a file or folder while the root is being opened. Records a failure.
pub(crate) fn sync(root: BorrowedFd<'_>, fd: impl AsFd) -> SysResult<()> {
    sys::fsync(fd).inspect_err(|errno| create(root, *errno))
}

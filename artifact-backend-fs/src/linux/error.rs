//! Maps errors of the operating system to errors of the backend.

use std::io;

use artifact_backend::{ArtifactId, Error, ErrorKind, Operation};
use rustix::io::Errno;

pub(crate) use crate::error::{corrupt, misconfigured};
use crate::failed_syncs::{DiskCall, DiskError};

/// Returns the kind of a failed system call that changed nothing.
fn kind(errno: Errno) -> ErrorKind {
    match errno {
        Errno::NOSPC | Errno::DQUOT => ErrorKind::OutOfSpace,
        Errno::FBIG => ErrorKind::TooLarge,
        Errno::ACCESS | Errno::PERM => ErrorKind::PermissionDenied,
        Errno::ROFS | Errno::NOSYS | Errno::OPNOTSUPP | Errno::NOLCK => ErrorKind::Misconfigured,
        // EFSCORRUPTED and EFSBADCRC of ext4, XFS and others.
        Errno::UCLEAN | Errno::BADMSG => ErrorKind::Corrupt,
        Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::AGAIN => ErrorKind::Unavailable,
        _ => ErrorKind::Unexpected,
    }
}

/// Returns what an operator can do about the error.
fn hint(errno: Errno) -> &'static str {
    match errno {
        Errno::MFILE => "; raise this process's limit on open files (ulimit -n)",
        Errno::NFILE => "; raise the system's limit on open files (fs.file-max)",
        Errno::NOSPC => "; the file system has no free blocks or inodes left",
        Errno::DQUOT => "; the disk quota is used up",
        Errno::FBIG => "; the limit on the size of a file is reached (ulimit -f)",
        Errno::ROFS => "; the file system is mounted read-only",
        Errno::ACCESS => "; the root must belong to the user of this process",
        Errno::PERM => {
            "; the file system, a file attribute (chattr) or a security filter forbids the call, or the \
             root belongs to another user"
        }
        Errno::NOSYS | Errno::OPNOTSUPP => {
            "; the file system or a security filter does not support the call"
        }
        Errno::UCLEAN | Errno::BADMSG => {
            "; the file system's metadata is damaged: stop all processes, unmount it and run fsck"
        }
        Errno::NOLCK => "; the file system does not support locks (flock)",
        _ => "",
    }
}

/// Creates the error of a system call that changed nothing. The errno determines the kind.
pub(crate) fn failed(
    operation: Operation,
    id: Option<ArtifactId>,
    action: &'static str,
    errno: Errno,
) -> Error {
    if errno == Errno::FBIG {
        // To the caller the blob is too large, which only an operator can change.
        tracing::warn!("cannot {action}{}", hint(errno));
    }
    with_kind(kind(errno), operation, id, action, errno)
}

/// Creates the error of a system call with the given kind.
pub(crate) fn with_kind(
    kind: ErrorKind,
    operation: Operation,
    id: Option<ArtifactId>,
    action: &'static str,
    errno: Errno,
) -> Error {
    let error = Error::new(kind, operation)
        .with_detail(format!("cannot {action}{}", hint(errno)))
        .with_source(io::Error::from(errno));
    match id {
        Some(id) => error.with_id(id),
        None => error,
    }
}

/// Creates the error of a link that could not be made.
///
/// linkat(2) fails with EPERM on a file system without hard links, but file systems without them also
/// answer with other errors.
pub(crate) fn not_linked(
    operation: Operation,
    id: Option<ArtifactId>,
    action: &'static str,
    errno: Errno,
) -> Error {
    if !matches!(
        errno,
        Errno::PERM
            | Errno::ACCESS
            | Errno::OPNOTSUPP
            | Errno::NOSYS
            | Errno::INVAL
            | Errno::MLINK
            | Errno::XDEV
    ) {
        return failed(operation, id, action, errno);
    }
    let detail = format!(
        "cannot {action}: the file system does not make hard links, which an exclusive publish needs. FAT, \
         exFAT and some FUSE, network and shared folders cannot; choose another file system for the root"
    );
    let error = Error::new(ErrorKind::Misconfigured, operation)
        .with_detail(detail)
        .with_source(io::Error::from(errno));
    match id {
        Some(id) => error.with_id(id),
        None => error,
    }
}

impl DiskError for Errno {
    fn loses_writes(&self, call: DiskCall) -> bool {
        match call {
            // Without free blocks, only this file's own bytes are lost (fsync(2)).
            DiskCall::SyncBytes => !matches!(*self, Self::NOSPC | Self::DQUOT),
            DiskCall::Sync => true,
            // Nothing but an error makes a file system read-only while a file is open for writing
            // (mount(2), EBUSY).
            DiskCall::Link => matches!(*self, Self::IO | Self::UCLEAN | Self::ROFS),
            DiskCall::ChangeName => matches!(*self, Self::IO | Self::UCLEAN),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_that_the_file_system_reports_is_corrupt() {
        let id = ArtifactId::from_bytes([7; 16]);
        for errno in [Errno::UCLEAN, Errno::BADMSG] {
            let error = failed(Operation::List, Some(id), "open the blob", errno);
            assert_eq!(error.damaged_blob(), Some(id));
            assert!(error.detail().contains("run fsck"), "{error}");
        }
        // The disk, not one blob.
        let error = failed(Operation::List, Some(id), "open the blob", Errno::IO);
        assert_eq!(error.damaged_blob(), None);
    }
}

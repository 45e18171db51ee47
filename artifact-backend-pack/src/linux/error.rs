//! Maps errors of the operating system to errors of the backend.

use std::io;

use artifact_backend::{ArtifactId, Error, ErrorKind, Operation};
use rustix::io::Errno;

use crate::linux::sys;

/// Returns the kind of a failed system call that changed nothing.
fn kind(errno: Errno) -> ErrorKind {
    match errno {
        Errno::NOSPC | Errno::DQUOT | Errno::FBIG => ErrorKind::OutOfSpace,
        Errno::ACCESS | Errno::PERM => ErrorKind::PermissionDenied,
        Errno::ROFS | Errno::NOSYS | Errno::OPNOTSUPP | Errno::NOLCK | Errno::NOTDIR => {
            ErrorKind::Misconfigured
        }
        #[cfg(all(target_os = "linux", not(artifact_not_linux)))]
        Errno::UCLEAN => ErrorKind::Corrupt,
        Errno::BADMSG | sys::TOO_SHORT | sys::NOT_A_FILE | Errno::LOOP => ErrorKind::Corrupt,
        Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::AGAIN => ErrorKind::Unavailable,
        _ => ErrorKind::Unexpected,
    }
}

const DAMAGED_METADATA: &str =
    "; the file system's metadata is damaged: stop all processes, unmount it and run fsck";

/// Returns what an operator can do about the error.
fn hint(errno: Errno) -> &'static str {
    match errno {
        Errno::MFILE => {
            "; raise this process's limit on open files (ulimit -n): each segment is one"
        }
        Errno::NOSPC => "; the file system has no free blocks or inodes left",
        Errno::DQUOT => "; the disk quota is used up",
        Errno::FBIG => "; the limit on the size of a file is reached (ulimit -f)",
        Errno::ROFS => "; the file system is mounted read-only",
        Errno::ACCESS => "; the root must belong to the user of this process",
        sys::TOO_SHORT => "; the file is shorter than it was",
        sys::NOT_A_FILE | Errno::LOOP => "; it is not a regular file",
        #[cfg(all(target_os = "linux", not(artifact_not_linux)))]
        Errno::UCLEAN => DAMAGED_METADATA,
        Errno::BADMSG => DAMAGED_METADATA,
        Errno::NOLCK | Errno::OPNOTSUPP => {
            "; the file system does not support it; choose another one for the root"
        }
        _ => "",
    }
}

/// Creates the error of a system call that changed nothing. The errno determines the kind.
pub(crate) fn failed(
    operation: Operation,
    id: Option<ArtifactId>,
    action: &str,
    errno: Errno,
) -> Error {
    with_kind(kind(errno), operation, id, action, errno)
}

/// Creates the error of a system call with the given kind.
pub(crate) fn with_kind(
    kind: ErrorKind,
    operation: Operation,
    id: Option<ArtifactId>,
    action: &str,
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

pub(crate) fn misconfigured(detail: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Misconfigured, Operation::Open).with_detail(detail)
}

/// Raises the alarm for a damaged blob. Called once it is known that the blob was not deleted or moved while it was read.
pub(crate) fn raise(error: Error) -> Error {
    if let Some(id) = error.damaged_blob() {
        tracing::error!(alarm = "corrupt-blob", %id, "{}", error.detail());
    }
    error
}

/// Creates the error of a blob that seems to be damaged.
pub(crate) fn corrupt(operation: Operation, id: ArtifactId, detail: &'static str) -> Error {
    Error::new(ErrorKind::Corrupt, operation)
        .with_id(id)
        .with_detail(detail)
}

/// The error of an operation on an id.
pub(crate) fn of(kind: ErrorKind, operation: Operation, id: ArtifactId) -> Error {
    Error::new(kind, operation).with_id(id)
}

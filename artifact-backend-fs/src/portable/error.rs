//! Maps errors of `std::io` to errors of the backend.

use std::io;

use artifact_backend::{ArtifactId, Error, ErrorKind, Operation};

use super::files::too_many_files;
use crate::failed_syncs::{DiskCall, DiskError};

impl DiskError for io::Error {
    fn loses_writes(&self, call: DiskCall) -> bool {
        let no_space = matches!(
            self.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        );
        match call {
            // Without free blocks, only this file's own bytes are lost (fsync(2)).
            DiskCall::SyncBytes => !no_space,
            DiskCall::Sync => true,
            // Nothing but an error makes a file system read-only while a file is open for writing
            // (mount(2), EBUSY).
            DiskCall::Link => {
                is_disk_error(self) || self.kind() == io::ErrorKind::ReadOnlyFilesystem
            }
            DiskCall::ChangeName => is_disk_error(self),
        }
    }
}

/// Returns whether an error can come from the disk. `std` has no kind for EIO, so every error without
/// a kind that says something else counts.
fn is_disk_error(error: &io::Error) -> bool {
    let harmless = matches!(
        error.kind(),
        io::ErrorKind::AlreadyExists
            | io::ErrorKind::CrossesDevices
            | io::ErrorKind::DirectoryNotEmpty
            | io::ErrorKind::FileTooLarge
            | io::ErrorKind::Interrupted
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::IsADirectory
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::NotFound
            | io::ErrorKind::OutOfMemory
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::ResourceBusy
            | io::ErrorKind::StorageFull
            | io::ErrorKind::TooManyLinks
            | io::ErrorKind::Unsupported
            | io::ErrorKind::WouldBlock
    );
    !harmless && !too_many_files(error)
}

/// Returns the kind of a failed call that changed nothing.
fn kind(error: &io::Error) -> ErrorKind {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::OutOfSpace,
        io::ErrorKind::FileTooLarge => ErrorKind::TooLarge,
        io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::Unsupported => ErrorKind::Misconfigured,
        io::ErrorKind::OutOfMemory | io::ErrorKind::WouldBlock => ErrorKind::Unavailable,
        _ if too_many_files(error) => ErrorKind::Unavailable,
        _ => ErrorKind::Unexpected,
    }
}

/// Creates the error of a call that changed nothing. The error of the call determines the kind.
pub(super) fn failed(
    operation: Operation,
    id: Option<ArtifactId>,
    action: &'static str,
    error: io::Error,
) -> Error {
    with_kind(kind(&error), operation, id, action, error)
}

/// Creates the error of a call with the given kind.
pub(super) fn with_kind(
    kind: ErrorKind,
    operation: Operation,
    id: Option<ArtifactId>,
    action: &'static str,
    error: io::Error,
) -> Error {
    let created = Error::new(kind, operation)
        .with_detail(format!("cannot {action}"))
        .with_source(error);
    match id {
        Some(id) => created.with_id(id),
        None => created,
    }
}

/// Creates the error of a link that could not be made.
pub(super) fn not_linked(
    operation: Operation,
    id: Option<ArtifactId>,
    action: &'static str,
    error: io::Error,
) -> Error {
    let unsupported = matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied
            | io::ErrorKind::Unsupported
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::TooManyLinks
            | io::ErrorKind::CrossesDevices
    );
    if !unsupported {
        return failed(operation, id, action, error);
    }
    let created = Error::new(ErrorKind::Misconfigured, operation)
        .with_detail(format!(
            "cannot {action}: the file system does not make hard links, which an exclusive publish needs. \
             FAT, exFAT and some network and shared folders cannot; choose another file system for the root"
        ))
        .with_source(error);
    match id {
        Some(id) => created.with_id(id),
        None => created,
    }
}

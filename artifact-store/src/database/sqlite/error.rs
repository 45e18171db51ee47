//! What SQLite's result codes mean to a caller (<https://sqlite.org/rescode.html>).

use artifact_backend::ArtifactId;
use rusqlite::ErrorCode;
use rusqlite::ffi;

use crate::error::{Error, ErrorKind, Operation};

/// The kind that a failure of SQLite is.
pub(super) fn kind_of(error: &rusqlite::Error) -> ErrorKind {
    let Some(code) = error.sqlite_error() else {
        return match error {
            // A value of another type or length than we write: STRICT keeps most of them out.
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::Utf8Error(..) => ErrorKind::Corrupt,
            _ => ErrorKind::Unexpected,
        };
    };
    match code.code {
        ErrorCode::DatabaseBusy
        | ErrorCode::DatabaseLocked
        | ErrorCode::FileLockingProtocolFailed
        | ErrorCode::OutOfMemory
        | ErrorCode::SystemIoFailure => ErrorKind::Unavailable,
        ErrorCode::DiskFull => ErrorKind::OutOfSpace,
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => ErrorKind::Corrupt,
        ErrorCode::CannotOpen
        | ErrorCode::NoLargeFileSupport
        | ErrorCode::PermissionDenied
        | ErrorCode::ReadOnly => ErrorKind::Misconfigured,
        ErrorCode::ConstraintViolation => match code.extended_code {
            ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_UNIQUE => {
                ErrorKind::AlreadyExists
            }
            ffi::SQLITE_CONSTRAINT_FOREIGNKEY => ErrorKind::NotFound,
            _ => ErrorKind::Unexpected,
        },
        _ => ErrorKind::Unexpected,
    }
}

/// Whether a sync failed. What was not synced then may never reach the disk, whatever a later sync
/// says.
pub(super) fn is_failed_sync(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|code| {
        matches!(
            code.extended_code,
            ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC
        )
    })
}

/// The failure of an operation, with SQLite's own words as its source.
pub(super) fn failed(
    operation: Operation,
    id: Option<ArtifactId>,
    source: rusqlite::Error,
) -> Error {
    let kind = kind_of(&source);
    let error = Error::new(kind, operation).with_detail(match kind {
        ErrorKind::Unavailable => "the database cannot serve now",
        ErrorKind::OutOfSpace => "the disk of the database is full",
        ErrorKind::AlreadyExists => "there is a row already",
        ErrorKind::NotFound => "there is no such experiment",
        ErrorKind::Misconfigured => "the database file cannot be opened, or not be written",
        _ => "the database failed",
    });
    let error = match id {
        Some(id) => error.with_id(id),
        None => error,
    };
    error.with_source(source)
}

#[cfg(test)]
mod tests;

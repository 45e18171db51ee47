//! Converts SQLite's result codes (<https://sqlite.org/rescode.html>).

use std::fs::OpenOptions;
use std::io;

use rusqlite::ErrorCode;
use rusqlite::ffi;

use super::system::{NULL_DEVICE, is_exhausted};
use crate::database::rejected::Rejected;
use crate::database::subject::Subject;
use crate::error::{Error, ErrorKind, Operation};

/// How the message of a trigger begins if the contents of the database were moved to another one.
pub(super) const MOVED: &str = "this database was moved";

/// Returns the kind of an error from SQLite.
pub(super) fn kind_of(error: &rusqlite::Error) -> ErrorKind {
    let Some(code) = error.sqlite_error() else {
        return match error {
            // The value has another type than this store writes. STRICT tables prevent most of these.
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
            ffi::SQLITE_CONSTRAINT_TRIGGER if is_moved(error) => ErrorKind::Misconfigured,
            ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_UNIQUE => {
                ErrorKind::AlreadyExists
            }
            ffi::SQLITE_CONSTRAINT_FOREIGNKEY => ErrorKind::NotFound,
            _ => ErrorKind::Unexpected,
        },
        _ => ErrorKind::Unexpected,
    }
}

/// Returns whether the database refuses a write because its contents were moved to another one.
fn is_moved(error: &rusqlite::Error) -> bool {
    matches!(error, rusqlite::Error::SqliteFailure(_, Some(message)) if message.starts_with(MOVED))
}

/// Returns whether a sync failed. Data that was not synced then may never reach the disk, even if a
/// later sync succeeds.
pub(super) fn is_failed_sync(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|code| {
        matches!(
            code.extended_code,
            ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC
        )
    })
}

/// Returns the kind of an error of a database that was open before. If a file of it cannot be opened
/// now, the cause is temporary (such as the limit on open files), or the file was removed.
pub(super) fn kind_after_open(error: &rusqlite::Error) -> ErrorKind {
    if is_cannot_open(error) {
        return ErrorKind::Unavailable;
    }
    kind_of(error)
}

fn is_cannot_open(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::CannotOpen)
}

/// Returns whether the descriptors that opening a database needs cannot be had now. SQLite does not
/// report the errno.
pub(super) fn are_descriptors_exhausted() -> bool {
    // The file, its log, its shared memory and its folder, and others that are opened meanwhile.
    const NEEDED: usize = 8;
    let open = |_| OpenOptions::new().read(true).open(NULL_DEVICE);
    let opened: io::Result<Vec<_>> = (0..NEEDED).map(open).collect();
    opened.is_err_and(|error| is_exhausted(&error))
}

/// Converts an error from SQLite. The database was open before.
pub(super) fn failed(subject: impl Into<Subject>, source: rusqlite::Error) -> Error {
    failed_as(kind_after_open(&source), subject, source)
}

/// Converts an error of opening the database.
pub(super) fn failed_to_open(source: rusqlite::Error) -> Error {
    let kind = match kind_of(&source) {
        ErrorKind::Misconfigured if are_descriptors_exhausted() => ErrorKind::Unavailable,
        kind => kind,
    };
    failed_as(kind, Operation::OpenDatabase, source)
}

fn failed_as(kind: ErrorKind, subject: impl Into<Subject>, source: rusqlite::Error) -> Error {
    let detail = match kind {
        ErrorKind::Unavailable if is_cannot_open(&source) => {
            "the database file cannot be opened now; raise this process's limit on open files \
             (ulimit -n)"
        }
        ErrorKind::Unavailable => "the database is temporarily unavailable",
        ErrorKind::OutOfSpace => "the disk of the database is full",
        ErrorKind::AlreadyExists => Rejected::ROW_EXISTS.detail,
        ErrorKind::NotFound => Rejected::NO_EXPERIMENT.detail,
        ErrorKind::Misconfigured if is_moved(&source) => {
            "this database was moved to another one and accepts no writes; start the server with that one"
        }
        ErrorKind::Misconfigured => "the database file cannot be opened or written",
        _ => "the database failed",
    };
    subject
        .into()
        .error(kind)
        .with_detail(detail)
        .with_source(source)
}

#[cfg(test)]
mod tests;

//! Tests with the error codes that SQLite really returns.

use std::time::Duration;

use rusqlite::{Connection, ffi};

use super::{is_failed_sync, kind_of};
use crate::error::ErrorKind;

#[test]
fn a_full_disk_is_reported_as_out_of_space() {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch("CREATE TABLE t (x BLOB)").unwrap();
    connection.pragma_update(None, "max_page_count", 4).unwrap();
    let error = connection
        .execute("INSERT INTO t VALUES (randomblob(100000))", [])
        .unwrap_err();
    assert_eq!(kind_of(&error), ErrorKind::OutOfSpace, "{error:?}");
}

#[test]
fn a_lock_of_another_process_is_reported_as_unavailable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("locked.sqlite");
    let holder = Connection::open(&path).unwrap();
    holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let other = Connection::open(&path).unwrap();
    other.busy_timeout(Duration::ZERO).unwrap();
    let error = other.execute_batch("BEGIN IMMEDIATE").unwrap_err();
    assert_eq!(kind_of(&error), ErrorKind::Unavailable, "{error:?}");
    assert!(!is_failed_sync(&error));
}

#[test]
fn files_that_cannot_be_opened_or_written_are_reported_as_misconfigured() {
    let error = Connection::open("/nowhere/at/all.sqlite").unwrap_err();
    assert_eq!(kind_of(&error), ErrorKind::Misconfigured, "{error:?}");

    let connection = Connection::open_in_memory().unwrap();
    connection.pragma_update(None, "query_only", true).unwrap();
    let error = connection.execute_batch("CREATE TABLE t (x)").unwrap_err();
    assert_eq!(kind_of(&error), ErrorKind::Misconfigured, "{error:?}");
}

#[test]
fn failed_syncs_are_recognized() {
    let failure = |code| rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
    assert!(is_failed_sync(&failure(ffi::SQLITE_IOERR_FSYNC)));
    assert!(is_failed_sync(&failure(ffi::SQLITE_IOERR_DIR_FSYNC)));
    assert!(!is_failed_sync(&failure(ffi::SQLITE_IOERR_WRITE)));
    assert!(!is_failed_sync(&failure(ffi::SQLITE_FULL)));
    assert_eq!(
        kind_of(&failure(ffi::SQLITE_IOERR_FSYNC)),
        ErrorKind::Unavailable
    );
}

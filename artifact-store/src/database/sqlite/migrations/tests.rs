//! What happens to a file on the way from one version to the next.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior};

use super::{ALL, APPLICATION_ID, identify, migrate};
use crate::error::ErrorKind;

const FIRST: &str = "CREATE TABLE first (a INTEGER) STRICT; INSERT INTO first VALUES (1);";
const SECOND: &str = "CREATE TABLE second (b INTEGER) STRICT; INSERT INTO first VALUES (2);";
const BROKEN: &str = "CREATE TABLE second (b INTEGER) STRICT; INSERT INTO nowhere VALUES (2);";

fn file() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.sqlite");
    (folder, path)
}

fn number(connection: &Connection, sql: &str) -> i64 {
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

fn state(path: &Path) -> (i64, i64, i64) {
    let connection = Connection::open(path).unwrap();
    (
        number(&connection, "PRAGMA application_id"),
        number(&connection, "PRAGMA user_version"),
        number(&connection, "SELECT count(*) FROM sqlite_schema"),
    )
}

#[test]
fn only_missing_migrations_are_applied() {
    let (_folder, path) = file();
    let mut connection = Connection::open(&path).unwrap();
    migrate(&mut connection, &[FIRST]).unwrap();
    assert_eq!(identify(&mut connection, &[FIRST, SECOND]).unwrap(), 1);

    migrate(&mut connection, &[FIRST, SECOND]).unwrap();
    migrate(&mut connection, &[FIRST, SECOND]).unwrap();
    assert_eq!(identify(&mut connection, &[FIRST, SECOND]).unwrap(), 2);
    assert_eq!(number(&connection, "SELECT sum(a) FROM first"), 3);
    assert_eq!(state(&path), (i64::from(APPLICATION_ID), 2, 2));
}

#[test]
fn failed_migrations_leave_the_old_version() {
    let (_folder, path) = file();
    let mut connection = Connection::open(&path).unwrap();
    migrate(&mut connection, &[FIRST]).unwrap();
    let before = state(&path);

    migrate(&mut connection, &[FIRST, BROKEN]).unwrap_err();
    assert_eq!(state(&path), before);
    migrate(&mut connection, &[FIRST, SECOND]).unwrap();
    assert_eq!(number(&connection, "SELECT sum(a) FROM first"), 3);
}

#[test]
fn killed_migrations_leave_the_old_version() {
    let (folder, path) = file();
    let mut connection = Connection::open(&path).unwrap();
    // So that what is not committed reaches the log, as it does in a migration that is large.
    connection
        .pragma_update(None, "journal_mode", "WAL")
        .unwrap();
    connection.pragma_update(None, "cache_size", 1).unwrap();
    migrate(&mut connection, &[FIRST]).unwrap();

    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .unwrap();
    transaction.execute_batch(SECOND).unwrap();
    for _ in 0..500 {
        transaction
            .execute(
                "INSERT INTO second SELECT randomblob(8) IS NULL FROM first",
                [],
            )
            .unwrap();
        transaction
            .execute_batch("CREATE TABLE IF NOT EXISTS filler (x BLOB); INSERT INTO filler VALUES (randomblob(4000))")
            .unwrap();
    }
    transaction.pragma_update(None, "user_version", 2).unwrap();

    // What a kill leaves is what the files hold at this moment.
    let crashed = folder.path().join("crashed.sqlite");
    let mut log_bytes = 0;
    for suffix in ["", "-wal"] {
        let name = |base: &Path| PathBuf::from(format!("{}{suffix}", base.display()));
        log_bytes = copy(&name(&path), &name(&crashed));
    }
    assert!(
        log_bytes > 1 << 20,
        "the log holds the unfinished migration"
    );
    transaction.rollback().unwrap();

    let mut reopened = Connection::open(&crashed).unwrap();
    assert_eq!(identify(&mut reopened, &[FIRST, SECOND]).unwrap(), 1);
    migrate(&mut reopened, &[FIRST, SECOND]).unwrap();
    assert_eq!(number(&reopened, "SELECT sum(a) FROM first"), 3);
    assert_eq!(number(&reopened, "SELECT count(*) FROM second"), 0);
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test copies its own files, which no process has open"
)]
fn copy(from: &Path, to: &Path) -> u64 {
    std::fs::copy(from, to).unwrap()
}

#[test]
fn newer_versions_are_rejected_naming_both_versions() {
    let (_folder, path) = file();
    let mut connection = Connection::open(&path).unwrap();
    migrate(&mut connection, &[FIRST, SECOND]).unwrap();
    let error = migrate(&mut connection, &[FIRST]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    assert!(error.detail().contains("schema version 2"), "{error}");
    assert!(error.detail().contains("versions up to 1"), "{error}");
}

#[test]
fn released_migrations_apply_to_an_empty_file() {
    let (_folder, path) = file();
    let mut connection = Connection::open(&path).unwrap();
    migrate(&mut connection, ALL).unwrap();
    assert_eq!(identify(&mut connection, ALL).unwrap(), ALL.len());
}

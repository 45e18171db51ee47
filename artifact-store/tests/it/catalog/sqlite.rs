//! Behaviour that only SQLite has.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;

use artifact_backend::ManualClock;
use artifact_store::{Catalog, Deadline, ErrorKind, Experiment, SqliteDatabase};
use futures_util::StreamExt as _;
use futures_util::future::{join, join_all};
use futures_util::stream::FuturesUnordered;
use rusqlite::Connection;
use tempfile::TempDir;

use super::{cases, maintenance};
use crate::support::{experiment, poll_once, row, run_all, time};

/// The newest version of the schema.
const SCHEMA: i64 = 22;

fn file() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.sqlite");
    (folder, path)
}

async fn hosted(path: &PathBuf) -> SqliteDatabase {
    let rows = SqliteDatabase::open(path).await.unwrap();
    rows.create_experiment(&Experiment::new(experiment(), time(1)))
        .await
        .unwrap();
    rows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_keeps_the_contract() {
    run_all(
        cases::ALL,
        |case| case.name,
        async |case| {
            let (_folder, path) = file();
            (case.run)(Arc::new(SqliteDatabase::open(path).await.unwrap())).await;
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_keeps_the_contract_of_maintenance() {
    run_all(
        maintenance::ALL,
        |case| case.name,
        async |case| {
            let (_folder, path) = file();
            (case.run)(Arc::new(SqliteDatabase::open(path).await.unwrap())).await;
        },
    )
    .await;
}

#[tokio::test]
async fn rows_survive_close_and_drop() {
    let (_folder, path) = file();
    let rows = hosted(&path).await;
    rows.insert(&row(1)).await.unwrap();
    drop(rows);

    let rows = SqliteDatabase::open(&path).await.unwrap();
    assert_eq!(rows.get(row(1).id).await.unwrap(), Some(row(1)));
    rows.insert(&row(2)).await.unwrap();
    rows.close().await.unwrap();
    assert!(!path.with_extension("sqlite-wal").exists());

    let rows = SqliteDatabase::open(&path).await.unwrap();
    assert_eq!(rows.get(row(1).id).await.unwrap(), Some(row(1)));
    assert_eq!(rows.get(row(2).id).await.unwrap(), Some(row(2)));
    let error = rows.insert(&row(2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
}

#[tokio::test]
async fn acknowledged_rows_are_in_the_files_at_once() {
    let (folder, path) = file();
    let rows = hosted(&path).await;
    rows.insert(&row(1)).await.unwrap();
    // The files as a kill at this moment leaves them.
    let crashed = folder.path().join("crashed.sqlite");
    for suffix in ["", "-wal"] {
        let from = format!("{}{suffix}", path.display());
        copy(&from, &format!("{}{suffix}", crashed.display()));
    }
    let reopened = SqliteDatabase::open(&crashed).await.unwrap();
    assert_eq!(reopened.get(row(1).id).await.unwrap(), Some(row(1)));
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test copies a closed world of its own"
)]
fn copy(from: &str, to: &str) {
    std::fs::copy(from, to).unwrap();
}

#[tokio::test]
async fn new_files_are_readable_by_their_owner_only() {
    let (_folder, path) = file();
    let rows = hosted(&path).await;
    for suffix in ["", "-wal", "-shm"] {
        let file = PathBuf::from(format!("{}{suffix}", path.display()));
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
    }
    drop(rows);
}

#[tokio::test]
async fn new_databases_use_wal_and_reject_row_updates() {
    let (_folder, path) = file();
    let rows = hosted(&path).await;
    let other = Connection::open(&path).unwrap();
    let text = |sql: &str| other.query_row(sql, [], |row| row.get::<_, String>(0));
    assert_eq!(text("PRAGMA journal_mode").unwrap(), "wal");
    let number = |sql: &str| other.query_row(sql, [], |row| row.get::<_, i64>(0));
    assert_eq!(number("PRAGMA application_id").unwrap(), 0x4172_7466);
    assert_eq!(number("PRAGMA user_version").unwrap(), SCHEMA);

    // Rows cannot be updated, not even by hand.
    rows.insert(&row(1)).await.unwrap();
    for edit in [
        "UPDATE artifacts SET size = 5",
        "UPDATE artifact_rows SET size = 5",
        "UPDATE artifact_rows SET sha256 = zeroblob(31)",
        "UPDATE artifact_rows SET seq = 7",
        "UPDATE artifact_rows SET expires_at = 7",
    ] {
        let error = other.execute(edit, []).unwrap_err();
        assert!(error.to_string().contains("rows never change"), "{error}");
    }
    let error = other.execute("DELETE FROM artifact_rows", []).unwrap_err();
    assert!(error.to_string().contains("tombstones"), "{error}");

    // Neither can tombstones.
    rows.delete(row(1).id).await.unwrap();
    for edit in [
        "UPDATE artifact_rows SET removed_at = 7",
        "UPDATE artifact_rows SET id = zeroblob(16)",
    ] {
        let error = other.execute(edit, []).unwrap_err();
        assert!(error.to_string().contains("rows never change"), "{error}");
    }
}

#[tokio::test]
async fn rows_edited_by_hand_are_corrupt() {
    let (_folder, path) = file();
    let rows = hosted(&path).await;
    rows.insert(&row(1)).await.unwrap();
    let other = Connection::open(&path).unwrap();
    other
        .execute_batch("DROP TRIGGER artifact_rows_never_change")
        .unwrap();
    let edits = [
        "experiment = '..'",
        "created_by = 'wkr_root'",
        "content_type = 'text/html' || char(13, 10) || 'x: y'",
        "file_name = '../x'",
        "created_at = 9223372036854775807",
        "expires_at = 9223372036854775807",
    ];
    for edit in edits {
        let sql = format!("BEGIN; UPDATE artifact_rows SET {edit}; COMMIT");
        other.pragma_update(None, "foreign_keys", false).unwrap();
        other.execute_batch(&sql).unwrap();
        let error = rows.get(row(1).id).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{edit}: {error}");
        assert_eq!(error.id(), Some(row(1).id));
        other
            .execute_batch(
                "UPDATE artifact_rows SET experiment = 'exp-1', created_by = 'admin', \
                 content_type = 'a', file_name = NULL, created_at = 0, expires_at = NULL",
            )
            .unwrap();
        rows.get(row(1).id).await.unwrap();
    }
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a test makes a file of its own")]
async fn every_error_of_opening_names_the_file() {
    let (folder, path) = file();
    let make = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let foreign = make("foreign", "");
    let other = Connection::open(&foreign).unwrap();
    other.execute_batch("CREATE TABLE theirs (a)").unwrap();
    drop(hosted(&path).await);
    let newer = Connection::open(&path).unwrap();
    newer
        .pragma_update(None, "user_version", SCHEMA + 1)
        .unwrap();
    for path in [
        folder.path().to_owned(),
        folder.path().join("missing/rows.sqlite"),
        make("text", &"no database ".repeat(100)),
        foreign,
        path,
    ] {
        let error = SqliteDatabase::open(&path).await.unwrap_err();
        let name = format!("the database file {}: ", path.display());
        assert!(error.detail().starts_with(&name), "{error}");
    }
}

#[tokio::test]
async fn newer_schemas_are_rejected() {
    let (_folder, path) = file();
    drop(hosted(&path).await);
    let other = Connection::open(&path).unwrap();
    other
        .pragma_update(None, "user_version", SCHEMA + 1)
        .unwrap();
    drop(other);
    let error = SqliteDatabase::open(&path).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    let newer = format!("schema version {}", SCHEMA + 1);
    assert!(error.detail().contains(&newer), "{error}");
    let known = format!("versions up to {SCHEMA}");
    assert!(error.detail().contains(&known), "{error}");
}

#[tokio::test]
async fn files_of_other_programs_are_rejected_unchanged() {
    let (_folder, path) = file();
    for setup in [
        "CREATE TABLE theirs (a)",
        "PRAGMA application_id = 5",
        "PRAGMA user_version = 1",
    ] {
        let path = path.with_extension(setup.len().to_string());
        let other = Connection::open(&path).unwrap();
        other.execute_batch(setup).unwrap();
        drop(other);
        let before = contents(&path);
        let error = SqliteDatabase::open(&path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{setup}");
        assert!(error.detail().contains("another program"), "{error}");
        assert_eq!(contents(&path), before, "{setup}");
    }
}

#[tokio::test]
async fn other_files_are_rejected_unchanged() {
    let (folder, path) = file();
    write(&path, &[b'x'; 5000]);
    let error = SqliteDatabase::open(&path).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    assert!(error.detail().contains("not an SQLite file"), "{error}");
    assert_eq!(contents(&path), [b'x'; 5000]);

    let error = SqliteDatabase::open(folder.path()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    let error = SqliteDatabase::open(folder.path().join("no/such/folder.sqlite"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    assert!(!folder.path().join("no").exists());
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test looks at a file of its own"
)]
fn contents(path: &PathBuf) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "a test makes a file of its own")]
fn write(path: &PathBuf, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn special_characters_in_paths_are_not_interpreted() {
    let folder = tempfile::tempdir().unwrap();
    for name in [":memory:", "a?mode=memory", "file:x", "%41", "ünï"] {
        let path = folder.path().join(name);
        drop(hosted(&path).await);
        assert!(path.is_file(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_opens_all_succeed() {
    for _ in 0..4 {
        let (_folder, path) = file();
        let openers = (0..8_u8).map(|n| {
            let path = path.clone();
            tokio::spawn(async move {
                let rows = hosted(&path).await;
                rows.insert(&row(n)).await.unwrap();
                rows
            })
        });
        let opened: Vec<_> = join_all(openers).await;
        for rows in opened {
            let rows = rows.unwrap();
            for n in 0..8 {
                assert_eq!(rows.get(row(n).id).await.unwrap(), Some(row(n)));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_writes_share_a_transaction() {
    const WRITES: u8 = 200;
    let (_folder, path) = file();
    let rows = hosted(&path).await;
    let before = rows.transactions();

    // Another process holds the write lock until all inserts are sent.
    let holder = Connection::open(&path).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let all: Vec<_> = (0..WRITES).map(row).collect();
    // Unconstrained, because tokio's budget would end the poll after some of the inserts.
    let inserts = join_all(all.iter().map(|row| rows.insert(row)));
    let mut inserts = pin!(tokio::task::unconstrained(inserts));
    assert!(poll_once(inserts.as_mut()).is_pending());
    assert_eq!(rows.transactions(), before);
    holder.execute_batch("COMMIT").unwrap();

    for outcome in inserts.await {
        outcome.unwrap();
    }
    // The thread fills its batch once it has the lock, and all inserts wait by then.
    assert_eq!(rows.transactions() - before, 1);
    for row in &all {
        assert_eq!(rows.get(row.id).await.unwrap().as_ref(), Some(row));
    }
}

#[tokio::test]
async fn close_finishes_earlier_calls_and_rejects_later_ones() {
    let (_folder, path) = file();
    let rows = hosted(&path).await;
    let (one, two) = (row(1), row(2));
    let (inserted, closed) = join(rows.insert(&one), rows.close()).await;
    inserted.unwrap();
    closed.unwrap();
    rows.close().await.unwrap();

    for error in [
        rows.insert(&two).await.unwrap_err(),
        rows.delete(one.id).await.unwrap_err(),
        rows.get(one.id).await.unwrap_err(),
        rows.experiment(&experiment()).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert_eq!(error.detail(), "the database is closed");
    }
    let rows = SqliteDatabase::open(&path).await.unwrap();
    assert_eq!(rows.get(one.id).await.unwrap(), Some(one));
    assert_eq!(rows.get(two.id).await.unwrap(), None);
}

#[tokio::test]
async fn all_writes_under_a_lock_are_refused_together_and_never_done_later() {
    let (_folder, path) = file();
    let rows = hosted(&path).await;
    let before = rows.transactions();
    let holder = Connection::open(&path).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let all: Vec<_> = (0..6).map(row).collect();
    let mut inserts: FuturesUnordered<_> = all.iter().map(|row| rows.insert(row)).collect();
    let first = inserts.next().await.unwrap().unwrap_err();
    // The lock is free again. A write that had only waited for its turn would succeed now.
    holder.execute_batch("COMMIT").unwrap();
    let mut errors = vec![first];
    while let Some(outcome) = inserts.next().await {
        errors.push(outcome.unwrap_err());
    }
    assert_eq!(errors.len(), 6);
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.detail().contains("write lock"), "{error:?}");
    }
    rows.insert(&row(9)).await.unwrap();
    assert_eq!(rows.transactions() - before, 1);
    for row in &all {
        assert_eq!(rows.get(row.id).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_row_whose_deadline_passes_under_a_lock_is_never_written() {
    let (_folder, path) = file();
    let rows = hosted(&path).await;
    let holder = Connection::open(&path).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let clock = Arc::new(ManualClock::new(std::time::UNIX_EPOCH));
    let minute = std::time::Duration::from_mins(1);
    let (late, in_time) = (row(1), row(2));
    let deadline = Deadline::after(minute, clock.clone());
    let mut inserts = pin!(join(
        rows.insert_with(&late, None, Some(&deadline)),
        rows.insert(&in_time)
    ));
    assert!(poll_once(inserts.as_mut()).is_pending());
    clock.advance(minute + minute);
    holder.execute_batch("COMMIT").unwrap();
    let (refused, inserted) = inserts.await;
    let error = refused.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.id(), Some(late.id));
    inserted.unwrap();
    assert_eq!(rows.get(late.id).await.unwrap(), None);
    assert_eq!(rows.get(row(2).id).await.unwrap(), Some(row(2)));
}

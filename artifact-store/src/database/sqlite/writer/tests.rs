//! What the thread answers when the disk is full, or a sync has failed.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use artifact_backend::{ArtifactId, Sha256Digest};
use futures_util::future::join_all;
use jiff::Timestamp;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::{BATCH, QUEUE, Work, Write, Writer};
use crate::database::sqlite::connection::set_up;
use crate::error::{Error, ErrorKind};
use crate::experiment::Experiment;
use crate::principal::PrincipalId;
use crate::row::Row;

fn experiment() -> Experiment {
    Experiment::new("exp-1".parse().unwrap(), Timestamp::UNIX_EPOCH)
}

fn row(id: u8) -> Write {
    Write::Row(Box::new(Row::new(
        ArtifactId::from_bytes([id; 16]),
        experiment().id,
        PrincipalId::Admin,
        1,
        Sha256Digest::from_bytes([id; 32]),
        Timestamp::UNIX_EPOCH,
    )))
}

fn stored(path: &Path) -> i64 {
    let connection = Connection::open(path).unwrap();
    connection
        .query_row("SELECT count(*) FROM artifacts", [], |row| row.get(0))
        .unwrap()
}

fn folder() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.sqlite");
    (folder, path)
}

#[tokio::test]
async fn on_a_full_disk_exactly_the_acknowledged_rows_are_there() {
    let (_folder, path) = folder();
    let connection = set_up(&path).unwrap();
    let pages: i64 = connection
        .query_row("PRAGMA page_count", [], |row| row.get(0))
        .unwrap();
    // No page more than what is there: the first page of rows must not be split.
    connection
        .pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
        .unwrap();
    let writer = Writer::start(connection).unwrap();
    writer.write(Write::Experiment(experiment())).await.unwrap();

    let mut acknowledged = 0;
    let mut refused = 0;
    for round in 0..8 {
        let batch = (0..16).map(|n| writer.write(row(round * 16 + n)));
        for outcome in join_all(batch).await {
            match outcome {
                Ok(()) => acknowledged += 1,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::OutOfSpace, "{error:?}");
                    refused += 1;
                }
            }
        }
    }
    assert!(acknowledged > 0 && refused > 0, "{acknowledged} {refused}");
    assert_eq!(stored(&path), acknowledged);
    writer.close().await.unwrap();
    assert_eq!(stored(&path), acknowledged);
}

#[test]
fn after_a_failed_sync_nothing_is_acknowledged() {
    let (_folder, path) = folder();
    let (commands, queue) = mpsc::channel(QUEUE);
    let mut work = Work {
        connection: set_up(&path).unwrap(),
        queue,
        transactions: Arc::new(AtomicU64::new(0)),
        sync_failed: false,
    };
    let transact = |work: &mut Work, write| -> Result<(), Error> {
        let (reply, mut answer) = oneshot::channel();
        assert!(work.transact(write, reply).is_none());
        answer.try_recv().unwrap()
    };
    transact(&mut work, Write::Experiment(experiment())).unwrap();
    transact(&mut work, row(1)).unwrap();

    work.sync_failed = true;
    for _ in 0..2 {
        let error = transact(&mut work, row(2)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(std::error::Error::source(&error).is_some());
    }
    assert_eq!(stored(&path), 1);
    drop(commands);
    work.end().unwrap();
}

#[test]
fn a_batch_is_bounded_and_a_write_that_nobody_waits_for_is_not_done() {
    let (_folder, path) = folder();
    let (commands, queue) = mpsc::channel(QUEUE);
    let transactions = Arc::new(AtomicU64::new(0));
    let work = Work {
        connection: set_up(&path).unwrap(),
        queue,
        transactions: Arc::clone(&transactions),
        sync_failed: false,
    };
    let mut answers = Vec::new();
    for n in 0..=BATCH {
        let (reply, answer) = oneshot::channel();
        let write = if n == 0 {
            Write::Experiment(experiment())
        } else {
            row(1)
        };
        commands
            .try_send(super::Command::Write(write, reply))
            .unwrap();
        answers.push(answer);
    }
    let (reply, gone) = oneshot::channel();
    drop(gone);
    commands
        .try_send(super::Command::Write(row(2), reply))
        .unwrap();
    drop(commands);
    work.run();

    assert_eq!(transactions.load(std::sync::atomic::Ordering::Relaxed), 2);
    let mut done = 0;
    for mut answer in answers {
        match answer.try_recv().unwrap() {
            Ok(()) => done += 1,
            Err(error) => assert_eq!(error.kind(), ErrorKind::AlreadyExists),
        }
    }
    assert_eq!(done, 2, "the experiment and the first of the equal rows");
    assert_eq!(stored(&path), 1);
}

//! The replies of the thread if the disk is full, if a sync failed, and for a full queue.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use artifact_backend::{ArtifactId, ManualClock, Sha256Digest};
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use jiff::Timestamp;
use rusqlite::Connection;

use super::{Flusher, OpenFiles, Write, Writer};
use crate::database::rejected::Rejected;
use crate::database::sql::{Command, Flush as _, MAX_BATCH, MAX_WAIT, NewRow, channel, run};
use crate::database::sqlite::connection::set_up;
use crate::error::{ErrorKind, Result};
use crate::experiment::Experiment;
use crate::identity::{Group, GroupId, WorkerId};
use crate::principal::PrincipalId;
use crate::row::Row;
use crate::time::Deadline;

fn experiment() -> Experiment {
    Experiment::new("exp-1".parse().unwrap(), Timestamp::UNIX_EPOCH)
}

fn row(id: u8) -> Command {
    row_before(id, None)
}

fn row_before(id: u8, deadline: Option<Deadline>) -> Command {
    let row = Row::new(
        ArtifactId::from_bytes([id; 16]),
        experiment().id,
        PrincipalId::Admin,
        1,
        Sha256Digest::from_bytes([id; 32]),
        Timestamp::UNIX_EPOCH,
    );
    let new = NewRow::new(row, None, deadline.as_ref());
    Command::InsertRow(Box::new(new), deadline)
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

fn flusher(path: &Path) -> Flusher {
    let connection = set_up(path).unwrap();
    let files = OpenFiles::of(&connection, path).unwrap();
    Flusher::new(connection, files.into()).unwrap()
}

#[tokio::test]
async fn a_full_disk_loses_no_acknowledged_row() {
    let (_folder, path) = folder();
    let connection = set_up(&path).unwrap();
    let pages: i64 = connection
        .query_row("PRAGMA page_count", [], |row| row.get(0))
        .unwrap();
    // The file cannot grow, so the inserts fail once the first page of rows is full.
    connection
        .pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
        .unwrap();
    let files = OpenFiles::of(&connection, &path).unwrap();
    let writer = Writer::start(connection, files.into()).unwrap();
    writer
        .write(Command::CreateExperiment(experiment()))
        .await
        .unwrap();

    let mut acknowledged = 0;
    let mut failed = 0;
    for round in 0..8 {
        let batch = (0..16).map(|n| writer.write(row(round * 16 + n)));
        for outcome in join_all(batch).await {
            match outcome {
                Ok(()) => acknowledged += 1,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::OutOfSpace, "{error:?}");
                    failed += 1;
                }
            }
        }
    }
    assert!(acknowledged > 0 && failed > 0, "{acknowledged} {failed}");
    assert_eq!(stored(&path), acknowledged);
    writer.close().await.unwrap();
    assert_eq!(stored(&path), acknowledged);
}

/// Sends a command, and returns the future of its outcome.
fn send<'q>(
    queue: &'q super::Queue<Write>,
    command: Command,
) -> Pin<Box<dyn Future<Output = Result<()>> + 'q>> {
    let deadline = match &command {
        Command::InsertRow(_, deadline) => deadline.clone(),
        _ => None,
    };
    let mut write: Pin<Box<dyn Future<Output = _>>> =
        Box::pin(queue.write(command.subject(), command.into(), deadline));
    let polled = write.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(polled, Poll::Pending));
    write
}

#[test]
fn after_a_failed_sync_nothing_is_acknowledged() {
    let (_folder, path) = folder();
    let mut flusher = flusher(&path);
    let (queue, mut inbox) = channel();
    let mut flush = |flusher: &mut Flusher, command| {
        let outcome = send(&queue, command);
        let first = inbox.try_next().unwrap();
        flusher.flush_now(first, &mut inbox);
        outcome.now_or_never().unwrap()
    };
    flush(&mut flusher, Command::CreateExperiment(experiment())).unwrap();
    flush(&mut flusher, row(1)).unwrap();

    flusher.failed_sync = Some(Arc::new(std::io::Error::other("a sync failed")));
    for _ in 0..2 {
        let error = flush(&mut flusher, row(2)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(std::error::Error::source(&error).is_some());
    }
    assert_eq!(stored(&path), 1);
    flusher.close().unwrap();
}

#[test]
fn batches_are_bounded_and_abandoned_writes_are_skipped() {
    let (_folder, path) = folder();
    let flusher = flusher(&path);
    let (queue, inbox) = channel();
    // The experiment, then the same row `MAX_BATCH` times: one more than a batch holds.
    let mut outcomes = vec![send(&queue, Command::CreateExperiment(experiment()))];
    outcomes.extend((0..MAX_BATCH).map(|_| send(&queue, row(1))));
    drop(send(&queue, row(2)));
    let mut closing = Box::pin(queue.close());
    let mut context = Context::from_waker(Waker::noop());
    assert!(closing.as_mut().poll(&mut context).is_pending());
    run(inbox, flusher).now_or_never().unwrap();
    closing.now_or_never().unwrap().unwrap();

    assert_eq!(queue.flushes(), 2);
    let mut acknowledged = 0;
    for outcome in outcomes {
        match outcome.now_or_never().unwrap() {
            Ok(()) => acknowledged += 1,
            Err(error) => assert_eq!(error.kind(), ErrorKind::AlreadyExists),
        }
    }
    assert_eq!(
        acknowledged, 2,
        "the experiment and the first of the equal rows"
    );
    assert_eq!(stored(&path), 1);
}

#[test]
fn a_row_waits_for_one_large_group_at_most() {
    let (_folder, path) = folder();
    let mut flusher = flusher(&path);
    let (queue, mut inbox) = channel();
    let founded = send(&queue, Command::CreateExperiment(experiment()));
    let first = inbox.try_next().unwrap();
    flusher.flush_now(first, &mut inbox);
    founded.now_or_never().unwrap().unwrap();

    let large = || {
        let (id, at) = (GroupId::mint(), Timestamp::UNIX_EPOCH);
        let members = (0..300).map(|_| WorkerId::mint().into());
        let group = Group::new(id, experiment().id, at, PrincipalId::Admin).with_members(members);
        send(&queue, Command::CreateGroup(Box::new(group)))
    };
    let mut groups: Vec<_> = (0..5).map(|_| large()).collect();
    let rows = [send(&queue, row(1)), send(&queue, row(2))];
    for n in 0..5 {
        let first = inbox.try_next().unwrap();
        flusher.flush_now(first, &mut inbox);
        let created = groups.remove(0).now_or_never();
        created
            .unwrap_or_else(|| panic!("group {n} waits"))
            .unwrap();
        for group in &mut groups {
            assert!(group.as_mut().now_or_never().is_none(), "after group {n}");
        }
        if n == 0 {
            assert_eq!(stored(&path), 2, "the rows are in the first batch");
        }
    }
    for row in rows {
        row.now_or_never().unwrap().unwrap();
    }
    assert!(inbox.try_next().is_none());
}

#[test]
fn all_writes_under_a_lock_get_their_reply_at_the_first_time_out() {
    let (_folder, path) = folder();
    let mut flusher = flusher(&path);
    flusher.busy_timeout = Duration::ZERO;
    let (queue, mut inbox) = channel();
    let founded = send(&queue, Command::CreateExperiment(experiment()));
    let first = inbox.try_next().unwrap();
    flusher.flush_now(first, &mut inbox);
    founded.now_or_never().unwrap().unwrap();

    let holder = Connection::open(&path).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    // Two more than a batch holds.
    let waiting: Vec<_> = (0..MAX_BATCH + 2).map(|_| send(&queue, row(1))).collect();
    let first = inbox.try_next().unwrap();
    flusher.flush_now(first, &mut inbox);
    // The thread has waited once, and no command is left to wait for.
    assert!(inbox.try_next().is_none());
    for outcome in waiting {
        let error = outcome.now_or_never().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert_eq!(error.detail(), Rejected::LOCKED.detail);
    }

    holder.execute_batch("COMMIT").unwrap();
    let later = send(&queue, row(2));
    let first = inbox.try_next().unwrap();
    flusher.flush_now(first, &mut inbox);
    later.now_or_never().unwrap().unwrap();
    assert_eq!(stored(&path), 1);
}

#[test]
fn a_row_whose_deadline_has_passed_is_never_written() {
    let (_folder, path) = folder();
    let mut flusher = flusher(&path);
    let (queue, mut inbox) = channel();
    let founded = send(&queue, Command::CreateExperiment(experiment()));
    let clock = Arc::new(ManualClock::new(SystemTime::UNIX_EPOCH));
    let before = |id, seconds| {
        let deadline = Deadline::after(Duration::from_secs(seconds), clock.clone());
        send(&queue, row_before(id, Some(deadline)))
    };
    let first = inbox.try_next().unwrap();
    let late = [before(1, 60), before(2, 60)];
    let in_time = [before(3, 61), send(&queue, row(4))];
    flusher.flush_now(first, &mut inbox);
    founded.now_or_never().unwrap().unwrap();
    for outcome in late.into_iter().chain(in_time) {
        outcome.now_or_never().unwrap().unwrap();
    }
    assert_eq!(stored(&path), 4);

    let late = [before(11, 60), before(12, 60)];
    let in_time = [before(13, 61), send(&queue, row(14))];
    // The first one is in the batch already when its deadline passes; the second one waits.
    let first = inbox.try_next().unwrap();
    clock.advance(Duration::from_millis(60_001));
    flusher.flush_now(first, &mut inbox);
    for outcome in late {
        let error = outcome.now_or_never().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert_eq!(error.detail(), Rejected::LATE.detail);
    }
    for outcome in in_time {
        outcome.now_or_never().unwrap().unwrap();
    }
    assert_eq!(stored(&path), 6);
}

#[tokio::test(start_paused = true)]
async fn a_command_that_has_waited_too_long_is_never_executed() {
    let (queue, mut inbox) = channel();
    let waited = send(&queue, row(1));
    tokio::time::advance(MAX_WAIT / 2).await;
    let in_time = send(&queue, row(2));
    tokio::time::advance(MAX_WAIT / 2).await;
    inbox.try_next().unwrap().reply(Ok(()));
    assert!(inbox.try_next().is_none());
    let error = waited.now_or_never().unwrap().unwrap_err();
    assert_eq!(error.detail(), Rejected::LATE.detail);
    in_time.now_or_never().unwrap().unwrap();
}

//! Bytes are durable before the row: the state after each failure and each dropped future.

use std::time::Duration;

use artifact_backend::{ArtifactBackend as _, ErrorKind as Backend, Operation};
use artifact_store::{Catalog as _, ErrorKind, NewArtifact, StoreConfig};
use bytes::Bytes;

use crate::support::{Fault, World, bytes, digest, experiment, poll_once, worker};

/// The lengths of an artifact that is stored in one call, and of one that is streamed.
const LENGTHS: [usize; 2] = [50, 5000];

fn config() -> StoreConfig {
    StoreConfig::default().with_small_deposit_bytes(100)
}

#[tokio::test]
async fn the_row_is_written_after_the_bytes_are_committed() {
    for length in LENGTHS {
        let world = World::with(config()).await;
        let mut deposit = world.store.deposit(World::new_artifact());
        deposit.write(bytes(length).into()).await.unwrap();
        let mut finish = Box::pin(deposit.finish());
        let mut seen_orphan = false;
        let mut finished = None;
        for _ in 0..1000 {
            if let std::task::Poll::Ready(done) = poll_once(finish.as_mut()) {
                finished = Some(done.unwrap());
                break;
            }
            let blobs = world.blobs().await;
            for id in world.catalog.inserted() {
                assert!(blobs.contains(&id), "a row without bytes");
            }
            seen_orphan |= blobs.len() == 1 && world.catalog.inserted().is_empty();
        }
        let row = finished.expect("a deposit of a few pieces takes fewer polls");
        assert!(seen_orphan, "there is a moment between the two");
        assert_eq!(world.catalog.inserted(), [row.id]);
    }
}

#[tokio::test]
async fn dropped_deposits_never_leave_a_row_without_bytes() {
    for length in LENGTHS {
        let body = bytes(length);
        let (mut nothing, mut orphans, mut whole) = (0, 0, 0);
        for polls in 0..=1000 {
            assert!(polls < 1000, "a deposit of a few pieces takes fewer polls");
            let world = World::with(config()).await;
            let finished = {
                let mut depositing = Box::pin(world.deposit(&body, 40));
                (0..polls).any(|_| poll_once(depositing.as_mut()).is_ready())
            };
            let (blobs, rows) = (world.blobs().await, world.catalog.inserted());
            match (blobs.as_slice(), rows.as_slice()) {
                ([], []) => nothing += 1,
                ([_], []) => orphans += 1,
                ([blob], [row]) if blob == row => whole += 1,
                other => panic!("after {polls} polls: {other:?}"),
            }
            for id in blobs {
                assert_eq!(world.mem.load(id).await.unwrap(), body);
            }
            if world.blobs().await.is_empty() {
                assert_eq!(world.mem.used_bytes(), 0, "after {polls} polls");
            }
            if finished {
                assert_eq!(rows.len(), 1);
                break;
            }
        }
        assert!(
            nothing > 0 && orphans > 0 && whole > 0,
            "{nothing} {orphans} {whole}"
        );
    }
}

#[tokio::test]
async fn deposits_are_unusable_after_a_dropped_write() {
    let world = World::with(config()).await;
    let mut deposit = world.store.deposit(World::new_artifact());
    {
        let mut write = Box::pin(deposit.write(bytes(5000).into()));
        assert!(poll_once(write.as_mut()).is_pending());
    }
    let error = deposit.write(Bytes::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unexpected);
    let error = deposit.finish().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unexpected);
    world.assert_empty().await;
}

#[tokio::test]
async fn backend_failures_leave_no_row() {
    let operations = [
        (50, Operation::Store),
        (5000, Operation::Upload),
        (5000, Operation::Write),
        (5000, Operation::Commit),
    ];
    let kinds = [
        (Backend::Unavailable, ErrorKind::Unavailable),
        (Backend::OutOfSpace, ErrorKind::OutOfSpace),
        (Backend::TooLarge, ErrorKind::TooLarge),
        (Backend::PermissionDenied, ErrorKind::Misconfigured),
        (Backend::Corrupt, ErrorKind::Corrupt),
        (Backend::NotFound, ErrorKind::Unexpected),
    ];
    for (length, operation) in operations {
        for (kind, expected) in kinds {
            let world = World::with(config()).await;
            world.backend.fail(operation, Fault::Before(kind));
            let error = world.deposit(&bytes(length), 1000).await.unwrap_err();
            assert_eq!(error.kind(), expected, "{operation}");
            assert_eq!(error.operation(), artifact_store::Operation::Deposit);
            world.assert_empty().await;
        }
    }
}

#[tokio::test]
async fn failed_writes_are_aborted_and_keep_their_error() {
    let world = World::with(config()).await;
    world
        .backend
        .fail(Operation::Write, Fault::Before(Backend::OutOfSpace));
    world
        .backend
        .fail(Operation::Abort, Fault::After(Backend::Unavailable));
    let error = world.deposit(&bytes(5000), 1000).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfSpace);
    assert_eq!(world.backend.calls().last(), Some(&Operation::Abort));
    world.assert_empty().await;
}

#[tokio::test]
async fn small_deposits_with_unknown_outcome_are_retried_under_a_new_id() {
    for fault in [
        Fault::Before(Backend::Ambiguous),
        Fault::After(Backend::Ambiguous),
        Fault::Before(Backend::AlreadyExists),
    ] {
        let world = World::with(config()).await;
        world.backend.fail(Operation::Store, fault);
        world.backend.fail(Operation::Store, fault);
        let body = bytes(50);
        let row = world.deposit(&body, 50).await.unwrap();
        assert_eq!(row.sha256, digest(&body));
        assert_eq!(world.backend.calls(), [Operation::Store; 3]);
        assert_eq!(world.catalog.inserted(), [row.id]);
        // If the earlier attempts stored their bytes, these are orphans under other ids.
        let done = if matches!(fault, Fault::After(_)) {
            3
        } else {
            1
        };
        assert_eq!(world.blobs().await.len(), done);
        assert_eq!(world.mem.load(row.id).await.unwrap(), body);
    }
}

#[tokio::test]
async fn three_unknown_outcomes_are_reported_as_unavailable() {
    for kind in [Backend::Ambiguous, Backend::AlreadyExists] {
        for (length, operation) in [(50, Operation::Store), (5000, Operation::Upload)] {
            let world = World::with(config()).await;
            for _ in 0..4 {
                world.backend.fail(operation, Fault::Before(kind));
            }
            let error = world.deposit(&bytes(length), 5000).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable);
            assert!(error.is_retryable());
            assert_eq!(world.backend.calls(), [operation; 3]);
            world.assert_empty().await;
        }
    }
}

#[tokio::test]
async fn a_commit_with_unknown_outcome_writes_no_row() {
    for (fault, orphans) in [
        (Fault::Before(Backend::Ambiguous), 0),
        (Fault::After(Backend::Ambiguous), 1),
        (Fault::Before(Backend::AlreadyExists), 0),
    ] {
        let world = World::with(config()).await;
        world.backend.fail(Operation::Commit, fault);
        let error = world.deposit(&bytes(5000), 1000).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert_eq!(world.catalog.inserted(), []);
        assert_eq!(world.blobs().await.len(), orphans);
    }
}

#[tokio::test]
async fn failed_inserts_leave_an_orphan() {
    for length in LENGTHS {
        let world = World::with(config()).await;
        world
            .catalog
            .fail_insert(Fault::Before(Backend::Unavailable));
        let error = world.deposit(&bytes(length), 1000).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert_eq!(error.operation(), artifact_store::Operation::InsertRow);
        let blobs = world.blobs().await;
        assert_eq!(blobs.len(), 1);
        assert_eq!(world.catalog.get(blobs[0]).await.unwrap(), None);
        let error = world.store.row(&experiment(), blobs[0]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
}

#[tokio::test]
async fn rows_with_unknown_outcome_have_their_bytes() {
    let world = World::with(config()).await;
    world
        .catalog
        .fail_insert(Fault::After(Backend::Unavailable));
    let error = world.deposit(&bytes(50), 50).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(world.blobs().await, world.catalog.inserted());
}

#[tokio::test]
async fn deposits_into_missing_experiments_are_not_found() {
    let world = World::with(config()).await;
    let new = NewArtifact::new("nowhere".parse().unwrap(), &worker());
    let deposit = world.store.deposit(new);
    let error = deposit.finish().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(world.catalog.inserted(), []);
}

#[tokio::test]
async fn deposits_older_than_half_the_grace_period_write_no_row() {
    let grace = Duration::from_secs(100);
    for length in LENGTHS {
        // Exactly half of the period is allowed.
        let world = World::with(config().with_grace_period(grace)).await;
        let mut deposit = world.store.deposit(World::new_artifact());
        deposit.write(bytes(length).into()).await.unwrap();
        world.clock.advance(grace / 2);
        deposit.finish().await.unwrap();

        // Too old before the commit: nothing remains.
        let world = World::with(config().with_grace_period(grace)).await;
        let mut deposit = world.store.deposit(World::new_artifact());
        deposit.write(bytes(length).into()).await.unwrap();
        world.clock.advance(grace / 2 + Duration::from_nanos(1));
        let error = deposit.finish().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        world.assert_empty().await;

        // Too old during a write: no further byte is accepted.
        let world = World::with(config().with_grace_period(grace)).await;
        let mut deposit = world.store.deposit(World::new_artifact());
        deposit.write(bytes(length).into()).await.unwrap();
        world.clock.advance(grace);
        let error = deposit.write(Bytes::from_static(b"x")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        world.assert_empty().await;

        // Too old after the commit: an orphan and no row.
        let world = World::with(config().with_grace_period(grace)).await;
        let mut deposit = world.store.deposit(World::new_artifact());
        deposit.write(bytes(length).into()).await.unwrap();
        let mut finish = Box::pin(deposit.finish());
        assert!(poll_once(finish.as_mut()).is_pending());
        world.clock.advance(grace);
        let error = finish.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert_eq!(world.catalog.inserted(), []);
        assert_eq!(world.blobs().await.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn setting_the_clock_back_does_not_make_deposits_younger() {
    let grace = Duration::from_secs(100);
    let world = World::with(config().with_grace_period(grace)).await;
    let deposit = world.store.deposit(World::new_artifact());
    // The wall clock stands still while the monotonic clock advances.
    tokio::time::advance(grace).await;
    let error = deposit.finish().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    world.assert_empty().await;
}

//! Readiness: one round trip for all callers, and the reason of each part that is not ready.

use std::sync::Arc;
use std::time::Duration;

use artifact_backend::{ArtifactInventory, ErrorKind as BackendErrorKind, Operation};
use artifact_backend_conformance::{Fault, FaultBackend, Point};
use artifact_backend_mem::MemBackend;
use artifact_store::{
    ArtifactStore, Database, MemoryDatabase, Readiness, ReadinessPart, ReadinessProbe, StoreConfig,
    StoreId, StoreIdRecord, UnreadyReason,
};
use futures_util::future::join_all;
use futures_util::{FutureExt as _, poll};

use ReadinessPart::{Backend, Server};
use UnreadyReason::{NoAnswer, OutOfSpace, RefusesWrites, ShuttingDown, Unreadable, WrongStore};

const ID: StoreId = StoreId::from_bytes([7; 16]);

/// Makes a store whose halves have the same id. Nothing is cached, unless a test says so.
async fn site() -> (FaultBackend, ReadinessProbe) {
    let database = Database::new(MemoryDatabase::new());
    database.store_id.confirm_store_id(ID).await.unwrap();
    let backend = FaultBackend::new(MemBackend::default());
    backend.create_store_id(ID).await.unwrap();
    let probe = probe(&database, &backend);
    (backend, probe)
}

fn probe(database: &Database, backend: &FaultBackend) -> ReadinessProbe {
    let blobs = Arc::new(backend.clone());
    let catalog = Arc::clone(&database.catalog);
    let store = ArtifactStore::new(blobs.clone(), catalog, StoreConfig::default());
    ReadinessProbe::new(&store, Arc::clone(&database.store_id), blobs)
        .with_cache_period(Duration::ZERO)
}

fn assert_unready(found: &Readiness, expected: &[(ReadinessPart, UnreadyReason)]) {
    assert_eq!(found.unready(), expected);
    assert_eq!(found.is_ready(), expected.is_empty());
}

#[tokio::test(start_paused = true)]
async fn each_failure_has_its_reason_and_passes() {
    let (backend, probe) = site().await;
    assert_unready(&probe.check().await, &[]);
    for (operation, kind, reason) in [
        (
            Operation::ReadStoreId,
            BackendErrorKind::Unavailable,
            Unreadable,
        ),
        (
            Operation::ReadStoreId,
            BackendErrorKind::Corrupt,
            Unreadable,
        ),
        (
            Operation::CreateStoreId,
            BackendErrorKind::Ambiguous,
            RefusesWrites,
        ),
        (
            Operation::CreateStoreId,
            BackendErrorKind::Unexpected,
            RefusesWrites,
        ),
        (
            Operation::CreateStoreId,
            BackendErrorKind::OutOfSpace,
            OutOfSpace,
        ),
    ] {
        backend.inject(Fault::before(operation, kind));
        assert_unready(&probe.check().await, &[(Backend, reason)]);
        assert_unready(&probe.check().await, &[]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_hangs_is_asked_once() {
    let (backend, probe) = site().await;
    let hold = backend.hold(Operation::ReadStoreId, Point::Before);
    let began = tokio::time::Instant::now();
    assert_unready(&probe.check().await, &[(Backend, NoAnswer)]);
    assert_eq!(began.elapsed(), ReadinessProbe::TIME_LIMIT);
    // Later callers need not wait as long again.
    for _ in 0..3 {
        assert_unready(&probe.check().await, &[(Backend, NoAnswer)]);
    }
    assert_eq!(began.elapsed(), ReadinessProbe::TIME_LIMIT);
    assert_eq!(backend.calls(Operation::ReadStoreId), 1);
    hold.release();
    // The check that hung ends now.
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_unready(&probe.check().await, &[]);
    assert_eq!(backend.calls(Operation::ReadStoreId), 2);
}

#[tokio::test(start_paused = true)]
async fn many_callers_share_one_round_trip() {
    let (backend, probe) = site().await;
    let hold = backend.hold(Operation::ReadStoreId, Point::Before);
    let mut all = join_all((0..64).map(|_| probe.check())).boxed();
    assert!(poll!(&mut all).is_pending());
    hold.release();
    for found in all.await {
        assert_unready(&found, &[]);
    }
    assert_eq!(backend.calls(Operation::ReadStoreId), 1);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_caller_does_not_stop_the_check() {
    let (backend, probe) = site().await;
    let hold = backend.hold(Operation::ReadStoreId, Point::Before);
    let mut first = probe.check().boxed();
    assert!(poll!(&mut first).is_pending());
    drop(first);
    hold.release();
    assert_unready(&probe.check().await, &[]);
    assert_eq!(backend.calls(Operation::ReadStoreId), 1);
}

#[tokio::test(start_paused = true)]
async fn a_result_is_used_for_the_cache_period() {
    let (backend, probe) = site().await;
    let probe = probe.with_cache_period(ReadinessProbe::CACHE_PERIOD);
    backend.inject(Fault::before(
        Operation::ReadStoreId,
        BackendErrorKind::Unavailable,
    ));
    for _ in 0..3 {
        assert_unready(&probe.check().await, &[(Backend, Unreadable)]);
    }
    assert_eq!(backend.calls(Operation::ReadStoreId), 1);
    tokio::time::advance(ReadinessProbe::CACHE_PERIOD).await;
    for _ in 0..3 {
        assert_unready(&probe.check().await, &[]);
    }
    assert_eq!(backend.calls(Operation::ReadStoreId), 2);
}

#[tokio::test(start_paused = true)]
async fn halves_of_different_stores_are_not_ready() {
    let database = Database::new(MemoryDatabase::new());
    database.store_id.confirm_store_id(ID).await.unwrap();
    let backend = FaultBackend::new(MemBackend::default());
    let probe = probe(&database, &backend);
    // A storage that has lost its id does not get it again.
    assert_unready(&probe.check().await, &[(Backend, WrongStore)]);
    assert_eq!(backend.store_id().await.unwrap(), None);
    let other = StoreId::from_bytes([8; 16]);
    backend.create_store_id(other).await.unwrap();
    assert_unready(&probe.check().await, &[(Backend, WrongStore)]);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_shuts_down_asks_nothing_more() {
    let (backend, probe) = site().await;
    let clone = probe.clone();
    probe.shut_down();
    assert_unready(&clone.check().await, &[(Server, ShuttingDown)]);
    assert_eq!(backend.calls(Operation::ReadStoreId), 0);
}

#[cfg(feature = "sqlite")]
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the test removes its own files")]
async fn a_lost_sqlite_file_refuses_writes() {
    use artifact_store::SqliteDatabase;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.sqlite");
    let database = Database::new(SqliteDatabase::open(&path).await.unwrap());
    database.store_id.confirm_store_id(ID).await.unwrap();
    let backend = FaultBackend::new(MemBackend::default());
    backend.create_store_id(ID).await.unwrap();
    let probe = probe(&database, &backend);
    assert_unready(&probe.check().await, &[]);
    std::fs::remove_file(&path).unwrap();
    for _ in 0..2 {
        let found = probe.check().await;
        assert_unready(&found, &[(ReadinessPart::Database, RefusesWrites)]);
    }
    drop(database.close().await);
}

#[cfg(feature = "fs")]
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the test writes its own file")]
async fn a_folder_with_a_failed_sync_refuses_writes() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("blobs");
    let url = root.to_str().unwrap();
    let blobs = artifact_store::Backend::from_url(url).await.unwrap();
    let database = Database::new(MemoryDatabase::new());
    database.store_id.confirm_store_id(ID).await.unwrap();
    let backend = FaultBackend::new(blobs.inventory());
    backend.create_store_id(ID).await.unwrap();
    let probe = probe(&database, &backend);
    assert_unready(&probe.check().await, &[]);
    // As another process records it.
    std::fs::write(root.join("failed-sync"), "").unwrap();
    for _ in 0..2 {
        assert_unready(&probe.check().await, &[(Backend, RefusesWrites)]);
    }
}

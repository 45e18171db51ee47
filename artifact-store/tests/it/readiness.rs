//! Readiness: one round trip for all callers, and the reason of each part that is not ready.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use artifact_backend::{
    ArtifactBackendExt as _, ArtifactInventory, Error as BackendError,
    ErrorKind as BackendErrorKind, Operation, Result as BackendResult,
};
use artifact_backend_conformance::{Fault, FaultBackend, Point};
use artifact_backend_mem::MemBackend;
use artifact_layers::{ReadCache, Retry, Tenant, Timeout};
use artifact_store::{
    ArtifactStore, Database, MemoryDatabase, OpenBackend, PlacedBackend, Placement, Readiness,
    ReadinessPart, ReadinessProbe, StoreConfig, StoreId, UnreadyReason,
};
use async_trait::async_trait;
use futures_util::future::join_all;
use futures_util::{FutureExt as _, poll};
use tokio::task::yield_now;
use tokio::time::Instant;

use ReadinessPart::{Backend, Server};
use UnreadyReason::{NoAnswer, OutOfSpace, RefusesWrites, ShuttingDown, Unreadable, WrongStore};

const ID: StoreId = StoreId::from_bytes([7; 16]);

/// Makes a store whose halves have the same id. Nothing is cached, unless a test says so.
async fn site() -> (FaultBackend, ReadinessProbe) {
    let database = Database::new(MemoryDatabase::new());
    let backend = FaultBackend::new(MemBackend::default());
    join(&database, &backend).await;
    let probe = probe(&database, &backend);
    (backend, probe)
}

async fn join(database: &Database, backend: &FaultBackend) {
    database.store_id.confirm_store_id(ID).await.unwrap();
    backend.create_store_id(ID).await.unwrap();
}

fn probe(database: &Database, backend: &FaultBackend) -> ReadinessProbe {
    probe_of(database, Arc::new(backend.clone()))
}

fn probe_of(database: &Database, blobs: Arc<dyn ArtifactInventory>) -> ReadinessProbe {
    let catalog = Arc::clone(&database.catalog);
    let store = ArtifactStore::new(blobs.clone(), catalog, StoreConfig::default());
    ReadinessProbe::new(&store, database, blobs).with_cache_period(Duration::ZERO)
}

fn assert_unready(found: &Readiness, expected: &[(ReadinessPart, UnreadyReason)]) {
    assert_eq!(found.unready(), expected);
    assert_eq!(found.is_ready(), expected.is_empty());
}

#[tokio::test(start_paused = true)]
async fn each_failure_has_its_reason_and_passes() {
    let (backend, probe) = site().await;
    assert_unready(&probe.check().await, &[]);
    let (read, write) = (Operation::ReadStoreId, Operation::CreateStoreId);
    for (operation, kind, reason) in [
        (read, BackendErrorKind::Unavailable, Unreadable),
        (read, BackendErrorKind::Corrupt, Unreadable),
        (write, BackendErrorKind::Ambiguous, RefusesWrites),
        (write, BackendErrorKind::Unexpected, RefusesWrites),
        (write, BackendErrorKind::OutOfSpace, OutOfSpace),
    ] {
        backend.inject(Fault::before(operation, kind));
        assert_unready(&probe.check().await, &[(Backend, reason)]);
        assert_unready(&probe.check().await, &[]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_layer_hides_nothing() {
    let database = Database::new(MemoryDatabase::new());
    let backend = FaultBackend::new(MemBackend::default());
    join(&database, &backend).await;
    let cached = backend.clone().layer(ReadCache::new(1 << 20));
    let layered = cached.layer(Timeout::new(Duration::from_mins(1)));
    let layered = layered.layer(Retry::new());
    let tenant = backend.clone().layer(Tenant::new(1));
    tenant.create_store_id(ID).await.unwrap();
    let layered: [(Arc<dyn ArtifactInventory>, _, _); 2] = [
        (
            Arc::new(layered),
            Operation::ReadStoreId,
            Operation::CreateStoreId,
        ),
        (Arc::new(tenant), Operation::Load, Operation::Store),
    ];
    for (layered, read, write) in layered {
        let probe = probe_of(&database, layered);
        for (operation, reason) in [(read, Unreadable), (write, RefusesWrites)] {
            assert_unready(&probe.check().await, &[]);
            let kind = BackendErrorKind::Unexpected;
            backend.inject(Fault::before(operation, kind));
            assert_unready(&probe.check().await, &[(Backend, reason)]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_hangs_is_asked_once() {
    let (backend, probe) = site().await;
    let hold = backend.hold(Operation::ReadStoreId, Point::Before);
    let began = Instant::now();
    assert_unready(&probe.check().await, &[(Backend, NoAnswer)]);
    assert_eq!(began.elapsed(), ReadinessProbe::TIME_LIMIT);
    // Later callers need not wait as long again.
    for _ in 0..3 {
        assert_unready(&probe.check().await, &[(Backend, NoAnswer)]);
    }
    assert_eq!(began.elapsed(), ReadinessProbe::TIME_LIMIT);
    assert_eq!(backend.calls(Operation::ReadStoreId), 1);
    hold.release();
    // The check that hung ends now, and only then another one begins.
    while !probe.check().await.is_ready() {
        yield_now().await;
    }
    assert_eq!(began.elapsed(), ReadinessProbe::TIME_LIMIT);
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

#[tokio::test(start_paused = true)]
async fn a_check_that_runs_when_the_store_shuts_down_is_not_ready() {
    let (backend, probe) = site().await;
    let hold = backend.hold(Operation::ReadStoreId, Point::Before);
    let mut checked = probe.check().boxed();
    assert!(poll!(&mut checked).is_pending());
    probe.shut_down();
    hold.release();
    assert_unready(&checked.await, &[(Server, ShuttingDown)]);
}

/// Two backends of one store, by the names `a` and `b`.
#[derive(Debug)]
struct Opener {
    backends: [FaultBackend; 2],
    is_broken: AtomicBool,
}

impl Opener {
    fn backend(&self, url: &str) -> &FaultBackend {
        &self.backends[usize::from(url == "b")]
    }
}

#[async_trait]
impl OpenBackend for Opener {
    async fn open(&self, url: &str) -> BackendResult<Arc<dyn ArtifactInventory>> {
        if self.is_broken.load(Ordering::Relaxed) {
            let error = BackendError::new(BackendErrorKind::PermissionDenied, Operation::Open);
            return Err(error);
        }
        Ok(Arc::new(self.backend(url).clone()))
    }
}

/// Makes a store whose blobs are in `a`, and its probe.
async fn placed_site() -> (Database, Arc<Opener>, PlacedBackend, ReadinessProbe) {
    let database = Database::new(MemoryDatabase::new());
    let backends = [(); 2].map(|()| FaultBackend::new(MemBackend::default()));
    for backend in &backends {
        join(&database, backend).await;
    }
    let opener = Arc::new(Opener {
        backends,
        is_broken: AtomicBool::new(false),
    });
    let record = Arc::clone(&database.placement);
    let first = Arc::new(opener.backend("a").clone());
    let placed = PlacedBackend::open(record, opener.clone(), "a", first).await;
    let placed = placed.unwrap();
    let catalog = Arc::clone(&database.catalog);
    let store = ArtifactStore::placed(placed.clone(), catalog, StoreConfig::default());
    let probe = ReadinessProbe::new(&store, &database, Arc::new(placed.clone()));
    let probe = probe.with_cache_period(Duration::ZERO);
    (database, opener, placed, probe)
}

/// Begins to move the blobs from `a` to `b`.
async fn begin_to_move(database: &Database) {
    let mut placement = Placement::new("b");
    placement.epoch = 1;
    placement.previous = Some("a".to_owned());
    let replaced = database.placement.replace_placement(0, &placement);
    replaced.await.unwrap();
}

#[tokio::test]
async fn while_blobs_move_only_the_new_backend_has_to_take_writes() {
    let (database, opener, placed, probe) = placed_site().await;
    begin_to_move(&database).await;
    placed.refresh().await.unwrap();
    let (read, write) = (Operation::ReadStoreId, Operation::CreateStoreId);
    let calls = opener.backend("a").calls(write);
    for (name, operation, expected) in [
        ("b", write, RefusesWrites),
        ("a", read, Unreadable),
        ("b", read, Unreadable),
    ] {
        assert_unready(&probe.check().await, &[]);
        let fault = Fault::before(operation, BackendErrorKind::Unexpected);
        opener.backend(name).inject(fault);
        assert_unready(&probe.check().await, &[(Backend, expected)]);
    }
    assert_eq!(opener.backend("a").calls(write), calls);
}

#[tokio::test]
async fn a_server_that_cannot_follow_the_blobs_is_not_ready() {
    let (database, opener, placed, probe) = placed_site().await;
    begin_to_move(&database).await;
    opener.is_broken.store(true, Ordering::Relaxed);
    placed.refresh().await.unwrap_err();
    assert_unready(&probe.check().await, &[(Backend, RefusesWrites)]);
    opener.is_broken.store(false, Ordering::Relaxed);
    placed.refresh().await.unwrap();
    assert_unready(&probe.check().await, &[]);
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use std::path::PathBuf;

    use artifact_store::SqliteDatabase;
    use rusqlite::Connection;
    use tempfile::TempDir;

    use super::*;
    use ReadinessPart::Database as Rows;

    struct Site {
        _folder: TempDir,
        path: PathBuf,
        database: Database,
        probe: ReadinessProbe,
    }

    impl Site {
        async fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("rows.sqlite");
            let database = Database::new(SqliteDatabase::open(&path).await.unwrap());
            let backend = FaultBackend::new(MemBackend::default());
            join(&database, &backend).await;
            let probe = probe(&database, &backend);
            assert_unready(&probe.check().await, &[]);
            Self {
                _folder: folder,
                path,
                database,
                probe,
            }
        }
    }

    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "the test removes its own files")]
    async fn a_lost_file_refuses_writes() {
        let site = Site::new().await;
        std::fs::remove_file(&site.path).unwrap();
        for _ in 0..2 {
            assert_unready(&site.probe.check().await, &[(Rows, RefusesWrites)]);
        }
        drop(site.database.close().await);
    }

    #[tokio::test]
    async fn a_file_that_another_process_has_locked_does_not_answer() {
        let site = Site::new().await;
        let probe = site.probe.clone().with_time_limit(Duration::from_millis(1));
        let other = Connection::open(&site.path).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        assert_unready(&probe.check().await, &[(Rows, NoAnswer)]);
        other.execute_batch("ROLLBACK").unwrap();
        while !site.probe.check().await.is_ready() {
            yield_now().await;
        }
    }

    /// The store id is there already, so writing it again would not show whether a row can be written.
    #[tokio::test]
    async fn a_file_that_takes_no_new_row_refuses_writes() {
        let site = Site::new().await;
        let other = Connection::open(&site.path).unwrap();
        let refuse = "CREATE TRIGGER refuse BEFORE UPDATE ON leases BEGIN SELECT RAISE(ABORT, 'refused'); END";
        other.execute_batch(refuse).unwrap();
        assert_unready(&site.probe.check().await, &[(Rows, RefusesWrites)]);
        other.execute_batch("DROP TRIGGER refuse").unwrap();
        assert_unready(&site.probe.check().await, &[]);
    }

    #[tokio::test]
    async fn a_database_that_was_moved_refuses_writes() {
        let site = Site::new().await;
        let portable = site.database.portable().unwrap();
        portable.mark_moved("elsewhere").await.unwrap();
        assert_unready(&site.probe.check().await, &[(Rows, RefusesWrites)]);
        portable.clear_moved().await.unwrap();
        assert_unready(&site.probe.check().await, &[]);
    }
}

#[cfg(all(feature = "fs", feature = "pack", target_os = "linux"))]
mod folders {
    #![expect(
        clippy::disallowed_methods,
        reason = "the tests look into their own folders"
    )]

    use std::collections::BTreeMap;
    use std::path::Path;

    use tempfile::TempDir;

    use super::*;

    /// The schemes of folders, and where they record a failed sync.
    const SCHEMES: [(&str, &str); 2] = [("file", "failed-sync"), ("pack", "large/failed-sync")];

    async fn site(scheme: &str) -> (TempDir, Database, ReadinessProbe) {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("{scheme}://{}/blobs", folder.path().display());
        let blobs = artifact_store::Backend::from_url(&url).await.unwrap();
        let database = Database::new(MemoryDatabase::new());
        let backend = FaultBackend::new(blobs.inventory());
        join(&database, &backend).await;
        let probe = probe(&database, &backend);
        (folder, database, probe)
    }

    /// Returns the files below a folder, with their sizes.
    fn files(folder: &Path, found: &mut BTreeMap<String, u64>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files(&path, found);
            } else {
                let size = path.metadata().unwrap().len();
                found.insert(path.display().to_string(), size);
            }
        }
    }

    #[tokio::test]
    async fn a_check_leaves_no_file_behind() {
        for (scheme, _) in SCHEMES {
            let (folder, _database, probe) = site(scheme).await;
            let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
            files(folder.path(), &mut before);
            for _ in 0..5 {
                assert_unready(&probe.check().await, &[]);
            }
            files(folder.path(), &mut after);
            assert_eq!(before, after, "{scheme}");
        }
    }

    #[tokio::test]
    async fn a_failed_sync_refuses_writes() {
        for (scheme, record) in SCHEMES {
            let (folder, _database, probe) = site(scheme).await;
            assert_unready(&probe.check().await, &[]);
            // As another process records it.
            std::fs::write(folder.path().join("blobs").join(record), "").unwrap();
            for _ in 0..2 {
                assert_unready(&probe.check().await, &[(Backend, RefusesWrites)]);
            }
        }
    }

    #[tokio::test]
    async fn a_folder_that_was_removed_is_not_ready() {
        for (scheme, lost, reason) in [
            ("file", "", Unreadable),
            ("pack", "", Unreadable),
            ("pack", "segments", RefusesWrites),
        ] {
            let (folder, _database, probe) = site(scheme).await;
            std::fs::remove_dir_all(folder.path().join("blobs").join(lost)).unwrap();
            let found = probe.check().await;
            assert_unready(&found, &[(Backend, reason)]);
        }
    }
}

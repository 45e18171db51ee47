//! Lists, removals, holds, retention, and the watch of removals.

mod catalog;
mod expiry;
mod model;
#[cfg(feature = "postgres")]
mod postgres;
mod removal;
mod rights;
#[cfg(feature = "sqlite")]
mod sqlite;
mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use artifact_backend::{
    ArtifactBackend, ArtifactInventory, BlobList, BlobStat, Error as BackendError,
    ErrorKind as BackendErrorKind, ManualClock, Operation as BackendOperation, Shard, SweepReport,
    Upload,
};
use artifact_backend_mem::{MemBackend, MemConfig};
use artifact_store::{
    ArtifactId, ArtifactStore, ByteRange, CatalogInventory, Download, ErrorKind, Experiment,
    ExperimentId, ManagedStore, MemoryDatabase, NewArtifact, Principal, Row, RowFilter,
    RowPosition, StoreConfig, StoreId, authorize,
};
use async_trait::async_trait;
use bytes::Bytes;
use tokio::task::yield_now;

use self::catalog::ScriptedCatalog;
use crate::support::{experiment, other_experiment, time, worker};

/// Blobs in memory. The next deletion can be made to fail.
#[derive(Debug)]
struct Blobs {
    mem: MemBackend,
    fails: AtomicBool,
}

#[async_trait]
impl ArtifactBackend for Blobs {
    async fn store(&self, id: ArtifactId, bytes: Bytes) -> artifact_backend::Result<()> {
        self.mem.store(id, bytes).await
    }

    async fn upload(&self, id: ArtifactId) -> artifact_backend::Result<Box<dyn Upload>> {
        self.mem.upload(id).await
    }

    async fn load(&self, id: ArtifactId) -> artifact_backend::Result<Bytes> {
        self.mem.load(id).await
    }

    async fn download(
        &self,
        id: ArtifactId,
        range: ByteRange,
    ) -> artifact_backend::Result<Download> {
        self.mem.download(id, range).await
    }

    async fn stat(&self, id: ArtifactId) -> artifact_backend::Result<BlobStat> {
        self.mem.stat(id).await
    }
}

#[async_trait]
impl ArtifactInventory for Blobs {
    async fn list(&self) -> artifact_backend::Result<BlobList> {
        self.mem.list().await
    }

    async fn list_shard(
        &self,
        shard: Shard,
        after: Option<ArtifactId>,
    ) -> artifact_backend::Result<BlobList> {
        self.mem.list_shard(shard, after).await
    }

    async fn delete(&self, id: ArtifactId) -> artifact_backend::Result<()> {
        yield_now().await;
        if self.fails.swap(false, Ordering::Relaxed) {
            let kind = BackendErrorKind::Unavailable;
            return Err(BackendError::new(kind, BackendOperation::Delete).with_id(id));
        }
        let deleted = self.mem.delete(id).await;
        yield_now().await;
        deleted
    }

    async fn sweep(&self, older_than: Duration) -> artifact_backend::Result<SweepReport> {
        self.mem.sweep(older_than).await
    }

    async fn store_id(&self) -> artifact_backend::Result<Option<StoreId>> {
        self.mem.store_id().await
    }

    async fn create_store_id(&self, new: StoreId) -> artifact_backend::Result<StoreId> {
        self.mem.create_store_id(new).await
    }

    async fn probe(&self) -> artifact_backend::Result<()> {
        self.mem.probe().await
    }

    async fn close(&self) {
        self.mem.close().await;
    }
}

/// A database, a backend, and servers on them.
struct Site {
    blobs: Arc<Blobs>,
    clock: Arc<ManualClock>,
}

/// One of the servers, with caches of its own.
struct Server {
    catalog: Arc<ScriptedCatalog>,
    managed: ManagedStore,
}

impl Site {
    fn new() -> Self {
        let mem = MemBackend::new(MemConfig::default());
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        Self {
            blobs: Arc::new(Blobs {
                mem,
                fails: AtomicBool::new(false),
            }),
            clock: Arc::new(ManualClock::new(start)),
        }
    }

    /// Returns a new database in memory, whose clock is that of the site.
    fn memory(&self) -> Arc<dyn CatalogInventory> {
        Arc::new(MemoryDatabase::with_clock(self.clock.clone()))
    }

    /// Opens a server on this database.
    async fn server(&self, database: Arc<dyn CatalogInventory>) -> Server {
        for id in [experiment(), other_experiment()] {
            let hosted = Experiment::new(id, time(0));
            database.create_experiment(&hosted).await.unwrap();
        }
        let catalog = Arc::new(ScriptedCatalog::new(database));
        let config = StoreConfig::default().with_clock(self.clock.clone());
        let store = ArtifactStore::new(self.blobs.clone(), catalog.clone(), config);
        let managed = ManagedStore::new(store, catalog.clone(), self.blobs.clone());
        Server { catalog, managed }
    }

    /// Opens one server on a database in memory.
    async fn with_one_server() -> (Self, Server) {
        let site = Self::new();
        let server = site.server(site.memory()).await;
        (site, server)
    }

    async fn has_blob(&self, id: ArtifactId) -> bool {
        self.blobs.mem.stat(id).await.is_ok()
    }
}

impl Server {
    /// Deposits three bytes as the worker of the tests.
    async fn deposit(&self) -> Arc<Row> {
        self.deposit_as(&worker(), experiment()).await
    }

    async fn deposit_as(&self, principal: &Principal, experiment: ExperimentId) -> Arc<Row> {
        self.deposit_new(NewArtifact::new(experiment, principal))
            .await
    }

    async fn deposit_new(&self, new: NewArtifact) -> Arc<Row> {
        let mut deposit = self.managed.store().deposit(new);
        deposit.write(Bytes::from_static(b"abc")).await.unwrap();
        deposit.finish().await.unwrap()
    }

    /// Looks up the row as a request does. Returns whether the row was found.
    async fn finds(&self, row: &Row) -> bool {
        match self.managed.store().row(&row.experiment, row.id).await {
            Ok(found) => {
                assert_eq!(*found, *row);
                true
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
                false
            }
        }
    }

    /// Looks up the row, and returns whether the database was asked.
    async fn asks_the_database_for(&self, row: &Row) -> bool {
        let before = self.catalog.gets();
        self.finds(row).await;
        self.catalog.gets() > before
    }

    async fn remove(&self, row: &Row) -> artifact_store::Result<()> {
        self.remove_as(&Principal::admin(), row).await
    }

    async fn remove_as(&self, principal: &Principal, row: &Row) -> artifact_store::Result<()> {
        let removed = self.managed.remove(principal, &row.experiment, row.id);
        removed.await
    }

    /// Lists everything, in small pages.
    async fn all_rows(&self, principal: &Principal, filter: &RowFilter) -> Vec<Arc<Row>> {
        let (mut rows, mut after) = (Vec::new(), Some(RowPosition::START));
        while let Some(position) = after {
            let page = self.managed.list(principal, filter.clone(), position, 2);
            let page = page.await.unwrap();
            rows.extend(page.rows);
            after = page.next;
        }
        rows
    }

    async fn grant(&self, row: &Row) -> artifact_store::ReadGrant {
        let row = self.managed.store().row(&row.experiment, row.id).await;
        authorize(&Principal::admin(), row.unwrap()).unwrap()
    }
}

/// Removes an artifact on one server. Asserts that another server on the same database does not find it after a second, and
/// that its watch works.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
async fn assert_gone_within_a_second(one: &Server, other: &Server) {
    let _watch = other.managed.watch_removals();
    let (kept, removed) = (one.deposit().await, one.deposit().await);
    assert!(other.finds(&kept).await && other.finds(&removed).await);

    one.remove(&removed).await.unwrap();
    assert!(!one.finds(&removed).await);
    // The promise holds however late the watch is, because cached rows are not used without it.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!other.finds(&removed).await);

    // The watch does poll: without it the cache would never be used.
    let mut asked = other.asks_the_database_for(&kept).await;
    for _ in 0..10_000 {
        if !asked {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        asked = other.asks_the_database_for(&kept).await;
    }
    assert!(!asked);
    assert!(!other.finds(&removed).await);
}

#[track_caller]
fn assert_kind<T: std::fmt::Debug>(outcome: artifact_store::Result<T>, kind: ErrorKind) {
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
}

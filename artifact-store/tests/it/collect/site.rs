//! A store in memory with its inventory, and faults of maintenance operations.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use artifact_backend::{
    ArtifactBackend, ArtifactInventory, BlobList, BlobStat, Error, ErrorKind, ManualClock,
    Operation, Result, Shard, StoreId, SweepReport, Upload,
};
use artifact_backend_mem::{MemBackend, MemConfig};
use artifact_store::{
    ArtifactId, ArtifactStore, ByteRange, Catalog as _, CatalogInventory, CollectEvent,
    CollectOptions, CollectReport, Collector, Download, Experiment, MemoryDatabase, NewArtifact,
    Row, StoreConfig,
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::task::yield_now;

use crate::support::{experiment, time, worker};

pub(crate) const DAY: Duration = Duration::from_hours(24);
pub(crate) const ALMOST_A_DAY: Duration = Duration::from_secs(86_399);

/// Blobs in memory whose maintenance can fail. Yields around each operation.
#[derive(Debug, Default)]
pub(crate) struct Storage {
    pub(crate) mem: MemBackend,
    /// The deletion of these ids fails.
    pub(crate) kept: Mutex<HashSet<ArtifactId>>,
    /// A list reports these ids as damaged.
    pub(crate) damaged: Mutex<Vec<ArtifactId>>,
    pub(crate) list_fails: AtomicBool,
}

#[async_trait]
impl ArtifactBackend for Storage {
    async fn store(&self, id: ArtifactId, bytes: Bytes) -> Result<()> {
        yield_now().await;
        self.mem.store(id, bytes).await?;
        yield_now().await;
        Ok(())
    }

    async fn upload(&self, id: ArtifactId) -> Result<Box<dyn Upload>> {
        self.mem.upload(id).await
    }

    async fn load(&self, id: ArtifactId) -> Result<Bytes> {
        self.mem.load(id).await
    }

    async fn download(&self, id: ArtifactId, range: ByteRange) -> Result<Download> {
        yield_now().await;
        self.mem.download(id, range).await
    }

    async fn stat(&self, id: ArtifactId) -> Result<BlobStat> {
        yield_now().await;
        self.mem.stat(id).await
    }
}

#[async_trait]
impl ArtifactInventory for Storage {
    async fn list(&self) -> Result<BlobList> {
        yield_now().await;
        let list = self.mem.list().await?;
        let mut damaged = self.damaged.lock().unwrap().clone();
        let failed = |id| Err(Error::new(ErrorKind::Corrupt, Operation::List).with_id(id));
        let mut items: Vec<_> = damaged.drain(..).map(failed).collect();
        if self.list_fails.load(Ordering::Relaxed) {
            items.push(Err(Error::new(ErrorKind::Unavailable, Operation::List)));
        }
        Ok(Box::pin(list.chain(futures_util::stream::iter(items))))
    }

    async fn list_shard(&self, shard: Shard, after: Option<ArtifactId>) -> Result<BlobList> {
        // One step for all shards, so that a search of every order of the steps stays small.
        if shard == Shard::ALL[0] {
            yield_now().await;
        }
        let mut items = std::collections::BTreeMap::new();
        let mut whole = self.mem.list_shard(shard, after).await?;
        while let Some(blob) = whole.next().await.transpose()? {
            items.insert(blob.id, Ok(blob));
        }
        for id in self.damaged.lock().unwrap().iter().copied() {
            if shard.contains(id) && after.is_none_or(|after| id > after) {
                let error = Error::new(ErrorKind::Corrupt, Operation::List).with_id(id);
                items.insert(id, Err(error));
            }
        }
        let mut items: Vec<_> = items.into_values().collect();
        if shard == Shard::ALL[15] && self.list_fails.load(Ordering::Relaxed) {
            items.push(Err(Error::new(ErrorKind::Unavailable, Operation::List)));
        }
        Ok(Box::pin(futures_util::stream::iter(items)))
    }

    async fn delete(&self, id: ArtifactId) -> Result<()> {
        yield_now().await;
        if self.kept.lock().unwrap().contains(&id) {
            return Err(Error::new(ErrorKind::Unavailable, Operation::Delete).with_id(id));
        }
        self.mem.delete(id).await?;
        yield_now().await;
        Ok(())
    }

    async fn sweep(&self, older_than: Duration) -> Result<SweepReport> {
        yield_now().await;
        self.mem.sweep(older_than).await
    }

    async fn store_id(&self) -> Result<Option<StoreId>> {
        self.mem.store_id().await
    }

    async fn create_store_id(&self, new: StoreId) -> Result<StoreId> {
        self.mem.create_store_id(new).await
    }

    async fn probe(&self) -> Result<()> {
        self.mem.probe().await
    }

    async fn close(&self) {
        self.mem.close().await;
    }
}

/// A store whose clock, blobs and rows a test controls.
pub(crate) struct Site {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) storage: Arc<Storage>,
    pub(crate) catalog: Arc<MemoryDatabase>,
    pub(crate) config: StoreConfig,
    pub(crate) store: ArtifactStore,
}

impl Site {
    pub(crate) async fn new() -> Self {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let clock = Arc::new(ManualClock::new(start));
        let mem = MemBackend::new(MemConfig::default().with_clock(clock.clone()));
        let storage = Arc::new(Storage {
            mem,
            ..Storage::default()
        });
        let catalog = Arc::new(MemoryDatabase::with_clock(clock.clone()));
        let new = Experiment::new(experiment(), time(0));
        catalog.create_experiment(&new).await.unwrap();
        let config = StoreConfig::default().with_clock(clock.clone());
        let store = ArtifactStore::new(storage.clone(), catalog.clone(), config.clone());
        Self {
            clock,
            storage,
            catalog,
            config,
            store,
        }
    }

    pub(crate) async fn deposit(&self, bytes: &[u8]) -> Arc<Row> {
        let mut deposit = self
            .store
            .deposit(NewArtifact::new(experiment(), &worker()));
        let bytes = Bytes::copy_from_slice(bytes);
        deposit.write(bytes).await.unwrap();
        deposit.finish().await.unwrap()
    }

    /// Leaves a blob as a deposit does that crashed before its row.
    pub(crate) async fn orphan(&self, bytes: &'static [u8]) -> ArtifactId {
        let id = ArtifactId::mint();
        let stored = self.storage.mem.store(id, Bytes::from_static(bytes));
        stored.await.unwrap();
        id
    }

    /// Sets the retention of the experiment.
    pub(crate) async fn keep_for(&self, period: Duration) {
        let experiment = experiment();
        let set = self.catalog.set_retention(&experiment, Some(period));
        set.await.unwrap();
    }

    /// Returns settings that delete any number of orphans.
    pub(crate) fn options(&self) -> CollectOptions {
        CollectOptions::new(&self.config).with_many_orphans(true)
    }

    pub(crate) fn collector(&self, options: CollectOptions) -> Collector {
        Collector::new(self.catalog.clone(), self.storage.clone(), options)
    }

    /// Collects any number of orphans. Returns the report and the events.
    pub(crate) async fn collect(&self) -> (CollectReport, Vec<CollectEvent>) {
        self.collect_with(self.options()).await
    }

    pub(crate) async fn collect_with(
        &self,
        options: CollectOptions,
    ) -> (CollectReport, Vec<CollectEvent>) {
        let mut events = Vec::new();
        let collector = self.collector(options);
        let report = collector.run(|event| events.push(event)).await;
        (report, events)
    }

    pub(crate) async fn has_blob(&self, id: ArtifactId) -> bool {
        self.storage.mem.stat(id).await.is_ok()
    }

    pub(crate) async fn has_row(&self, id: ArtifactId) -> bool {
        self.catalog.missing(&[id]).await.unwrap().is_empty()
    }

    /// Returns whether the artifact has both its row and its blob, or neither. Panics for a row without its blob.
    pub(crate) async fn is_whole(&self, id: ArtifactId) -> bool {
        let (has_row, has_blob) = (self.has_row(id).await, self.has_blob(id).await);
        assert!(has_blob || !has_row, "a row without its blob");
        has_row == has_blob
    }
}

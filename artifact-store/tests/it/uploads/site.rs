//! A store with uploads.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use artifact_backend::{ArtifactBackend as _, ArtifactInventory, ManualClock};
use artifact_backend_mem::MemBackend;
use artifact_store::{
    Append, ArtifactId, ArtifactStore, CatalogInventory, CollectOptions, CollectReport, Collector,
    Database, ManagedStore, MemoryDatabase, NewUpload, Result, Row, RowFilter, RowPosition,
    StoreConfig, UploadId, UploadOptions, UploadSession, Uploads,
};

use crate::support::{experiment, worker};

/// The size of a part in these tests.
pub(super) const PART: u64 = 4;

/// A store with uploads, whose parts have four bytes.
pub(super) struct Site {
    pub(super) clock: Arc<ManualClock>,
    pub(super) config: StoreConfig,
    pub(super) catalog: Arc<dyn CatalogInventory>,
    pub(super) blobs: Arc<MemBackend>,
    pub(super) uploads: Uploads,
}

pub(super) fn options() -> UploadOptions {
    UploadOptions::default().with_part_bytes(PART)
}

impl Site {
    /// Creates a store in memory, whose clock the test sets.
    pub(super) async fn new() -> Self {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let clock = Arc::new(ManualClock::new(start));
        let database = Database::new(MemoryDatabase::with_clock(clock.clone()));
        super::host(&database).await;
        let blobs = Arc::new(MemBackend::default());
        Self::of(clock, database.inventory, blobs)
    }

    /// Creates a store on a database with the clock of the system.
    pub(super) fn on(database: &Database) -> Self {
        let now = SystemTime::UNIX_EPOCH + SystemTime::UNIX_EPOCH.elapsed().unwrap();
        let clock = Arc::new(ManualClock::new(now));
        Self::of(
            clock,
            super::other_server(database),
            Arc::new(MemBackend::default()),
        )
    }

    fn of(
        clock: Arc<ManualClock>,
        catalog: Arc<dyn CatalogInventory>,
        blobs: Arc<MemBackend>,
    ) -> Self {
        let config = StoreConfig::default()
            .with_clock(clock.clone())
            .with_max_artifact_bytes(1_000);
        let uploads = uploads(catalog.clone(), blobs.clone(), &config);
        Self {
            clock,
            config,
            catalog,
            blobs,
            uploads,
        }
    }

    /// Returns the same store as a server that was started now.
    pub(super) fn restarted(&self) -> Self {
        Self::of(self.clock.clone(), self.catalog.clone(), self.blobs.clone())
    }

    pub(super) async fn create(&self, length: impl Into<Option<u64>>) -> UploadId {
        let new = NewUpload::new(experiment()).with_length(length);
        self.uploads.create(&worker(), new).await.unwrap().id
    }

    pub(super) async fn begin(&self, id: UploadId, offset: u64) -> Result<Append> {
        let uploads = &self.uploads;
        uploads.append(&worker(), &experiment(), id, offset).await
    }

    /// Appends bytes in one request, in chunks of three bytes.
    pub(super) async fn append(&self, id: UploadId, offset: u64, bytes: &[u8]) -> Result<u64> {
        let mut append = self.begin(id, offset).await?;
        for chunk in bytes.chunks(3) {
            append.write(chunk.to_vec().into()).await?;
        }
        Ok(append.finish().await?.offset)
    }

    pub(super) async fn find(&self, id: UploadId) -> Result<UploadSession> {
        self.uploads.find(&worker(), &experiment(), id).await
    }

    pub(super) async fn complete(&self, id: UploadId) -> Result<Arc<Row>> {
        self.uploads.complete(&worker(), &experiment(), id).await
    }

    /// Returns the stored bytes of an artifact.
    pub(super) async fn bytes_of(&self, id: ArtifactId) -> Vec<u8> {
        self.blobs.load(id).await.unwrap().to_vec()
    }

    pub(super) async fn artifacts(&self) -> Vec<Arc<Row>> {
        let all = RowFilter::default();
        let page = self.catalog.scan(&all, RowPosition::START, 1_000).await;
        page.unwrap().rows
    }

    pub(super) async fn collect(&self) -> CollectReport {
        self.collect_with(&self.config).await
    }

    /// Collects at a time since 1970 by the clock that the blobs have their times from, which is that of the system.
    pub(super) async fn collect_at(&self, time: Duration) -> CollectReport {
        let clock = ManualClock::new(SystemTime::UNIX_EPOCH + time);
        let config = self.config.clone().with_clock(Arc::new(clock));
        self.collect_with(&config).await
    }

    async fn collect_with(&self, config: &StoreConfig) -> CollectReport {
        let options = CollectOptions::new(config).with_many_orphans(true);
        let collector = Collector::new(self.catalog.clone(), self.blobs.clone(), options);
        let report = collector.run(|_| ()).await;
        assert!(report.is_good(), "{report:?}");
        report
    }
}

/// Creates the uploads of a store over these parts.
pub(super) fn uploads(
    catalog: Arc<dyn CatalogInventory>,
    blobs: Arc<dyn ArtifactInventory>,
    config: &StoreConfig,
) -> Uploads {
    let store = ArtifactStore::new(blobs.clone(), catalog.clone(), config.clone());
    Uploads::new(ManagedStore::new(store, catalog, blobs), options())
}

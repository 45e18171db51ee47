//! A store in memory, and the place of its backups.

use std::sync::Arc;

use artifact_backend::{
    ArtifactBackend as _, ArtifactInventory, BlobStat, ByteRange, Download,
    Result as BackendResult, Shard, Upload,
};
use artifact_backend_mem::{MemBackend, MemConfig};
use artifact_store::{
    ArtifactId, Backend, Backup, BackupEvent, BackupOptions, BackupPlace, BackupReport, Database,
    DumpRecord, JoinError, MemoryDatabase, Removal, Restore, Row, StoreHalves, StoreId,
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::TryStreamExt as _;
use tokio::sync::Notify;

use crate::dump::{dump, load, records};
use crate::support::{bytes, chunk_digests, digest, experiment, time, worker_id};

pub(super) struct Site {
    pub(super) database: Database,
    pub(super) mem: Arc<MemBackend>,
    pub(super) place: Arc<MemBackend>,
}

fn mem() -> Arc<MemBackend> {
    Arc::new(MemBackend::new(MemConfig::default()))
}

/// The ids of artifacts are spread over all shards.
pub(super) fn id(number: u32) -> ArtifactId {
    ArtifactId::from_bytes(
        (u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)).to_be_bytes(),
    )
}

pub(super) fn bytes_of(number: u32) -> Bytes {
    // Every eighth artifact has chunk digests.
    let more = if number.is_multiple_of(8) { 70_000 } else { 0 };
    let mut all = bytes((number as usize * 97) % 3_000 + more);
    all.extend_from_slice(&number.to_be_bytes());
    all.into()
}

impl Site {
    /// Creates a store with an experiment, a worker and groups.
    pub(super) async fn new() -> Self {
        let site = Self {
            database: Database::new(MemoryDatabase::new()),
            mem: mem(),
            place: mem(),
        };
        let identities = records::small().into_iter().filter(|record| {
            !matches!(
                record,
                DumpRecord::Artifact { .. }
                    | DumpRecord::ChunkDigests { .. }
                    | DumpRecord::Hold(_)
                    | DumpRecord::Removed(_)
                    | DumpRecord::AccessGrant(_)
                    | DumpRecord::AccessLink { .. }
            )
        });
        let identities: Vec<_> = identities.collect();
        let store = StoreId::mint();
        load(&site.database, Some(store), &identities)
            .await
            .unwrap();
        site.mem.create_store_id(store).await.unwrap();
        site
    }

    /// Returns a new store without anything, beside the same place.
    pub(super) fn empty(&self) -> Self {
        Self {
            database: Database::new(MemoryDatabase::new()),
            mem: mem(),
            place: Arc::clone(&self.place),
        }
    }

    pub(super) fn backend(&self) -> Backend {
        Backend::new(Arc::clone(&self.mem) as Arc<dyn ArtifactInventory>)
    }

    pub(super) async fn try_deposit(&self, number: u32) -> artifact_store::Result<()> {
        let bytes = bytes_of(number);
        let row = Row::new(
            id(number),
            experiment(),
            worker_id().into(),
            bytes.len() as u64,
            digest(&bytes),
            time(number.into()),
        );
        let digests = chunk_digests(&bytes);
        self.mem.store(row.id, bytes).await?;
        let catalog = &self.database.catalog;
        catalog.insert_with(&row, digests.as_ref(), None).await
    }

    pub(super) async fn deposit(&self, number: u32) {
        self.try_deposit(number).await.unwrap();
    }

    pub(super) async fn remove(&self, number: u32) {
        let removed = self.database.inventory.remove(id(number)).await.unwrap();
        assert_eq!(removed, Removal::Removed);
        self.mem.delete(id(number)).await.unwrap();
    }

    /// Returns the bytes of an artifact that has a row.
    pub(super) async fn fetch(&self, number: u32) -> Option<Bytes> {
        let row = self.database.catalog.get(id(number)).await.unwrap()?;
        let bytes = self.mem.load(row.id).await.unwrap();
        assert_eq!(digest(&bytes), row.sha256);
        Some(bytes)
    }

    pub(super) async fn contents(&self) -> (Option<StoreId>, Vec<DumpRecord>) {
        dump(&self.database).await
    }

    pub(super) async fn blobs(&self) -> Vec<ArtifactId> {
        ids(&*self.mem).await
    }

    pub(super) async fn place_ids(&self) -> Vec<ArtifactId> {
        ids(&*self.place).await
    }

    pub(super) async fn join(&self) -> Result<StoreId, JoinError> {
        StoreHalves::new(&self.database, &self.backend())
            .join()
            .await
    }

    pub(super) async fn place(&self) -> BackupPlace {
        let place = Backend::new(Arc::clone(&self.place) as Arc<dyn ArtifactInventory>);
        BackupPlace::open(&place).await.unwrap()
    }

    pub(super) async fn back_up(&self) -> BackupReport {
        self.back_up_with(BackupOptions::default()).await
    }

    pub(super) async fn back_up_with(&self, options: BackupOptions) -> BackupReport {
        let place = Backend::new(Arc::clone(&self.place) as Arc<dyn ArtifactInventory>);
        let backup = Backup::new(&self.database, &self.backend(), &place, options);
        backup.run(|_| {}).await
    }

    /// Backs up, and does something else before the first blob is read.
    pub(super) async fn back_up_while(
        &self,
        work: impl AsyncFnOnce(),
        mut observe: impl FnMut(&BackupEvent) + Send,
    ) -> BackupReport {
        let slow = StoppingBackend::new(Arc::clone(&self.mem) as _, 0);
        let backend = Backend::new(Arc::clone(&slow) as Arc<dyn ArtifactInventory>);
        let place = Backend::new(Arc::clone(&self.place) as Arc<dyn ArtifactInventory>);
        let backup = Backup::new(&self.database, &backend, &place, BackupOptions::default());
        let work = async {
            slow.has_stopped.notified().await;
            work().await;
            slow.go_on.notify_waiters();
            slow.limit
                .store(usize::MAX, std::sync::atomic::Ordering::SeqCst);
        };
        let (report, ()) =
            futures_util::future::join(backup.run(|event| observe(&event)), work).await;
        report
    }

    pub(super) async fn verify(
        &self,
        number: Option<u64>,
        options: &BackupOptions,
    ) -> BackupReport {
        self.place().await.verify(number, options, |_| {}).await
    }

    pub(super) async fn restore(&self, number: Option<u64>) -> BackupReport {
        self.restore_with(number, BackupOptions::default()).await
    }

    pub(super) async fn restore_with(
        &self,
        number: Option<u64>,
        options: BackupOptions,
    ) -> BackupReport {
        let restore = Restore::new(
            &self.place().await,
            &self.database,
            &self.backend(),
            options,
        );
        restore.run(number, |_| {}).await
    }
}

pub(super) async fn ids(backend: &dyn ArtifactInventory) -> Vec<ArtifactId> {
    let list = backend.list().await.unwrap();
    let mut ids: Vec<_> = list.map_ok(|blob| blob.id).try_collect().await.unwrap();
    ids.sort_unstable();
    ids
}

/// Changes one bit of a stored blob.
pub(super) async fn flip(backend: &MemBackend, id: ArtifactId) {
    let mut changed = backend.load(id).await.unwrap().to_vec();
    changed[0] ^= 1;
    backend.delete(id).await.unwrap();
    backend.store(id, changed.into()).await.unwrap();
}

/// A backend that stops before a call for ever, as a process that is killed there. The calls before it do their work.
#[derive(Debug)]
pub(super) struct StoppingBackend {
    inner: Arc<dyn ArtifactInventory>,
    calls: std::sync::atomic::AtomicUsize,
    pub(super) limit: std::sync::atomic::AtomicUsize,
    pub(super) has_stopped: Notify,
    pub(super) go_on: Notify,
}

impl StoppingBackend {
    /// Creates a backend that makes `limit` calls.
    pub(super) fn new(inner: Arc<dyn ArtifactInventory>, limit: usize) -> Arc<Self> {
        Arc::new(Self {
            inner,
            calls: 0.into(),
            limit: limit.into(),
            has_stopped: Notify::new(),
            go_on: Notify::new(),
        })
    }

    async fn step(&self) {
        use std::sync::atomic::Ordering;
        if self.calls.fetch_add(1, Ordering::SeqCst) >= self.limit.load(Ordering::SeqCst) {
            let go_on = self.go_on.notified();
            self.has_stopped.notify_one();
            go_on.await;
        }
    }
}

#[derive(Debug)]
struct StoppingUpload {
    backend: Arc<StoppingBackend>,
    inner: Box<dyn Upload>,
}

#[async_trait]
impl Upload for StoppingUpload {
    fn expect_size(&mut self, bytes: u64) {
        self.inner.expect_size(bytes);
    }

    async fn write(&mut self, bytes: Bytes) -> BackendResult<()> {
        self.backend.step().await;
        self.inner.write(bytes).await
    }

    async fn commit(self: Box<Self>) -> BackendResult<()> {
        self.backend.step().await;
        self.inner.commit().await
    }

    async fn abort(self: Box<Self>) -> BackendResult<()> {
        self.inner.abort().await
    }
}

/// The same backend behind an `Arc`, which its uploads keep.
#[derive(Debug, Clone)]
pub(super) struct Stopping(pub(super) Arc<StoppingBackend>);

macro_rules! stopping {
    ($name:ident, $self:ident => $backend:expr, $upload:expr) => {
        #[async_trait]
        impl artifact_backend::ArtifactBackend for $name {
            async fn store(&$self, id: ArtifactId, bytes: Bytes) -> BackendResult<()> {
                $backend.step().await;
                $backend.inner.store(id, bytes).await
            }

            async fn upload(&$self, id: ArtifactId) -> BackendResult<Box<dyn Upload>> {
                $backend.step().await;
                let inner = $backend.inner.upload(id).await?;
                Ok(($upload)($self, inner))
            }

            async fn load(&$self, id: ArtifactId) -> BackendResult<Bytes> {
                $backend.step().await;
                $backend.inner.load(id).await
            }

            async fn download(&$self, id: ArtifactId, range: ByteRange) -> BackendResult<Download> {
                $backend.step().await;
                $backend.inner.download(id, range).await
            }

            async fn stat(&$self, id: ArtifactId) -> BackendResult<BlobStat> {
                $backend.step().await;
                $backend.inner.stat(id).await
            }
        }

        #[async_trait]
        impl ArtifactInventory for $name {
            async fn list(&$self) -> BackendResult<artifact_backend::BlobList> {
                $backend.step().await;
                $backend.inner.list().await
            }

            async fn list_shard(
                &$self,
                shard: Shard,
                after: Option<ArtifactId>,
            ) -> BackendResult<artifact_backend::BlobList> {
                $backend.step().await;
                $backend.inner.list_shard(shard, after).await
            }

            async fn delete(&$self, id: ArtifactId) -> BackendResult<()> {
                $backend.step().await;
                $backend.inner.delete(id).await
            }

            async fn sweep(&$self, age: std::time::Duration) -> BackendResult<artifact_backend::SweepReport> {
                $backend.step().await;
                $backend.inner.sweep(age).await
            }

            async fn store_id(&$self) -> BackendResult<Option<StoreId>> {
                $backend.step().await;
                $backend.inner.store_id().await
            }

            async fn create_store_id(&$self, new: StoreId) -> BackendResult<StoreId> {
                $backend.step().await;
                $backend.inner.create_store_id(new).await
            }

            async fn probe(&$self) -> BackendResult<()> {
                $backend.inner.probe().await
            }

            async fn close(&$self) {
                $backend.inner.close().await;
            }
        }
    };
}

// The source of a backup has no uploads.
stopping!(StoppingBackend, self => self, |_: &StoppingBackend, inner: Box<dyn Upload>| inner);
stopping!(Stopping, self => self.0, |this: &Stopping, inner: Box<dyn Upload>| {
    Box::new(StoppingUpload {
        backend: Arc::clone(&this.0),
        inner,
    }) as Box<dyn Upload>
});

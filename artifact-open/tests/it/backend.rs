//! `probe` and `close` reach the storage, also through wrappers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use artifact_backend::bytes::Bytes;
use artifact_backend::{
    ArtifactBackend, ArtifactId, ArtifactInventory, BlobList, BlobStat, ByteRange, Download,
    Result, Shard, StoreId, SweepReport, Upload, async_trait,
};
use artifact_backend_mem::MemBackend;
use artifact_open::Backend;

/// A wrapper that counts the calls of `probe` and `close`.
#[derive(Debug)]
struct Counting {
    inner: Arc<dyn ArtifactInventory>,
    probes: AtomicUsize,
    closes: AtomicUsize,
}

impl Counting {
    fn around(inner: Arc<dyn ArtifactInventory>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            probes: AtomicUsize::new(0),
            closes: AtomicUsize::new(0),
        })
    }

    fn counts(&self) -> (usize, usize) {
        let count = |of: &AtomicUsize| of.load(Ordering::Relaxed);
        (count(&self.probes), count(&self.closes))
    }
}

#[async_trait]
impl ArtifactBackend for Counting {
    async fn store(&self, id: ArtifactId, bytes: Bytes) -> Result<()> {
        self.inner.store(id, bytes).await
    }

    async fn upload(&self, id: ArtifactId) -> Result<Box<dyn Upload>> {
        self.inner.upload(id).await
    }

    async fn load(&self, id: ArtifactId) -> Result<Bytes> {
        self.inner.load(id).await
    }

    async fn download(&self, id: ArtifactId, range: ByteRange) -> Result<Download> {
        self.inner.download(id, range).await
    }

    async fn stat(&self, id: ArtifactId) -> Result<BlobStat> {
        self.inner.stat(id).await
    }
}

#[async_trait]
impl ArtifactInventory for Counting {
    async fn list(&self) -> Result<BlobList> {
        self.inner.list().await
    }

    async fn list_shard(&self, shard: Shard, after: Option<ArtifactId>) -> Result<BlobList> {
        self.inner.list_shard(shard, after).await
    }

    async fn delete(&self, id: ArtifactId) -> Result<()> {
        self.inner.delete(id).await
    }

    async fn sweep(&self, older_than: Duration) -> Result<SweepReport> {
        self.inner.sweep(older_than).await
    }

    async fn store_id(&self) -> Result<Option<StoreId>> {
        self.inner.store_id().await
    }

    async fn create_store_id(&self, new: StoreId) -> Result<StoreId> {
        self.inner.create_store_id(new).await
    }

    async fn probe(&self) -> Result<()> {
        self.probes.fetch_add(1, Ordering::Relaxed);
        self.inner.probe().await
    }

    async fn close(&self) {
        self.closes.fetch_add(1, Ordering::Relaxed);
        self.inner.close().await;
    }
}

#[tokio::test]
async fn probe_and_close_reach_a_wrapped_backend() {
    let inner = Counting::around(Arc::new(MemBackend::default()));
    let outer = Counting::around(Backend::new(inner.clone()).inventory());
    let backend = Backend::new(outer.clone());
    backend.probe().await.unwrap();
    assert_eq!((inner.counts(), outer.counts()), ((1, 0), (1, 0)));
    backend.clone().close().await;
    assert_eq!((inner.counts(), outer.counts()), ((1, 1), (1, 1)));
}

#[cfg(feature = "fs")]
#[tokio::test]
#[expect(
    clippy::disallowed_methods,
    reason = "a test writes what another process would"
)]
async fn the_probe_of_a_folder_reports_a_failed_sync_of_another_process() {
    use artifact_backend::ErrorKind;

    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("blobs");
    let backend = Backend::from_url(root.to_str().unwrap()).await.unwrap();
    let wrapped = Backend::new(Counting::around(backend.inventory()));
    backend.probe().await.unwrap();
    wrapped.probe().await.unwrap();
    // What another process leaves when one of its syncs fails.
    std::fs::write(root.join("failed-sync"), "").unwrap();
    for backend in [backend, wrapped] {
        let error = backend.probe().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unexpected, "{error}");
    }
}

//! The operations of the backend: each is at most one task on the blocking pool.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use artifact_backend::{
    ArtifactId, BlobList, BlobStat, ByteRange, Download, Operation, Result, Shard, StoreId,
    SweepReport, Upload,
};
use bytes::Bytes;

use super::root::Root;
use super::staging::FileWriter;
use super::{blob, inventory, read, store_id, sweep};
use crate::buffers::Buffers;
use crate::pool::Pool;
use crate::upload::{BlobWriter as _, FsUpload};
use artifact_backend_config::FsConfig;

/// The state that all clones, uploads and downloads of a backend share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) root: Arc<Root>,
    pub(super) reads: Pool,
    pub(super) buffers: Buffers,
    writes: Pool,
}

/// The operations of a backend with the portable profile. [`FsBackend`](crate::FsBackend) documents them.
#[derive(Debug, Clone)]
pub(crate) struct PortableProfile {
    shared: Arc<Shared>,
}

impl PortableProfile {
    pub(crate) async fn open(root: PathBuf, config: FsConfig) -> Result<Self> {
        let writes = Pool::new("writes", config.max_concurrent_writes);
        let root = writes
            .run(Operation::Open, move || Root::open(&root))
            .await?;
        let shared = Shared {
            root: Arc::new(root),
            reads: Pool::new("reads", config.max_concurrent_reads),
            buffers: Buffers::new(config.idle_buffer_bytes),
            writes,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    fn root(&self) -> Arc<Root> {
        Arc::clone(&self.shared.root)
    }

    async fn read<T: Send + 'static>(
        &self,
        operation: Operation,
        work: impl FnOnce(&Shared) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let shared = Arc::clone(&self.shared);
        self.shared
            .reads
            .run(operation, move || work(&shared))
            .await
    }

    pub(crate) async fn probe(&self) -> Result<()> {
        self.read(Operation::Probe, |shared| {
            shared.root.check_failed_syncs(Operation::Probe, None)
        })
        .await
    }

    /// A root that may contain blobs of layout version 1 was not opened.
    #[expect(clippy::unused_async, reason = "the other profile has work to do")]
    pub(crate) async fn migrate(&self) -> Result<()> {
        Ok(())
    }

    pub(crate) async fn list_shard(
        &self,
        shard: Shard,
        after: Option<ArtifactId>,
    ) -> Result<BlobList> {
        inventory::list_shard(Arc::clone(&self.shared), shard, after).await
    }

    pub(crate) async fn store(&self, id: ArtifactId, bytes: Bytes) -> Result<()> {
        let root = self.root();
        let work = move || {
            let mut writer = FileWriter::begin(root, Operation::Store, id)?;
            writer.write(Operation::Store, &bytes)?;
            writer.publish(Operation::Store)
        };
        self.shared.writes.run(Operation::Store, work).await
    }

    pub(crate) async fn upload(&self, id: ArtifactId) -> Result<Box<dyn Upload>> {
        let root = self.root();
        let work = move || FileWriter::begin(root, Operation::Upload, id);
        let writer = self.shared.writes.run(Operation::Upload, work).await?;
        let pool = self.shared.writes.clone();
        Ok(Box::new(FsUpload::new(pool, id, writer)))
    }

    pub(crate) async fn load(&self, id: ArtifactId) -> Result<Bytes> {
        self.read(Operation::Load, move |shared| read::load(shared, id))
            .await
    }

    pub(crate) async fn download(&self, id: ArtifactId, range: ByteRange) -> Result<Download> {
        read::download(&self.shared, id, range).await
    }

    pub(crate) async fn list(&self) -> Result<BlobList> {
        inventory::list(Arc::clone(&self.shared)).await
    }

    pub(crate) async fn stat(&self, id: ArtifactId) -> Result<BlobStat> {
        self.read(Operation::Stat, move |shared| {
            blob::stat(&shared.root, Operation::Stat, id)
        })
        .await
    }

    pub(crate) async fn delete(&self, id: ArtifactId) -> Result<()> {
        let root = self.root();
        let work = move || inventory::delete(&root, id);
        self.shared.writes.run(Operation::Delete, work).await
    }

    pub(crate) async fn sweep(&self, older_than: Duration) -> Result<SweepReport> {
        let root = self.root();
        let work = move || sweep::sweep(&root, older_than);
        self.shared.writes.run(Operation::Sweep, work).await
    }

    pub(crate) async fn store_id(&self) -> Result<Option<StoreId>> {
        self.read(Operation::ReadStoreId, |shared| {
            store_id::read(&shared.root)
        })
        .await
    }

    pub(crate) async fn create_store_id(&self, new: StoreId) -> Result<StoreId> {
        let root = self.root();
        let work = move || store_id::create(&root, new);
        self.shared.writes.run(Operation::CreateStoreId, work).await
    }
}

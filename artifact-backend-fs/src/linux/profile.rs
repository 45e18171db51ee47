//! The operations of the backend: each is at most one task on the blocking pool.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use artifact_backend::{
    ArtifactId, BlobList, BlobStat, ByteRange, Download, Operation, Result, Shard, StoreId,
    SweepReport, Upload,
};
use bytes::Bytes;

use crate::linux::shared::Shared;
use crate::linux::writer::FileWriter;
use crate::linux::{blob, download, inventory, load, migration, store_id, sweep};
use crate::upload::{BlobWriter as _, FsUpload};
use artifact_backend_config::FsConfig;

/// The operations of a backend with the Linux profile. [`FsBackend`](crate::FsBackend) documents them.
#[derive(Debug, Clone)]
pub(crate) struct LinuxProfile {
    shared: Arc<Shared>,
}

impl LinuxProfile {
    pub(crate) async fn open(root: PathBuf, config: FsConfig) -> Result<Self> {
        let background = config.background_migration;
        let shared = Arc::new(Shared::open(root, config).await?);
        if background && shared.root.is_migrating() {
            tokio::spawn(migration::run_in_background(Arc::downgrade(&shared)));
        }
        Ok(Self { shared })
    }

    pub(crate) async fn probe(&self) -> Result<()> {
        let root = Arc::clone(&self.shared.root);
        let work = move || root.check_failed_syncs(Operation::Probe, None);
        self.shared.reads.run(Operation::Probe, work).await
    }

    pub(crate) async fn migrate(&self) -> Result<()> {
        migration::run(&self.shared).await
    }

    pub(crate) async fn list_shard(
        &self,
        shard: Shard,
        after: Option<ArtifactId>,
    ) -> Result<BlobList> {
        inventory::list_shard(Arc::clone(&self.shared), shard, after).await
    }

    pub(crate) async fn store(&self, id: ArtifactId, bytes: Bytes) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let work = move || {
            let size = bytes.len() as u64;
            let mut writer = FileWriter::begin(shared, Operation::Store, id, size)?;
            writer.write(Operation::Store, &bytes)?;
            writer.publish(Operation::Store)
        };
        self.shared.writes.run(Operation::Store, work).await
    }

    pub(crate) async fn upload(&self, id: ArtifactId) -> Result<Box<dyn Upload>> {
        let shared = Arc::clone(&self.shared);
        let work = move || FileWriter::begin(shared, Operation::Upload, id, 0);
        let writer = self.shared.writes.run(Operation::Upload, work).await?;
        Ok(Box::new(FsUpload::new(
            self.shared.writes.clone(),
            id,
            writer,
        )))
    }

    pub(crate) async fn load(&self, id: ArtifactId) -> Result<Bytes> {
        load::load(&self.shared, id).await
    }

    pub(crate) async fn download(&self, id: ArtifactId, range: ByteRange) -> Result<Download> {
        download::open(&self.shared, id, range).await
    }

    pub(crate) async fn list(&self) -> Result<BlobList> {
        inventory::list(Arc::clone(&self.shared)).await
    }

    pub(crate) async fn stat(&self, id: ArtifactId) -> Result<BlobStat> {
        let root = Arc::clone(&self.shared.root);
        let work = move || blob::stat(&root, Operation::Stat, id);
        self.shared.reads.run(Operation::Stat, work).await
    }

    pub(crate) async fn delete(&self, id: ArtifactId) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let work = move || inventory::delete(&shared, id);
        self.shared.writes.run(Operation::Delete, work).await
    }

    pub(crate) async fn sweep(&self, older_than: Duration) -> Result<SweepReport> {
        let root = Arc::clone(&self.shared.root);
        let work = move || sweep::sweep(&root, older_than);
        self.shared.writes.run(Operation::Sweep, work).await
    }

    pub(crate) async fn store_id(&self) -> Result<Option<StoreId>> {
        let root = Arc::clone(&self.shared.root);
        let work = move || store_id::read(&root);
        self.shared.reads.run(Operation::ReadStoreId, work).await
    }

    pub(crate) async fn create_store_id(&self, new: StoreId) -> Result<StoreId> {
        let shared = Arc::clone(&self.shared);
        let work = move || store_id::create(&shared, new);
        self.shared.writes.run(Operation::CreateStoreId, work).await
    }
}

//! The backend: each operation is at most one task on the blocking pool.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use artifact_backend::{
    ArtifactBackend, ArtifactId, ArtifactInventory, BlobList, BlobStat, ByteRange, Download,
    Operation, Result, StoreId, SweepReport, Upload,
};
use async_trait::async_trait;
use bytes::Bytes;

use crate::config::FsConfig;
use crate::error::failed;
use crate::shared::Shared;
use crate::upload::FsUpload;
use crate::writer::BlobWriter;
use crate::{blob, download, inventory, load, store_id, sweep};

/// A backend on a local folder. Clones share its state.
///
/// Several processes can open the same folder; the file system keeps them apart. All methods need a
/// tokio runtime.
#[derive(Debug, Clone)]
pub struct FsBackend {
    shared: Arc<Shared>,
}

impl FsBackend {
    /// Opens the folder `root`. Creates it with mode 0700 if only its last component is missing.
    /// `Ok` means that the folder, its subfolders and its format marker are durable.
    ///
    /// The path is resolved once and the folder is held by a descriptor. Later changes of the path or
    /// of the working directory have no effect.
    ///
    /// # Errors
    ///
    /// `Misconfigured` if the parent is missing, the folder belongs to another user, others can write
    /// to it, it contains foreign files, or it has another layout version. Otherwise the error of the
    /// operating system. A later call can open what was created before an error.
    pub async fn open(root: impl Into<PathBuf>, config: FsConfig) -> Result<Self> {
        let shared = Arc::new(Shared::open(root.into(), config).await?);
        Ok(Self { shared })
    }
}

#[async_trait]
impl ArtifactBackend for FsBackend {
    async fn store(&self, id: ArtifactId, bytes: Bytes) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let work = move || {
            let size = bytes.len() as u64;
            let mut writer = BlobWriter::begin(&shared, Operation::Store, id, size)?;
            writer
                .write(&bytes)
                .map_err(|errno| failed(Operation::Store, Some(id), "write the bytes", errno))?;
            writer.publish(&shared, Operation::Store, id)
        };
        self.shared.writes.run(Operation::Store, work).await
    }

    async fn upload(&self, id: ArtifactId) -> Result<Box<dyn Upload>> {
        let shared = Arc::clone(&self.shared);
        let work = move || BlobWriter::begin(&shared, Operation::Upload, id, 0);
        let writer = self.shared.writes.run(Operation::Upload, work).await?;
        Ok(Box::new(FsUpload::new(
            Arc::clone(&self.shared),
            id,
            writer,
        )))
    }

    async fn load(&self, id: ArtifactId) -> Result<Bytes> {
        load::load(&self.shared, id).await
    }

    async fn download(&self, id: ArtifactId, range: ByteRange) -> Result<Download> {
        download::open(&self.shared, id, range).await
    }
}

#[async_trait]
impl ArtifactInventory for FsBackend {
    async fn list(&self) -> Result<BlobList> {
        inventory::list(Arc::clone(&self.shared)).await
    }

    async fn stat(&self, id: ArtifactId) -> Result<BlobStat> {
        let root = Arc::clone(&self.shared.root);
        let work = move || blob::stat(&root, Operation::Stat, id);
        self.shared.reads.run(Operation::Stat, work).await
    }

    async fn delete(&self, id: ArtifactId) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let work = move || inventory::delete(&shared, id);
        self.shared.writes.run(Operation::Delete, work).await
    }

    async fn sweep(&self, older_than: Duration) -> Result<SweepReport> {
        let root = Arc::clone(&self.shared.root);
        let work = move || sweep::sweep(&root, older_than);
        self.shared.writes.run(Operation::Sweep, work).await
    }

    async fn store_id(&self) -> Result<Option<StoreId>> {
        let root = Arc::clone(&self.shared.root);
        let work = move || store_id::read(&root);
        self.shared.reads.run(Operation::ReadStoreId, work).await
    }

    async fn create_store_id(&self, new: StoreId) -> Result<StoreId> {
        let shared = Arc::clone(&self.shared);
        let work = move || store_id::create(&shared, new);
        self.shared.writes.run(Operation::CreateStoreId, work).await
    }
}

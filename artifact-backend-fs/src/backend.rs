//! The backend: each operation is at most one task on the blocking pool.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use artifact_backend::{
    ArtifactBackend, ArtifactId, ArtifactInventory, BlobList, BlobStat, ByteRange, Download,
    Operation, Result, StoreId, SweepReport, Upload,
};
use artifact_backend_config::FsConfig;
use async_trait::async_trait;
use bytes::Bytes;

use crate::error::failed;
use crate::shared::Shared;
use crate::upload::FsUpload;
use crate::writer::BlobWriter;
use crate::{blob, download, inventory, load, migration, store_id, sweep};

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
    /// A new root gets 16 fan-out folders, each of which is synced. A root of
    /// layout version 1 gets them too, and older releases reject it from then on. Its blobs are moved to
    /// these folders in the background. Stop every process of an older release first.
    ///
    /// The path is resolved once and the folder is held by a descriptor. Later changes of the path or
    /// of the working directory have no effect.
    ///
    /// # Errors
    ///
    /// `Misconfigured` if the parent is missing, the folder belongs to another user than this process and
    /// root, every user can write to it, it contains foreign files, it has another layout version, it
    /// contains the file `failed-sync`, which records a failed sync, or its file system cannot do what a
    /// store needs: a trial blob is stored and removed. Otherwise the error of the operating system. Every
    /// detail names the folder. A later call can open what was created before an error.
    pub async fn open(root: impl Into<PathBuf>, config: FsConfig) -> Result<Self> {
        let background = config.background_migration;
        let root = root.into();
        let opened = Shared::open(root.clone(), config).await;
        let shared = Arc::new(opened.map_err(|error| {
            let detail = format!("the folder {}: {}", root.display(), error.detail());
            error.with_detail(detail)
        })?);
        if background && shared.root.is_migrating() {
            tokio::spawn(migration::run_in_background(Arc::downgrade(&shared)));
        }
        Ok(Self { shared })
    }

    /// Moves the blobs of a root of layout version 1 to their fan-out folders. Returns at once if no
    /// blob is left to move. `Ok` means that all blobs have moved and that this is durable.
    ///
    /// Blobs can be stored, read, listed and deleted meanwhile. [`open`](Self::open) does the same in the
    /// background; a call beside it is allowed, and shows its errors. A dropped future leaves blobs in both
    /// places, which the next call or the next `open` goes on with.
    ///
    /// # Errors
    ///
    /// `Unexpected` after a failed sync: no blob is lost, but the backend acknowledges nothing more.
    /// `OutOfSpace` if the file system has no room for the new names. Otherwise the error of the operating
    /// system.
    pub async fn migrate(&self) -> Result<()> {
        migration::run(&self.shared).await
    }

    /// Lists the blobs whose ids begin with the hexadecimal digit `shard` (0 to 15), in the order of their ids, from the first id
    /// after `after`.
    ///
    /// The 16 shards together are the list of [`ArtifactInventory::list`], with the same guarantees. They
    /// can be listed in parallel, and a list can be resumed after the last id that it returned. Memory grows
    /// with the number of blobs in one shard, by 16 bytes for each.
    ///
    /// # Errors
    ///
    /// As for [`ArtifactInventory::list`].
    pub async fn list_shard(&self, shard: u8, after: Option<ArtifactId>) -> Result<BlobList> {
        inventory::list_shard(Arc::clone(&self.shared), shard, after).await
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

    async fn stat(&self, id: ArtifactId) -> Result<BlobStat> {
        let root = Arc::clone(&self.shared.root);
        let work = move || blob::stat(&root, Operation::Stat, id);
        self.shared.reads.run(Operation::Stat, work).await
    }
}

#[async_trait]
impl ArtifactInventory for FsBackend {
    async fn list(&self) -> Result<BlobList> {
        inventory::list(Arc::clone(&self.shared)).await
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

    /// Checks whether the backend still acknowledges stores and deletes. Loads work in any case.
    ///
    /// # Errors
    ///
    /// `Unexpected` if a sync of this root has failed, in this process or another. `open` then refuses the
    /// root too, until an operator has repaired the file system and removed the file `failed-sync`.
    async fn probe(&self) -> Result<()> {
        let root = Arc::clone(&self.shared.root);
        let work = move || root.check_failed_syncs(Operation::Probe, None);
        self.shared.reads.run(Operation::Probe, work).await
    }

    async fn close(&self) {}
}

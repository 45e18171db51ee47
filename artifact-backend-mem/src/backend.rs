//! The backend: each operation is one access to the map.

use std::sync::Arc;
use std::time::Duration;

use artifact_backend::{
    ArtifactBackend, ArtifactId, ArtifactInventory, BlobList, BlobStat, ByteRange, Download,
    Operation, Result, Shard, StoreId, SweepReport, Upload,
};
use artifact_backend_config::MemConfig;
use async_trait::async_trait;
use bytes::Bytes;

use crate::shared::Shared;
use crate::upload::MemUpload;
use crate::{download, error, inventory};

/// A map in memory that implements the contract; the reference for other backends.
///
/// Clones share one map. The blobs are gone when the last clone, upload and download is dropped.
/// "Durable" means only that long here, because memory does not survive the process.
///
/// No operation waits, so each is done at its first poll. A future dropped before that has done
/// nothing.
#[derive(Debug, Clone)]
pub struct MemBackend {
    shared: Arc<Shared>,
}

impl MemBackend {
    /// Creates an empty backend.
    pub fn new(config: MemConfig) -> Self {
        Self {
            shared: Arc::new(Shared::new(config)),
        }
    }

    /// Returns the bytes of all blobs and of the uploads in progress, which `max_total_bytes` limits.
    pub fn used_bytes(&self) -> u64 {
        self.shared.lock().used()
    }

    /// Returns the number of blobs. Uploads in progress do not count.
    pub fn len(&self) -> usize {
        self.shared.lock().len()
    }

    /// Returns whether there are no blobs.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Default for MemBackend {
    fn default() -> Self {
        Self::new(MemConfig::default())
    }
}

#[async_trait]
impl ArtifactBackend for MemBackend {
    async fn store(&self, id: ArtifactId, bytes: Bytes) -> Result<()> {
        // Copied, because `bytes` may be a small part of a large buffer. The blob would keep the
        // whole buffer alive, and `max_total_bytes` would not count it.
        let bytes = Bytes::copy_from_slice(&bytes);
        let size = bytes.len() as u64;
        let now = self.shared.now();
        let mut state = self.shared.lock();
        if state.holds(id) {
            // Takes precedence over OutOfSpace, because it stays true when room is made.
            return Err(error::already_exists(Operation::Store, id));
        }
        state.reserve(Operation::Store, id, size)?;
        state.publish(Operation::Store, id, bytes, now)
    }

    async fn upload(&self, id: ArtifactId) -> Result<Box<dyn Upload>> {
        if self.shared.lock().holds(id) {
            return Err(error::already_exists(Operation::Upload, id));
        }
        Ok(Box::new(MemUpload::new(Arc::clone(&self.shared), id)))
    }

    async fn load(&self, id: ArtifactId) -> Result<Bytes> {
        self.shared.lock().bytes(Operation::Load, id)
    }

    async fn download(&self, id: ArtifactId, range: ByteRange) -> Result<Download> {
        let bytes = self.shared.lock().bytes(Operation::Download, id)?;
        download::open(id, &bytes, range)
    }

    async fn stat(&self, id: ArtifactId) -> Result<BlobStat> {
        self.shared.lock().stat(id)
    }
}

#[async_trait]
impl ArtifactInventory for MemBackend {
    async fn list(&self) -> Result<BlobList> {
        Ok(inventory::list(Arc::clone(&self.shared)))
    }

    async fn list_shard(&self, shard: Shard, after: Option<ArtifactId>) -> Result<BlobList> {
        let map = Arc::clone(&self.shared);
        Ok(inventory::list_shard(map, shard, after))
    }

    async fn delete(&self, id: ArtifactId) -> Result<()> {
        self.shared.lock().remove(id);
        Ok(())
    }

    async fn sweep(&self, _older_than: Duration) -> Result<SweepReport> {
        // Dropped and aborted uploads free their memory at once, so there are no leftovers.
        Ok(SweepReport::default())
    }

    async fn store_id(&self) -> Result<Option<StoreId>> {
        Ok(self.shared.lock().store_id)
    }

    async fn create_store_id(&self, new: StoreId) -> Result<StoreId> {
        Ok(*self.shared.lock().store_id.get_or_insert(new))
    }

    async fn probe(&self) -> Result<()> {
        Ok(())
    }

    async fn close(&self) {}
}

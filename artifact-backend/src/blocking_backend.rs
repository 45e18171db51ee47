//! A backend for programs without an async runtime.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::backend::ArtifactBackend;
use crate::blocking_io::{BlockingDownload, BlockingList, BlockingUpload, Inside, OwnRuntime};
use crate::error::Result;
use crate::id::ArtifactId;
use crate::inventory::{ArtifactInventory, BlobStat, SweepReport};
use crate::range::ByteRange;
use crate::shard::Shard;
use crate::store_id::StoreId;
use crate::writer::UploadWriter;

/// A backend whose methods block, for programs without an async runtime.
///
/// It runs the backend on a tokio runtime of its own, with one worker thread. Clones share it; any number of threads may call it. Each
/// method keeps the promises of the async method of the same name.
///
/// Dropping the last clone ends the runtime and does not wait for the removal of dropped uploads; [`close`](Self::close) does.
///
/// ```
/// use std::io::{Read, Write};
///
/// use artifact_backend::{ArtifactId, BlockingBackend, ByteRange};
/// use artifact_backend_mem::MemBackend;
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     // A folder: BlockingBackend::open(FsBackend::open("blobs", FsConfig::default()))?
///     let backend = BlockingBackend::open(async { Ok(MemBackend::default()) })?;
///     let id = ArtifactId::mint();
///     let mut upload = backend.upload(id)?;
///     upload.write_all(b"twelve bytes")?;
///     upload.commit()?; // now it is durable and visible
///     assert_eq!(backend.load(id)?, "twelve bytes");
///
///     let mut text = String::new();
///     backend.download(id, ByteRange::Suffix(5))?.read_to_string(&mut text)?;
///     assert_eq!(text, "bytes");
///     Ok(())
/// }
/// ```
///
/// # Panics
///
/// Every method panics inside an async task, which must not block. Async programs use the backend itself; blocking code in an
/// async program runs in `spawn_blocking`, from which every method may be called.
#[derive(Debug, Clone)]
pub struct BlockingBackend<B> {
    backend: B,
    runtime: Arc<OwnRuntime>,
}

impl<B> BlockingBackend<B> {
    /// Starts a runtime and opens a backend on it.
    ///
    /// # Errors
    ///
    /// The error of `opening`, or `Unavailable` if no thread can be started.
    pub fn open(opening: impl Future<Output = Result<B>>) -> Result<Self> {
        let runtime = Arc::new(OwnRuntime::start()?);
        let backend = runtime.block_on(opening)?;
        Ok(Self { backend, runtime })
    }

    /// Returns the async backend.
    pub fn inner(&self) -> &B {
        &self.backend
    }

    fn inside<T>(&self, value: T) -> Inside<T> {
        Inside {
            value: Some(value),
            runtime: Arc::clone(&self.runtime),
        }
    }
}

impl<B: ArtifactBackend> BlockingBackend<B> {
    /// Stores a whole blob; see [`ArtifactBackend::store`]. `Ok` means durable.
    ///
    /// # Errors
    ///
    /// As for [`ArtifactBackend::store`].
    pub fn store(&self, id: ArtifactId, bytes: Bytes) -> Result<()> {
        self.runtime.block_on(self.backend.store(id, bytes))
    }

    /// Begins to store a blob that is written in pieces; see [`ArtifactBackend::upload`].
    ///
    /// # Errors
    ///
    /// As for [`ArtifactBackend::upload`].
    pub fn upload(&self, id: ArtifactId) -> Result<BlockingUpload> {
        let upload = self.runtime.block_on(self.backend.upload(id))?;
        Ok(BlockingUpload(self.inside(UploadWriter::new(upload))))
    }

    /// Loads a whole blob into memory; see [`ArtifactBackend::load`].
    ///
    /// # Errors
    ///
    /// As for [`ArtifactBackend::load`].
    pub fn load(&self, id: ArtifactId) -> Result<Bytes> {
        self.runtime.block_on(self.backend.load(id))
    }

    /// Opens a blob for reading; see [`ArtifactBackend::download`].
    ///
    /// # Errors
    ///
    /// As for [`ArtifactBackend::download`].
    pub fn download(&self, id: ArtifactId, range: ByteRange) -> Result<BlockingDownload> {
        let download = self.runtime.block_on(self.backend.download(id, range))?;
        Ok(BlockingDownload(self.inside(download.into_reader())))
    }

    /// Returns the size and time of one blob; see [`ArtifactBackend::stat`].
    ///
    /// # Errors
    ///
    /// As for [`ArtifactBackend::stat`].
    pub fn stat(&self, id: ArtifactId) -> Result<BlobStat> {
        self.runtime.block_on(self.backend.stat(id))
    }
}

impl<B: ArtifactInventory> BlockingBackend<B> {
    /// Lists every blob once; see [`ArtifactInventory::list`].
    ///
    /// # Errors
    ///
    /// As for [`ArtifactInventory::list`], at once or as an item.
    pub fn list(&self) -> Result<BlockingList> {
        let list = self.runtime.block_on(self.backend.list())?;
        Ok(BlockingList(self.inside(list)))
    }

    /// Lists the blobs of one shard in the order of their ids; see [`ArtifactInventory::list_shard`].
    ///
    /// # Errors
    ///
    /// As for [`ArtifactInventory::list_shard`], at once or as an item.
    pub fn list_shard(&self, shard: Shard, after: Option<ArtifactId>) -> Result<BlockingList> {
        let list = self.backend.list_shard(shard, after);
        let list = self.runtime.block_on(list)?;
        Ok(BlockingList(self.inside(list)))
    }

    /// Deletes one blob; see [`ArtifactInventory::delete`].
    ///
    /// # Errors
    ///
    /// As for [`ArtifactInventory::delete`].
    pub fn delete(&self, id: ArtifactId) -> Result<()> {
        self.runtime.block_on(self.backend.delete(id))
    }

    /// Removes leftovers; see [`ArtifactInventory::sweep`].
    ///
    /// # Errors
    ///
    /// As for [`ArtifactInventory::sweep`].
    pub fn sweep(&self, older_than: Duration) -> Result<SweepReport> {
        self.runtime.block_on(self.backend.sweep(older_than))
    }

    /// Returns the store id; see [`ArtifactInventory::store_id`].
    ///
    /// # Errors
    ///
    /// As for [`ArtifactInventory::store_id`].
    pub fn store_id(&self) -> Result<Option<StoreId>> {
        self.runtime.block_on(self.backend.store_id())
    }

    /// Creates the store id; see [`ArtifactInventory::create_store_id`].
    ///
    /// # Errors
    ///
    /// As for [`ArtifactInventory::create_store_id`].
    pub fn create_store_id(&self, new: StoreId) -> Result<StoreId> {
        self.runtime.block_on(self.backend.create_store_id(new))
    }

    /// Checks the storage; see [`ArtifactInventory::probe`].
    ///
    /// # Errors
    ///
    /// As for [`ArtifactInventory::probe`].
    pub fn probe(&self) -> Result<()> {
        self.runtime.block_on(self.backend.probe())
    }

    /// Waits until the background work of dropped uploads is over; see [`ArtifactInventory::close`].
    pub fn close(&self) {
        self.runtime.block_on(self.backend.close());
    }
}

//! The operations, and how a backend is opened.

use std::sync::Arc;
use std::time::Duration;

use artifact_backend::{
    ArtifactBackend, ArtifactId, ArtifactInventory, BlobList, BlobStat, ByteRange, Download, Error,
    ErrorKind, Operation, Result, SweepReport, Upload,
};
use async_trait::async_trait;
use bytes::Bytes;
use object_store::{ObjectStore, PutPayload};
use tokio::sync::OnceCell;

use crate::bucket_url::check_prefix;
use crate::cleanup::Cleanup;
use crate::config::S3Config;
use crate::core::{Core, Traits};
use crate::layout::Layout;
use crate::multipart::Large;
use crate::probe::{self, ProbeReport};
use crate::upload::CloudUpload;
use crate::{download, inventory, load, sweep};

/// A backend in an object store.
///
/// Clones share one client and its connections. Call [`close`](Self::close) before the runtime ends,
/// so that what dropped uploads left is removed and need not wait for a sweep.
#[derive(Debug, Clone)]
pub struct ObjectStoreBackend {
    core: Arc<Core>,
}

impl ObjectStoreBackend {
    /// A backend in any object store that a program has already, under a prefix that may be empty.
    ///
    /// What the store must do: create only where there is nothing (`PutMode::Create`), and copy so
    /// (`CopyMode::Create`); [`probe`](Self::probe) tries both. Where it keeps metadata, every
    /// outcome that is in doubt is cleared up by it. Where it keeps none (`LocalFileSystem`), what
    /// was in doubt, and is taken afterwards, is `Ambiguous`, and a foreign object with a blob's name
    /// is not told apart from a blob. `Ok` is as durable as the store's own acknowledgement:
    /// `LocalFileSystem` needs `with_fsync(true)` for that.
    ///
    /// Large blobs make a detour by a staging key. For S3, Google and Azure the constructors of
    /// their own are better: no detour, ranges in one request, errors that say what to do.
    ///
    /// # Errors
    ///
    /// `Misconfigured` when the prefix breaks the grammar of [`BucketUrl`](crate::BucketUrl).
    pub fn from_store(store: Arc<dyn ObjectStore>, prefix: &str, config: S3Config) -> Result<Self> {
        let traits = Traits {
            large: Large::Plain,
            pending: None,
            marks: OnceCell::new(),
            is_cloud: false,
            suffix_ranges: false,
        };
        Self::new(store, prefix, config, traits)
    }

    pub(crate) fn new(
        store: Arc<dyn ObjectStore>,
        prefix: &str,
        config: S3Config,
        traits: Traits,
    ) -> Result<Self> {
        let prefix = check_prefix(prefix).map_err(|error| {
            Error::new(ErrorKind::Misconfigured, Operation::Open)
                .with_detail("the prefix cannot be used")
                .with_source(error)
        })?;
        let core = Core {
            store,
            layout: Layout::new(prefix),
            config,
            traits,
            cleanup: Cleanup::default(),
        };
        Ok(Self {
            core: Arc::new(core),
        })
    }

    /// Tries whether the store really keeps what this backend is built on: it creates objects twice
    /// and racing, in one request and in parts, reads them back, and removes them. Some 100 small
    /// requests; a second or two, or as long as the deadlines allow.
    ///
    /// A store that fails it must not be used by more than one writer, nor where an answer can get
    /// lost: it overwrites. With ids that are minted at random, as ours are, two writers never choose
    /// the same one by chance, so a program may decide to use it all the same; it then loses clause 1
    /// of the contract for ids that are used twice, and clause 7.
    ///
    /// # Errors
    ///
    /// `Misconfigured` when the bucket is missing or the store fails, with what it did;
    /// `PermissionDenied`, `Unavailable` and the like when it could not be tried.
    pub async fn probe(&self) -> Result<ProbeReport> {
        probe::probe(&self.core).await
    }

    /// Waits until what dropped uploads left is removed, as far as the storage can be reached. It
    /// may be used again afterwards.
    pub async fn close(&self) {
        self.core.cleanup.done().await;
    }
}

#[async_trait]
impl ArtifactBackend for ObjectStoreBackend {
    async fn store(&self, id: ArtifactId, bytes: Bytes) -> Result<()> {
        let payload = PutPayload::from_bytes(bytes);
        self.core.create_whole(Operation::Store, id, payload).await
    }

    async fn upload(&self, id: ArtifactId) -> Result<Box<dyn Upload>> {
        Ok(Box::new(CloudUpload::new(Arc::clone(&self.core), id)))
    }

    async fn load(&self, id: ArtifactId) -> Result<Bytes> {
        load::load(&self.core, id).await
    }

    async fn download(&self, id: ArtifactId, range: ByteRange) -> Result<Download> {
        let opened = self.core.open(Operation::Download, id, range).await?;
        let (size, range) = (opened.meta.size, opened.range.clone());
        let core = Arc::clone(&self.core);
        let stream = download::stream(core, Operation::Download, id, opened);
        Ok(Download::new(id, size, range, stream))
    }
}

#[async_trait]
impl ArtifactInventory for ObjectStoreBackend {
    async fn list(&self) -> Result<BlobList> {
        // A bucket that is not there is told now, not by the first item.
        self.core
            .look_at_bucket()
            .await
            .map_err(|trouble| trouble.into_error(Operation::List, None))?;
        Ok(inventory::list(&self.core))
    }

    async fn stat(&self, id: ArtifactId) -> Result<BlobStat> {
        self.core.stat(id).await
    }

    async fn delete(&self, id: ArtifactId) -> Result<()> {
        self.core.delete(id).await
    }

    async fn sweep(&self, older_than: Duration) -> Result<SweepReport> {
        sweep::sweep(&self.core, older_than).await
    }
}

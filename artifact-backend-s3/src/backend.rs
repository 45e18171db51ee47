//! The backend: its constructor for any store, and the contract's operations.

use std::sync::Arc;
use std::time::Duration;

use artifact_backend::metrics::RETRIES;
use artifact_backend::{
    ArtifactBackend, ArtifactId, ArtifactInventory, BlobList, BlobStat, ByteRange, Download, Error,
    ErrorKind, Operation, Result, Shard, StoreId, SweepReport, Upload,
};
use artifact_backend_config::S3Config;
use async_trait::async_trait;
use bytes::Bytes;
use object_store::{ObjectStore, PutPayload};
use tokio::sync::OnceCell;

use crate::bucket_url::check_prefix;
use crate::cleanup::Cleanup;
use crate::layout::Layout;
use crate::probe::{self, ProbeReport};
use crate::retry::METRICS_LABEL;
use crate::shard_list::list_shard;
use crate::shared::{Bucket, Capabilities};
use crate::upload::BucketUpload;
use crate::upload_strategy::UploadStrategy;
use crate::{download, inventory, load, sweep};

/// A backend in an object store: `s3://`, `gs://`, `az://`, or any [`ObjectStore`].
///
/// Clones share one client and its connections. Call [`close`](Self::close) before the runtime ends:
/// it waits until the leftovers of dropped uploads are removed, so that no sweep has to do it.
#[derive(Debug, Clone)]
pub struct ObjectStoreBackend {
    pub(crate) bucket: Arc<Bucket>,
}

impl ObjectStoreBackend {
    /// Opens a backend in any object store, under a prefix that may be empty.
    ///
    /// The store must support exclusive creates ([`PutMode::Create`](object_store::PutMode::Create))
    /// and exclusive copies ([`CopyMode::Create`](object_store::CopyMode::Create)).
    /// [`probe`](Self::probe) tests both. `Ok` is as durable as the store's own acknowledgement:
    /// `LocalFileSystem` needs `with_fsync(true)`.
    ///
    /// If the store keeps metadata, the backend uses it to resolve every unknown outcome. If it does
    /// not (`LocalFileSystem`), two things differ:
    ///
    /// - An unknown outcome stays `Ambiguous` if an object exists under the name afterwards.
    /// - The backend cannot tell a foreign object under a blob's name from a blob.
    ///
    /// Large blobs are uploaded to a staging key and then copied. For S3, Google and Azure prefer
    /// [`open`](Self::open) and the providers' own constructors: they need no staging copy on S3 and
    /// Azure, request ranges directly, and report errors that say what to do.
    ///
    /// # Errors
    ///
    /// `Misconfigured` if the prefix breaks the grammar of [`BucketUrl`](crate::BucketUrl).
    pub fn from_store(store: Arc<dyn ObjectStore>, prefix: &str, config: S3Config) -> Result<Self> {
        let capabilities = Capabilities {
            upload_strategy: UploadStrategy::Generic,
            incomplete_uploads: None,
            keeps_metadata: OnceCell::new(),
            is_cloud: false,
            lists_in_order: false,
            suffix_ranges: false,
        };
        Self::new(store, prefix, config, capabilities)
    }

    pub(crate) fn new(
        store: Arc<dyn ObjectStore>,
        prefix: &str,
        config: S3Config,
        capabilities: Capabilities,
    ) -> Result<Self> {
        RETRIES.describe();
        // The counter is 0 before the first retry.
        let _ = RETRIES.register_counter(&[METRICS_LABEL]);
        let prefix = check_prefix(prefix).map_err(|error| {
            Error::new(ErrorKind::Misconfigured, Operation::Open)
                .with_detail("the prefix is not valid")
                .with_source(error)
        })?;
        let bucket = Bucket {
            store,
            layout: Layout::new(prefix),
            config,
            capabilities,
            cleanup: Cleanup::default(),
        };
        Ok(Self {
            bucket: Arc::new(bucket),
        })
    }

    /// Tests whether the store keeps the promises that this backend relies on.
    ///
    /// Creates objects twice and concurrently, in one request and in parts, reads them back, and
    /// removes them. Sends about 100 small requests; takes a second or two, or as long as the
    /// deadlines allow.
    ///
    /// A store that fails the probe may overwrite objects. Do not use it with several writers, or
    /// where a response can get lost. Ids are random, so two writers never choose the same one by
    /// chance; a program may therefore decide to use such a store. It then loses clause 1 of the
    /// contract for ids that are used twice, and clause 7.
    ///
    /// # Errors
    ///
    /// - `Misconfigured` if the bucket is missing or the store fails the probe. The detail names the
    ///   failed check.
    /// - `PermissionDenied`, `Unavailable` and the like if the probe could not run.
    pub async fn probe(&self) -> Result<ProbeReport> {
        probe::probe(&self.bucket).await
    }
}

#[async_trait]
impl ArtifactBackend for ObjectStoreBackend {
    async fn store(&self, id: ArtifactId, bytes: Bytes) -> Result<()> {
        let payload = PutPayload::from_bytes(bytes);
        self.bucket
            .create_in_one_request(Operation::Store, id, payload)
            .await
    }

    async fn upload(&self, id: ArtifactId) -> Result<Box<dyn Upload>> {
        Ok(Box::new(BucketUpload::new(Arc::clone(&self.bucket), id)))
    }

    async fn load(&self, id: ArtifactId) -> Result<Bytes> {
        load::load(&self.bucket, id).await
    }

    async fn download(&self, id: ArtifactId, range: ByteRange) -> Result<Download> {
        let blob = self.bucket.open(Operation::Download, id, range).await?;
        let (size, range) = (blob.meta.size, blob.range.clone());
        let bucket = Arc::clone(&self.bucket);
        let stream = download::stream(bucket, Operation::Download, id, blob);
        Ok(Download::new(id, size, range, stream))
    }

    async fn stat(&self, id: ArtifactId) -> Result<BlobStat> {
        self.bucket.stat(id).await
    }
}

#[async_trait]
impl ArtifactInventory for ObjectStoreBackend {
    /// As in the trait. A provider's list shows no metadata, so a foreign object under a blob's key is listed
    /// as a blob, which `load` and `stat` then report as `Corrupt`. No item of the list is a damaged blob.
    async fn list(&self) -> Result<BlobList> {
        // Reports a missing bucket now rather than in the list's first item.
        self.bucket
            .check_exists()
            .await
            .map_err(|error| error.into_error(Operation::List, None))?;
        Ok(inventory::list(&self.bucket))
    }

    /// As in the trait; like [`list`](ArtifactInventory::list), it recognises no damage. S3, Google and Azure list only the keys of
    /// the shard. Other stores promise no order, so all keys are listed once for each 65,536 blobs of the shard, and up
    /// to 65,536 stats are held in memory.
    async fn list_shard(&self, shard: Shard, after: Option<ArtifactId>) -> Result<BlobList> {
        self.bucket
            .check_exists()
            .await
            .map_err(|error| error.into_error(Operation::List, None))?;
        Ok(list_shard(&self.bucket, shard, after))
    }

    async fn delete(&self, id: ArtifactId) -> Result<()> {
        self.bucket.delete(id).await
    }

    async fn sweep(&self, older_than: Duration) -> Result<SweepReport> {
        sweep::sweep(&self.bucket, older_than).await
    }

    async fn store_id(&self) -> Result<Option<StoreId>> {
        self.bucket.store_id(Operation::ReadStoreId).await
    }

    async fn create_store_id(&self, new: StoreId) -> Result<StoreId> {
        self.bucket.create_store_id(new).await
    }

    /// As the inherent [`probe`](ObjectStoreBackend::probe), without the report.
    async fn probe(&self) -> Result<()> {
        probe::probe(&self.bucket).await.map(drop)
    }

    async fn close(&self) {
        self.bucket.cleanup.wait().await;
    }
}

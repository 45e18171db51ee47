//! What maintenance may do, and the request path may not.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use futures_core::stream::BoxStream;

use crate::backend::ArtifactBackend;
use crate::error::Result;
use crate::id::ArtifactId;

/// The stream that [`ArtifactInventory::list`] gives.
pub type BlobList = BoxStream<'static, Result<BlobStat>>;

/// A backend with the operations of maintenance: see every blob, delete one, sweep up leftovers.
///
/// Collection of orphans, scrub and migration are handed this; a request path is handed
/// [`ArtifactBackend`] and so cannot list or delete, by type.
#[async_trait]
pub trait ArtifactInventory: ArtifactBackend {
    /// Every blob, in no particular order, each once (clause 11).
    ///
    /// A blob that was acknowledged before the call and is not deleted during it is there. One that
    /// comes or goes while the stream runs may be there or not. Leftovers are not blobs. What lies
    /// in the root and is neither ours nor a blob is passed over. Memory does not grow with the
    /// number of blobs by more than their ids.
    ///
    /// # Errors
    ///
    /// `Unavailable` and the operator's kinds; in the stream, an error ends it.
    async fn list(&self) -> Result<BlobList>;

    /// Size and time of one blob, without its bytes.
    ///
    /// # Errors
    ///
    /// As for [`load`](ArtifactBackend::load).
    async fn stat(&self, id: ArtifactId) -> Result<BlobStat>;

    /// Deletes one blob; no error where there is none. `Ok` means that the absence is durable.
    ///
    /// Who is reading it meanwhile reads it to the end or gets an error, never other bytes. The id
    /// must not be stored again: whether that would succeed is not part of the contract.
    ///
    /// # Errors
    ///
    /// `Corrupt` where what lies there is not a blob of ours (it is left alone), `Ambiguous` where
    /// it cannot be known whether it is gone, `Unavailable` and the operator's kinds.
    async fn delete(&self, id: ArtifactId) -> Result<()>;

    /// Removes leftovers (what crashed or dropped stores and uploads left) that are at least so old.
    ///
    /// It never removes a blob, nor what a live upload, of this process or another, still uses,
    /// however old.
    ///
    /// # Errors
    ///
    /// `Unavailable` and the operator's kinds. What was removed before the error stays removed.
    async fn sweep(&self, older_than: Duration) -> Result<SweepReport>;
}

/// What is known of a stored blob without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlobStat {
    /// Its id.
    pub id: ArtifactId,
    /// Its size, in bytes.
    pub size: u64,
    /// When it was stored, by the storage's own clock.
    pub modified: SystemTime,
}

impl BlobStat {
    /// For implementors.
    pub fn new(id: ArtifactId, size: u64, modified: SystemTime) -> Self {
        Self { id, size, modified }
    }
}

/// What one [`ArtifactInventory::sweep`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct SweepReport {
    /// Leftovers removed.
    pub removed: u64,
    /// Bytes that the removed leftovers held.
    pub removed_bytes: u64,
    /// Leftovers that stay: too young, still in use, or for somebody to look at.
    pub kept: u64,
}

impl SweepReport {
    /// Counts a removed leftover of so many bytes.
    pub fn count_removed(&mut self, bytes: u64) {
        self.removed += 1;
        self.removed_bytes += bytes;
    }

    /// Counts a leftover that stays.
    pub fn count_kept(&mut self) {
        self.kept += 1;
    }
}

macro_rules! forward {
    ($pointer:ident) => {
        #[deny(clippy::missing_trait_methods)]
        #[async_trait]
        impl<B: ArtifactInventory + ?Sized> ArtifactInventory for $pointer<B> {
            async fn list(&self) -> Result<BlobList> {
                (**self).list().await
            }

            async fn stat(&self, id: ArtifactId) -> Result<BlobStat> {
                (**self).stat(id).await
            }

            async fn delete(&self, id: ArtifactId) -> Result<()> {
                (**self).delete(id).await
            }

            async fn sweep(&self, older_than: Duration) -> Result<SweepReport> {
                (**self).sweep(older_than).await
            }
        }
    };
}

forward!(Arc);
forward!(Box);

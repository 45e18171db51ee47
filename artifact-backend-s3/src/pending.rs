//! Multipart uploads that were begun and neither completed nor aborted. They are no objects, and no
//! list of objects shows them, but they are kept, and paid for.

use std::fmt::Debug;
use std::time::SystemTime;

use async_trait::async_trait;
use object_store::path::Path;

/// One upload that was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pending {
    pub(crate) key: Path,
    pub(crate) upload_id: String,
    pub(crate) begun: SystemTime,
}

/// Parts that have arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arrived {
    pub(crate) bytes: u64,
    /// When the last of them did.
    pub(crate) last: Option<SystemTime>,
}

/// Where a storage lists them.
#[async_trait]
pub(crate) trait PendingUploads: Debug + Send + Sync + 'static {
    /// All below `place`.
    async fn list(&self, place: &Path) -> Result<Vec<Pending>, object_store::Error>;

    /// What has arrived of one.
    async fn parts(&self, pending: &Pending) -> Result<Arrived, object_store::Error>;

    /// Removes one.
    async fn abort(&self, pending: &Pending) -> Result<(), object_store::Error>;
}

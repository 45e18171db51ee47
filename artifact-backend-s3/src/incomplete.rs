//! Incomplete multipart uploads: begun, but neither completed nor aborted. They are not objects and
//! appear in no list of objects, but the provider stores and bills their parts.

use std::fmt::Debug;
use std::time::SystemTime;

use async_trait::async_trait;
use object_store::path::Path;

/// An incomplete upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IncompleteUpload {
    pub(crate) key: Path,
    pub(crate) upload_id: String,
    pub(crate) begun: SystemTime,
}

/// The parts of an incomplete upload that have arrived.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ArrivedParts {
    pub(crate) bytes: u64,
    /// When the last part arrived.
    pub(crate) last: Option<SystemTime>,
}

/// A storage that can list its incomplete uploads.
#[async_trait]
pub(crate) trait IncompleteUploads: Debug + Send + Sync + 'static {
    /// Lists all incomplete uploads whose key is below `prefix`.
    async fn list(&self, prefix: &Path) -> Result<Vec<IncompleteUpload>, object_store::Error>;

    /// Returns which parts of an upload have arrived.
    async fn parts(&self, upload: &IncompleteUpload) -> Result<ArrivedParts, object_store::Error>;

    /// Removes an upload.
    async fn abort(&self, upload: &IncompleteUpload) -> Result<(), object_store::Error>;
}

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

/// A page of the list of incomplete uploads.
#[derive(Debug, Default)]
pub(crate) struct UploadPage {
    pub(crate) uploads: Vec<IncompleteUpload>,
    /// Where the next page begins; `None` on the last page.
    pub(crate) next: Option<UploadMarker>,
}

/// The last upload of a page. The next page begins behind it, even if the upload is gone by then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UploadMarker {
    pub(crate) key: String,
    pub(crate) upload_id: String,
}

/// A page of the list of an upload's parts.
#[derive(Debug, Default)]
pub(crate) struct PartPage {
    pub(crate) parts: ArrivedParts,
    /// The number of the last part on this page; `None` on the last page.
    pub(crate) next: Option<String>,
}

/// The parts of an incomplete upload that have arrived.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ArrivedParts {
    pub(crate) bytes: u64,
    /// The size of the largest part in bytes.
    pub(crate) largest: u64,
    /// When the last part arrived.
    pub(crate) last: Option<SystemTime>,
}

impl ArrivedParts {
    /// Adds the parts of another page.
    pub(crate) fn add(&mut self, page: Self) {
        self.bytes += page.bytes;
        self.largest = self.largest.max(page.largest);
        self.last = self.last.max(page.last);
    }
}

/// A storage that can list its incomplete uploads. Each method sends one request.
#[async_trait]
pub(crate) trait IncompleteUploads: Debug + Send + Sync + 'static {
    /// Returns a page of the incomplete uploads whose key is below `prefix`.
    async fn list(
        &self,
        prefix: &Path,
        after: Option<&UploadMarker>,
    ) -> Result<UploadPage, object_store::Error>;

    /// Returns a page of the parts of an upload that have arrived.
    async fn parts(
        &self,
        upload: &IncompleteUpload,
        after: Option<&str>,
    ) -> Result<PartPage, object_store::Error>;

    /// Removes an upload.
    async fn abort(&self, upload: &IncompleteUpload) -> Result<(), object_store::Error>;
}

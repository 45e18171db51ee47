//! How a storage receives blobs larger than one part.

use std::fmt;
use std::sync::Arc;

use object_store::multipart::MultipartStore;

/// How blobs larger than one part are uploaded and published.
///
/// | strategy | storage | parts go to | published by |
/// |---|---|---|---|
/// | `Exclusive` | S3, Azure | the blob's own key, invisible until completed | completing with `If-None-Match: *`, which the connector adds |
/// | `Staged` | Google | a key in `staging/` | a copy that fails if the blob exists |
/// | `Generic` | any other | a key in `staging/` | a copy that fails if the blob exists |
#[derive(Clone)]
pub(crate) enum UploadStrategy {
    /// Uploads parts to the blob's own key and completes exclusively.
    Exclusive {
        store: Arc<dyn MultipartStore>,
        /// Whether the write id is sent when the upload completes rather than when it begins.
        write_id_on_completion: bool,
    },
    /// Uploads parts to a staging key, through an interface that can resend a part.
    Staged(Arc<dyn MultipartStore>),
    /// Uploads parts to a staging key, through the interface of every `ObjectStore`. A failed part
    /// is not resent by this backend; the store's own client may retry it.
    Generic,
}

impl fmt::Debug for UploadStrategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exclusive { .. } => "Exclusive",
            Self::Staged(_) => "Staged",
            Self::Generic => "Generic",
        })
    }
}

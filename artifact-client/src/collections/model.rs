//! What a server says about collections.

use artifact_backend::Sha256Digest;
use serde::{Deserialize, Serialize};

use crate::management::{read_digest, write_digest};

/// A collection, without its files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Collection {
    /// The id.
    pub id: String,
    /// The experiment.
    pub experiment: String,
    /// The owner.
    pub created_by: String,
    /// The label, if it has one.
    pub title: Option<String>,
    /// When it was created, RFC 3339 in UTC.
    pub created_at: String,
    /// When it was sealed, RFC 3339 in UTC.
    pub sealed_at: Option<String>,
    /// `open`, `sealed` or `deleting`.
    pub state: String,
    /// The number of files that are in it now.
    pub files: u64,
    /// The sum of their sizes.
    pub size_bytes: u64,
}

/// One page of a list of collections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CollectionPage {
    /// The collections, the oldest first.
    pub collections: Vec<Collection>,
    /// The position of the next page, or `None` if this page is the last one.
    pub next: Option<String>,
}

/// A file of a collection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CollectionFile {
    /// The name. It comes from the depositor: check it before it becomes a path on a disk.
    pub name: String,
    /// The URI of the artifact.
    #[serde(rename = "artifacts_uri")]
    pub uri: String,
    /// The id of the artifact.
    pub id: String,
    /// The size in bytes.
    pub size_bytes: u64,
    /// The recorded content type.
    pub content_type: String,
    /// The SHA-256 of the bytes.
    #[serde(serialize_with = "write_digest", deserialize_with = "read_digest")]
    pub sha256: Sha256Digest,
    /// When it was deposited, RFC 3339 in UTC.
    pub created_at: String,
}

/// One page of a list of files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FilePage {
    /// The files in the order of the bytes of their names.
    pub files: Vec<CollectionFile>,
    /// With [`by_folder`](FileFilter::by_folder), the parts of names up to and with the slash.
    pub folders: Vec<String>,
    /// The position of the next page, or `None` if this page is the last one.
    pub next: Option<String>,
}

/// What is in a sealed collection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Manifest {
    /// The collection.
    pub collection: Collection,
    /// The files in the order of the bytes of their names.
    pub files: Vec<CollectionFile>,
    /// The totals, which the client has compared with the files.
    pub total: ManifestTotal,
}

/// The totals of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ManifestTotal {
    /// The number of files.
    pub files: u64,
    /// The sum of their sizes.
    pub size_bytes: u64,
    /// The SHA-256 of the lines that `sha256sum` prints for the files.
    #[serde(serialize_with = "write_digest", deserialize_with = "read_digest")]
    pub sha256: Sha256Digest,
}

/// Selects files of a collection. By default all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileFilter {
    prefix: Option<String>,
    by_folder: bool,
    limit: Option<String>,
}

impl FileFilter {
    /// Selects files whose names begin with this text.
    #[must_use = "this returns the changed filter"]
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = Some(prefix.into());
        self
    }

    /// Lists one folder: leaves out names with a slash after the prefix, and lists their parts up to that slash.
    #[must_use = "this returns the changed filter"]
    pub fn by_folder(mut self) -> Self {
        self.by_folder = true;
        self
    }

    /// Sets the greatest number of files and folders on a page: 1 to 1,000. By default the server decides.
    #[must_use = "this returns the changed filter"]
    pub fn with_limit(mut self, limit: u32) -> Self {
        self.limit = Some(limit.to_string());
        self
    }

    pub(super) fn parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        let prefix = self.prefix.as_deref().map(|prefix| ("prefix", prefix));
        let delimiter = self.by_folder.then_some(("delimiter", "/"));
        let limit = self.limit.as_deref().map(|limit| ("limit", limit));
        [prefix, delimiter, limit].into_iter().flatten()
    }
}

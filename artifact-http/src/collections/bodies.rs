//! Collections and their files as JSON.

use artifact_backend::UriPrefix;
use artifact_store::{Collection, CollectionFile, DisplayName, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use crate::openapi::schemas::{self, ARTIFACT, COLLECTION, URI};

/// A collection, without its files.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Collection")]
pub(super) struct CollectionBody<'c> {
    /// The name of the collection in paths. Opaque.
    #[schemars(extend("examples" = [COLLECTION]))]
    id: String,
    #[schemars(with = "schemas::ExperimentField")]
    experiment: &'c str,
    /// Its owner.
    #[schemars(with = "schemas::Principal")]
    created_by: &'c str,
    /// Its label, if it has one.
    #[schemars(extend("examples" = ["Results of March"]))]
    title: Option<&'c str>,
    #[schemars(with = "schemas::Time")]
    created_at: String,
    /// When it was sealed, or `null`.
    #[schemars(extend("format" = "date-time"))]
    sealed_at: Option<String>,
    /// `open` takes files, `sealed` does not, `deleting` is being deleted.
    #[schemars(extend("enum" = ["open", "sealed", "deleting"]))]
    state: &'static str,
    /// The number of files that are in it now.
    #[schemars(extend("examples" = [2]))]
    files: u64,
    /// The sum of their sizes.
    #[schemars(extend("examples" = [12345]))]
    size_bytes: u64,
}

impl<'c> CollectionBody<'c> {
    pub(super) fn new(collection: &'c Collection) -> Self {
        Self {
            id: collection.id.to_string(),
            experiment: collection.experiment.as_str(),
            created_by: collection.owner.as_str(),
            title: collection.title.as_ref().map(DisplayName::as_str),
            created_at: collection.created_at.to_string(),
            sealed_at: collection.sealed_at.as_ref().map(Timestamp::to_string),
            state: match collection {
                _ if collection.deleting_since.is_some() => "deleting",
                _ if collection.sealed_at.is_some() => "sealed",
                _ => "open",
            },
            files: collection.files,
            size_bytes: collection.bytes,
        }
    }
}

/// A file of a collection.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CollectionFile")]
pub(super) struct FileBody<'f> {
    #[schemars(extend("examples" = ["runs/7/loss.csv"]))]
    name: &'f str,
    /// The name to fetch the artifact by. Opaque.
    #[schemars(extend("examples" = [URI]))]
    artifacts_uri: String,
    /// The name of the artifact in the paths of management.
    #[schemars(extend("examples" = [ARTIFACT]))]
    id: String,
    #[schemars(extend("examples" = [12345]))]
    size_bytes: u64,
    #[schemars(extend("examples" = ["text/csv"]))]
    content_type: &'f str,
    /// The SHA-256 of the bytes in hexadecimal.
    #[schemars(extend("examples" = [schemas::SHA256]))]
    sha256: String,
    #[schemars(with = "schemas::Time")]
    created_at: String,
}

impl<'f> FileBody<'f> {
    pub(super) fn new(file: &'f CollectionFile, prefix: &UriPrefix) -> Self {
        Self {
            name: file.path.as_str(),
            artifacts_uri: prefix.uri(file.id).to_string(),
            id: file.id.to_string(),
            size_bytes: file.size,
            content_type: file.content_type.as_str(),
            sha256: file.sha256.to_string(),
            created_at: file.created_at.to_string(),
        }
    }
}

//! The row of an artifact.

use artifact_backend::{ArtifactId, Sha256Digest};
use jiff::Timestamp;

use crate::content_type::ContentType;
use crate::experiment::ExperimentId;
use crate::file_name::FileName;
use crate::principal::PrincipalId;
use crate::time::truncate_to_micros;

/// The record of one artifact.
///
/// It is written once, after the bytes are durable, and never changes; it can only be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Row {
    /// The name of the bytes in the backend.
    pub id: ArtifactId,
    /// The experiment that the artifact belongs to.
    pub experiment: ExperimentId,
    /// The authenticated depositor.
    pub created_by: PrincipalId,
    /// The size in bytes.
    pub size: u64,
    /// The content type that the depositor declared, sanitized.
    pub content_type: ContentType,
    /// The file name that the depositor declared, sanitized.
    pub file_name: Option<FileName>,
    /// The SHA-256 of the bytes.
    pub sha256: Sha256Digest,
    /// When the row was created, by the store's clock, in whole microseconds since 1970.
    #[cfg_attr(
        feature = "serde",
        serde(deserialize_with = "crate::serde_impl::micros")
    )]
    pub created_at: Timestamp,
    /// The time from which on the artifact may be removed, in whole microseconds since 1970; set by the depositor. Without
    /// it, the retention of the experiment decides.
    #[cfg_attr(
        feature = "serde",
        serde(default, deserialize_with = "crate::serde_impl::optional_micros")
    )]
    pub expires_at: Option<Timestamp>,
}

impl Row {
    /// Creates a row with the default content type and no file name. Truncates `created_at` to
    /// microseconds.
    ///
    /// A deposit creates its row itself; this is for implementations of
    /// [`Catalog`](crate::Catalog), and for tests.
    pub fn new(
        id: ArtifactId,
        experiment: ExperimentId,
        created_by: PrincipalId,
        size: u64,
        sha256: Sha256Digest,
        created_at: Timestamp,
    ) -> Self {
        Self {
            id,
            experiment,
            created_by,
            size,
            content_type: ContentType::default(),
            file_name: None,
            sha256,
            created_at: truncate_to_micros(created_at),
            expires_at: None,
        }
    }

    /// Sets the time from which on the artifact may be removed. Truncates it to microseconds.
    #[must_use = "returns the changed row"]
    pub fn with_expires_at(mut self, expires_at: impl Into<Option<Timestamp>>) -> Self {
        self.expires_at = expires_at.into().map(truncate_to_micros);
        self
    }

    /// Sets the content type.
    #[must_use = "returns the changed row"]
    pub fn with_content_type(mut self, content_type: ContentType) -> Self {
        self.content_type = content_type;
        self
    }

    /// Sets the file name, or removes it.
    #[must_use = "returns the changed row"]
    pub fn with_file_name(mut self, file_name: impl Into<Option<FileName>>) -> Self {
        self.file_name = file_name.into();
        self
    }
}

//! What is recorded beside the bytes.

use artifact_backend::{ArtifactId, Sha256Digest};
use jiff::Timestamp;

use crate::content_type::ContentType;
use crate::file_name::FileName;
use crate::names::{ExperimentId, PrincipalId};

/// What is recorded of one artifact. A row is written once, after the bytes are durable, and never
/// changes; only deletion ends it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Row {
    /// Names the bytes in the backend.
    pub id: ArtifactId,
    /// The one experiment it belongs to.
    pub experiment: ExperimentId,
    /// Who deposited it: the authenticated principal.
    pub created_by: PrincipalId,
    /// Its size, in bytes.
    pub size: u64,
    /// What the depositor declared it to be, cleaned.
    pub content_type: ContentType,
    /// What the depositor called the file, cleaned.
    pub file_name: Option<FileName>,
    /// The SHA-256 of its bytes.
    pub sha256: Sha256Digest,
    /// When the row was made, by the store's clock, in whole microseconds since 1970.
    pub created_at: Timestamp,
}

impl Row {
    /// A row with the default content type and no file name. `created_at` is cut to microseconds.
    ///
    /// Depositing makes rows by itself; this is for implementors of [`Catalog`](crate::Catalog) and for
    /// tests.
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
            created_at: whole_microseconds(created_at),
        }
    }

    /// The same row with this content type.
    #[must_use = "this gives the row back, it does not change it in place"]
    pub fn with_content_type(mut self, content_type: ContentType) -> Self {
        self.content_type = content_type;
        self
    }

    /// The same row with this file name, or none.
    #[must_use = "this gives the row back, it does not change it in place"]
    pub fn with_file_name(mut self, file_name: impl Into<Option<FileName>>) -> Self {
        self.file_name = file_name.into();
        self
    }
}

/// An experiment that this deployment hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Experiment {
    /// Its name.
    pub id: ExperimentId,
    /// When it was first hosted, in whole microseconds since 1970.
    pub created_at: Timestamp,
}

impl Experiment {
    /// An experiment. `created_at` is cut to microseconds.
    pub fn new(id: ExperimentId, created_at: Timestamp) -> Self {
        Self {
            id,
            created_at: whole_microseconds(created_at),
        }
    }
}

/// Databases keep microseconds; a time that they would cut is cut here, so that a row that was just
/// made equals the row that is read later.
pub(crate) fn whole_microseconds(time: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(time.as_microsecond())
        // The last second that jiff knows is one, and the microseconds after it are out of range.
        .or_else(|_| Timestamp::from_second(time.as_second()))
        .unwrap_or(time)
}

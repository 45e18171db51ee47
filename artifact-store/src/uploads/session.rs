//! The record of an upload session, and that of a part of it.

use std::time::Duration;

use artifact_backend::{ArtifactId, Sha256Digest};
use jiff::Timestamp;

use super::UploadId;
use crate::content_type::ContentType;
use crate::experiment::ExperimentId;
use crate::file_name::FileName;
use crate::principal::PrincipalId;

/// The record of an upload session.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UploadSession {
    /// The id of the session.
    pub id: UploadId,
    /// The experiment of the artifact.
    pub experiment: ExperimentId,
    /// The principal that created the session, and that will be the depositor of the artifact.
    pub created_by: PrincipalId,
    /// The content type of the artifact.
    pub content_type: ContentType,
    /// The file name of the artifact.
    pub file_name: Option<FileName>,
    /// How long the artifact is kept after its creation.
    pub expires_in: Option<Duration>,
    /// The SHA-256 that the whole file must have.
    pub sha256: Option<Sha256Digest>,
    /// The lowest epoch of the [`Placement`](crate::Placement) that bytes of the session were stored under.
    pub placement: u64,
    /// The length of the file in bytes, once it is declared.
    pub length: Option<u64>,
    /// The number of bytes that are stored.
    pub offset: u64,
    /// The number of parts that were appended.
    pub parts: u64,
    /// The artifact that the upload became.
    pub artifact: Option<ArtifactId>,
    /// When the session expires, by the clock of the database.
    pub expires_at: Timestamp,
}

impl UploadSession {
    /// Creates a session without bytes, for implementations of [`UploadRecords`](super::UploadRecords). It has expired.
    pub fn new(id: UploadId, experiment: ExperimentId, created_by: PrincipalId) -> Self {
        Self {
            id,
            experiment,
            created_by,
            content_type: ContentType::default(),
            file_name: None,
            expires_in: None,
            sha256: None,
            placement: 0,
            length: None,
            offset: 0,
            parts: 0,
            artifact: None,
            expires_at: Timestamp::UNIX_EPOCH,
        }
    }

    /// Returns whether all bytes have arrived: the length is declared, and the session has as many bytes.
    pub fn is_whole(&self) -> bool {
        self.length == Some(self.offset)
    }
}

/// The record of a part: bytes of a session, in a blob of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct UploadPart {
    /// The name of the blob in the backend.
    pub id: ArtifactId,
    /// The position of its first byte in the file.
    pub offset: u64,
    /// The size in bytes.
    pub size: u64,
    /// The SHA-256 of the part.
    pub sha256: Sha256Digest,
}

impl UploadPart {
    /// Creates the record of a part, for implementations of [`UploadRecords`](super::UploadRecords).
    pub fn new(id: ArtifactId, offset: u64, size: u64, sha256: Sha256Digest) -> Self {
        Self {
            id,
            offset,
            size,
            sha256,
        }
    }
}

//! A file in a collection.

use artifact_backend::{ArtifactId, Sha256Digest};
use jiff::Timestamp;

use super::id::CollectionId;
use super::path::CollectionPath;
use crate::content_type::ContentType;
use crate::row::Row;

/// A name in a collection, and the artifact that was deposited under it. It stays when the artifact is removed, so that the name is
/// never given again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CollectionFile {
    /// The name.
    pub path: CollectionPath,
    /// The artifact.
    pub id: ArtifactId,
    /// The size of the artifact in bytes.
    pub size: u64,
    /// The content type of the artifact.
    pub content_type: ContentType,
    /// The SHA-256 of the artifact.
    pub sha256: Sha256Digest,
    /// When the artifact was created.
    pub created_at: Timestamp,
    /// Whether the artifact is still there.
    pub state: FileState,
}

impl CollectionFile {
    /// Describes a row under a name.
    pub fn of(path: CollectionPath, row: &Row) -> Self {
        Self {
            path,
            id: row.id,
            size: row.size,
            content_type: row.content_type.clone(),
            sha256: row.sha256,
            created_at: row.created_at,
            state: FileState::Present,
        }
    }

    /// Returns whether the manifest of a sealed collection has it.
    pub fn is_in_manifest(&self) -> bool {
        self.state != FileState::Removed
    }
}

/// The collection that an artifact is in, and its name there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileLocation {
    /// The artifact.
    pub artifact: ArtifactId,
    /// The collection.
    pub collection: CollectionId,
    /// The name.
    pub path: CollectionPath,
}

impl FileLocation {
    /// Creates a location.
    pub fn new(artifact: ArtifactId, collection: CollectionId, path: CollectionPath) -> Self {
        Self {
            artifact,
            collection,
            path,
        }
    }
}

/// Whether the artifact of a name is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileState {
    /// It is there.
    Present,
    /// It was removed before the collection was sealed, so the manifest does not have it.
    Removed,
    /// It expired after the collection was sealed. The manifest still has it.
    Expired,
}

//! The lines of collections and their files.

use artifact_backend::{ArtifactId, Sha256Digest};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::collections::{Collection, CollectionFile, CollectionId, CollectionPath, FileState};
use crate::content_type::ContentType;
use crate::experiment::ExperimentId;
use crate::identity::DisplayName;
use crate::principal::PrincipalId;
use crate::time::truncate_to_micros;

/// A collection without the numbers of files and bytes, which a copy adds up again.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CollectionLine {
    id: CollectionId,
    experiment: ExperimentId,
    owner: PrincipalId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    title: Option<DisplayName>,
    created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sealed_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deleting_since: Option<Timestamp>,
}

impl From<Collection> for CollectionLine {
    fn from(collection: Collection) -> Self {
        Self {
            id: collection.id,
            experiment: collection.experiment,
            owner: collection.owner,
            title: collection.title,
            created_at: collection.created_at,
            sealed_at: collection.sealed_at,
            deleting_since: collection.deleting_since,
        }
    }
}

impl From<CollectionLine> for Collection {
    fn from(line: CollectionLine) -> Self {
        let CollectionLine {
            id,
            experiment,
            owner,
            title,
            created_at,
            sealed_at,
            deleting_since,
        } = line;
        let mut collection = Self::new(id, experiment, owner, created_at).with_title(title);
        collection.sealed_at = sealed_at.map(truncate_to_micros);
        collection.deleting_since = deleting_since.map(truncate_to_micros);
        collection
    }
}

/// A name in a collection. The names of the variants of the state are those in the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CollectionFileLine {
    collection: CollectionId,
    name: CollectionPath,
    id: ArtifactId,
    size: u64,
    content_type: ContentType,
    sha256: Sha256Digest,
    created_at: Timestamp,
    state: StateLine,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StateLine {
    Present,
    Removed,
    Expired,
}

impl CollectionFileLine {
    pub(super) fn new(collection: CollectionId, file: CollectionFile) -> Self {
        Self {
            collection,
            name: file.path,
            id: file.id,
            size: file.size,
            content_type: file.content_type,
            sha256: file.sha256,
            created_at: file.created_at,
            state: match file.state {
                FileState::Present => StateLine::Present,
                FileState::Removed => StateLine::Removed,
                FileState::Expired => StateLine::Expired,
            },
        }
    }

    pub(super) fn into_parts(self) -> (CollectionId, CollectionFile) {
        let file = CollectionFile {
            path: self.name,
            id: self.id,
            size: self.size,
            content_type: self.content_type,
            sha256: self.sha256,
            created_at: truncate_to_micros(self.created_at),
            state: match self.state {
                StateLine::Present => FileState::Present,
                StateLine::Removed => FileState::Removed,
                StateLine::Expired => FileState::Expired,
            },
        };
        (self.collection, file)
    }
}

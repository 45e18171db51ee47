//! The record of a grant.

use artifact_backend::ArtifactId;
use jiff::Timestamp;

use crate::collections::CollectionId;
use crate::experiment::ExperimentId;
use crate::identity::{GrantId, MemberId};
use crate::principal::PrincipalId;
use crate::time::truncate_to_micros;

/// What a grant lets others read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum GrantSubject {
    /// One artifact.
    Artifact(ArtifactId),
    /// A collection: its description, its list, its manifest, and the files that are in it at the time of a read.
    Collection(CollectionId),
}

impl GrantSubject {
    /// Returns the kind as the databases store it.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Artifact(_) => "artifact",
            Self::Collection(_) => "collection",
        }
    }

    /// Returns the id as the databases store it.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(crate) fn id_bytes(&self) -> &[u8] {
        match self {
            Self::Artifact(id) => id.as_bytes(),
            Self::Collection(id) => id.as_bytes(),
        }
    }

    /// Returns the subject that a database stores as this kind and id.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(crate) fn from_stored(kind: &str, id: &[u8]) -> Option<Self> {
        match kind {
            "artifact" => Some(Self::Artifact(ArtifactId::from_bytes(id.try_into().ok()?))),
            "collection" => Some(Self::Collection(CollectionId::from_bytes(
                id.try_into().ok()?,
            ))),
            _ => None,
        }
    }
}

/// Lets a worker, or the workers in a group, read something of their experiment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccessGrant {
    /// The id of the grant.
    pub id: GrantId,
    /// The experiment of the subject and of the grantee.
    pub experiment: ExperimentId,
    /// What may be read.
    pub subject: GrantSubject,
    /// Who may read it: a worker, or the direct and nested members of a group.
    pub grantee: MemberId,
    /// When the grant was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: PrincipalId,
    /// From when on it no longer counts. `None` means that it counts until it is revoked.
    pub expires_at: Option<Timestamp>,
}

impl AccessGrant {
    /// Creates a grant that does not expire. The time is truncated to microseconds.
    pub fn new(
        id: GrantId,
        experiment: ExperimentId,
        subject: GrantSubject,
        grantee: MemberId,
        created_at: Timestamp,
        created_by: PrincipalId,
    ) -> Self {
        Self {
            id,
            experiment,
            subject,
            grantee,
            created_at: truncate_to_micros(created_at),
            created_by,
            expires_at: None,
        }
    }

    /// Sets the time from which on the grant no longer counts, truncated to microseconds.
    #[must_use = "returns the changed grant"]
    pub fn with_expires_at(mut self, expires_at: impl Into<Option<Timestamp>>) -> Self {
        self.expires_at = expires_at.into().map(truncate_to_micros);
        self
    }
}

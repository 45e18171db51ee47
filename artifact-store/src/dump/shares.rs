//! The lines of grants and links.

use std::num::NonZeroU32;

use artifact_backend::{ArtifactId, BoxError, Sha256Digest};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::record::DumpRecord;
use crate::collections::CollectionId;
use crate::experiment::ExperimentId;
use crate::identity::MemberId;
use crate::principal::PrincipalId;
use crate::sharing::{AccessGrant, AccessLink, GrantSubject};

/// What a grant is for. The names of the variants are the names in the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SubjectLine {
    Artifact(ArtifactId),
    Collection(CollectionId),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GrantLine {
    id: String,
    experiment: ExperimentId,
    subject: SubjectLine,
    grantee: MemberId,
    created_at: Timestamp,
    created_by: PrincipalId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
}

impl From<AccessGrant> for GrantLine {
    fn from(grant: AccessGrant) -> Self {
        Self {
            id: grant.id.to_string(),
            experiment: grant.experiment,
            subject: match grant.subject {
                GrantSubject::Artifact(id) => SubjectLine::Artifact(id),
                GrantSubject::Collection(id) => SubjectLine::Collection(id),
            },
            grantee: grant.grantee,
            created_at: grant.created_at,
            created_by: grant.created_by,
            expires_at: grant.expires_at,
        }
    }
}

impl GrantLine {
    pub(super) fn into_grant(self) -> Result<AccessGrant, BoxError> {
        let subject = match self.subject {
            SubjectLine::Artifact(id) => GrantSubject::Artifact(id),
            SubjectLine::Collection(id) => GrantSubject::Collection(id),
        };
        Ok(AccessGrant::new(
            self.id.parse()?,
            self.experiment,
            subject,
            self.grantee,
            self.created_at,
            self.created_by,
        )
        .with_expires_at(self.expires_at))
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LinkLine {
    id: String,
    experiment: ExperimentId,
    artifact: ArtifactId,
    /// The SHA-256 of the secret.
    digest: Sha256Digest,
    created_at: Timestamp,
    created_by: PrincipalId,
    expires_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_downloads: Option<NonZeroU32>,
    #[serde(default)]
    downloads: u32,
}

impl LinkLine {
    pub(super) fn new(link: AccessLink, digest: Sha256Digest) -> Self {
        Self {
            id: link.id.to_string(),
            experiment: link.experiment,
            artifact: link.artifact,
            digest,
            created_at: link.created_at,
            created_by: link.created_by,
            expires_at: link.expires_at,
            max_downloads: link.max_downloads,
            downloads: link.downloads,
        }
    }

    pub(super) fn into_record(self) -> Result<DumpRecord, BoxError> {
        let link = AccessLink::new(
            self.id.parse()?,
            self.experiment,
            self.artifact,
            self.created_at,
            self.created_by,
            self.expires_at,
        )
        .with_downloads(self.max_downloads, self.downloads);
        Ok(DumpRecord::AccessLink {
            link,
            digest: self.digest,
        })
    }
}

//! Grants and links as parameters, and as records of a result.

use std::num::NonZeroU32;

use artifact_backend::{ArtifactId, Sha256Digest};
use jiff::Timestamp;

use crate::database::sql::{Columns, Decoder, Param, Record, params};
use crate::error::Result;
use crate::identity::MemberId;
use crate::principal::PrincipalId;
use crate::sharing::{AccessGrant, AccessLink, GrantSubject};

/// Returns the values of a grant's columns: `id, experiment, subject_kind, subject_id, worker, group_id, created_at, created_by,
/// expires_at`.
pub(in crate::database) fn grant_params(grant: &AccessGrant) -> [Param; 9] {
    let (worker, group) = match &grant.grantee {
        MemberId::Worker(id) => (Some(id.as_str()), None),
        MemberId::Group(id) => (None, Some(id.as_str())),
    };
    params![
        grant.id.as_str(),
        grant.experiment.as_str(),
        grant.subject.kind(),
        grant.subject.id_bytes(),
        worker,
        group,
        grant.created_at.as_microsecond(),
        grant.created_by.as_str(),
        grant.expires_at.map(Timestamp::as_microsecond),
    ]
}

/// Returns the values of a link's columns: `id, experiment, artifact, digest, worker, created_at, created_by, expires_at,
/// max_downloads, downloads`.
pub(in crate::database) fn link_params(link: &AccessLink, digest: &Sha256Digest) -> [Param; 10] {
    let maker = match &link.created_by {
        PrincipalId::Worker(id) => Some(id.as_str()),
        _ => None,
    };
    params![
        link.id.as_str(),
        link.experiment.as_str(),
        link.artifact.as_bytes().as_slice(),
        digest.as_bytes().as_slice(),
        maker,
        link.created_at.as_microsecond(),
        link.created_by.as_str(),
        link.expires_at.as_microsecond(),
        link.max_downloads.map(|max| i64::from(max.get())),
        i64::from(link.downloads),
    ]
}

/// The [columns](grant_columns) of a grant.
#[derive(Debug)]
pub(in crate::database) struct GrantRecord {
    id: String,
    experiment: String,
    kind: String,
    subject: Vec<u8>,
    grantee: String,
    created_at: i64,
    created_by: String,
    expires_at: Option<i64>,
}

impl Record for GrantRecord {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        Ok(Self {
            id: row.text(0)?,
            experiment: row.text(1)?,
            kind: row.text(2)?,
            subject: row.bytes(3)?,
            grantee: row.text(4)?,
            created_at: row.integer(5)?,
            created_by: row.text(6)?,
            expires_at: row.optional_integer(7)?,
        })
    }
}

impl GrantRecord {
    pub(in crate::database) fn decode(self, decoder: Decoder) -> Result<AccessGrant> {
        let subject = GrantSubject::from_stored(&self.kind, &self.subject);
        let subject = subject.ok_or_else(|| decoder.corrupt("subject_kind", "it is unknown"))?;
        let expires_at = self.expires_at.map(|time| decoder.time("expires_at", time));
        Ok(AccessGrant::new(
            decoder.parse("id", &self.id)?,
            decoder.parse("experiment", &self.experiment)?,
            subject,
            decoder.parse("grantee", &self.grantee)?,
            decoder.time("created_at", self.created_at)?,
            decoder.parse("created_by", &self.created_by)?,
        )
        .with_expires_at(expires_at.transpose()?))
    }
}

/// The [columns](link_columns) of a link.
#[derive(Debug)]
pub(in crate::database) struct LinkRecord {
    id: String,
    experiment: String,
    artifact: Vec<u8>,
    created_at: i64,
    created_by: String,
    expires_at: i64,
    max_downloads: Option<i64>,
    downloads: i64,
}

impl Record for LinkRecord {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        Ok(Self {
            id: row.text(0)?,
            experiment: row.text(1)?,
            artifact: row.bytes(2)?,
            created_at: row.integer(3)?,
            created_by: row.text(4)?,
            expires_at: row.integer(5)?,
            max_downloads: row.optional_integer(6)?,
            downloads: row.integer(7)?,
        })
    }
}

impl LinkRecord {
    pub(in crate::database) fn decode(self, decoder: Decoder) -> Result<AccessLink> {
        let max_downloads = self.max_downloads.map(|max| {
            let max = u32::try_from(max).ok().and_then(NonZeroU32::new);
            max.ok_or_else(|| decoder.corrupt("max_downloads", "it is out of range"))
        });
        let downloads = u32::try_from(self.downloads);
        let downloads = downloads.map_err(|error| decoder.corrupt("downloads", error))?;
        Ok(AccessLink::new(
            decoder.parse("id", &self.id)?,
            decoder.parse("experiment", &self.experiment)?,
            ArtifactId::from_bytes(decoder.bytes("artifact", &self.artifact)?),
            decoder.time("created_at", self.created_at)?,
            decoder.parse("created_by", &self.created_by)?,
            decoder.time("expires_at", self.expires_at)?,
        )
        .with_downloads(max_downloads.transpose()?, downloads))
    }
}

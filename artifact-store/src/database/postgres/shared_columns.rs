//! Grants and links of a copy as parameters: one array for each column.

use artifact_backend::Sha256Digest;
use jiff::Timestamp;
use tokio_postgres::types::ToSql;

use crate::identity::MemberId;
use crate::principal::PrincipalId;
use crate::sharing::{AccessGrant, AccessLink};

/// Leaves out those whose subject or grantee the copy lacks.
pub(super) const INSERT_GRANTS: &str = "\
    INSERT INTO access_grants (id, experiment, subject_kind, subject_id, worker, group_id, created_at, created_by, \
        expires_at) \
    SELECT new.* FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::text[], $6::text[], $7::bigint[], \
        $8::text[], $9::bigint[]) \
        AS new (id, experiment, subject_kind, subject_id, worker, group_id, created_at, created_by, expires_at) \
    WHERE CASE subject_kind \
            WHEN 'artifact' THEN EXISTS (\
                SELECT FROM artifact_rows WHERE artifact_rows.id = subject_id AND removed_at IS NULL) \
            WHEN 'collection' THEN EXISTS (SELECT FROM collections WHERE collections.id = subject_id) END \
        AND (EXISTS (SELECT FROM workers WHERE workers.id = worker) \
            OR EXISTS (SELECT FROM groups WHERE groups.id = group_id))";
/// Leaves out those whose artifact or maker the copy lacks.
pub(super) const INSERT_LINKS: &str = "\
    INSERT INTO access_links (id, experiment, artifact, digest, worker, created_at, created_by, expires_at, \
        max_downloads, downloads) \
    SELECT new.* FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bytea[], $5::text[], $6::bigint[], $7::text[], \
        $8::bigint[], $9::bigint[], $10::bigint[]) \
        AS new (id, experiment, artifact, digest, worker, created_at, created_by, expires_at, max_downloads, downloads) \
    WHERE EXISTS (SELECT FROM artifact_rows WHERE artifact_rows.id = artifact AND removed_at IS NULL) \
        AND (worker IS NULL OR EXISTS (SELECT FROM workers WHERE workers.id = worker))";

/// The columns of grants.
#[derive(Debug, Default)]
pub(super) struct GrantColumns<'r> {
    ids: Vec<&'r str>,
    experiments: Vec<&'r str>,
    kinds: Vec<&'r str>,
    subjects: Vec<&'r [u8]>,
    workers: Vec<Option<&'r str>>,
    groups: Vec<Option<&'r str>>,
    times: Vec<i64>,
    makers: Vec<&'r str>,
    expiries: Vec<Option<i64>>,
}

impl<'r> GrantColumns<'r> {
    pub(super) fn of(grants: &'r [AccessGrant]) -> Self {
        let mut columns = Self::default();
        for grant in grants {
            columns.ids.push(grant.id.as_str());
            columns.experiments.push(grant.experiment.as_str());
            columns.kinds.push(grant.subject.kind());
            columns.subjects.push(grant.subject.id_bytes());
            let (worker, group) = match &grant.grantee {
                MemberId::Worker(id) => (Some(id.as_str()), None),
                MemberId::Group(id) => (None, Some(id.as_str())),
            };
            columns.workers.push(worker);
            columns.groups.push(group);
            columns.times.push(grant.created_at.as_microsecond());
            columns.makers.push(grant.created_by.as_str());
            let expiry = grant.expires_at.map(Timestamp::as_microsecond);
            columns.expiries.push(expiry);
        }
        columns
    }

    pub(super) fn params(&self) -> [&(dyn ToSql + Sync); 9] {
        [
            &self.ids,
            &self.experiments,
            &self.kinds,
            &self.subjects,
            &self.workers,
            &self.groups,
            &self.times,
            &self.makers,
            &self.expiries,
        ]
    }
}

/// The columns of links.
#[derive(Debug, Default)]
pub(super) struct LinkColumns<'r> {
    ids: Vec<&'r str>,
    experiments: Vec<&'r str>,
    artifacts: Vec<&'r [u8]>,
    digests: Vec<&'r [u8]>,
    workers: Vec<Option<&'r str>>,
    times: Vec<i64>,
    makers: Vec<&'r str>,
    expiries: Vec<i64>,
    limits: Vec<Option<i64>>,
    downloads: Vec<i64>,
}

impl<'r> LinkColumns<'r> {
    pub(super) fn of(links: &'r [(AccessLink, Sha256Digest)]) -> Self {
        let mut columns = Self::default();
        for (link, digest) in links {
            columns.ids.push(link.id.as_str());
            columns.experiments.push(link.experiment.as_str());
            columns.artifacts.push(link.artifact.as_bytes());
            columns.digests.push(digest.as_bytes());
            columns.workers.push(match &link.created_by {
                PrincipalId::Worker(id) => Some(id.as_str()),
                _ => None,
            });
            columns.times.push(link.created_at.as_microsecond());
            columns.makers.push(link.created_by.as_str());
            columns.expiries.push(link.expires_at.as_microsecond());
            let limit = link.max_downloads.map(|max| i64::from(max.get()));
            columns.limits.push(limit);
            columns.downloads.push(link.downloads.into());
        }
        columns
    }

    pub(super) fn params(&self) -> [&(dyn ToSql + Sync); 10] {
        [
            &self.ids,
            &self.experiments,
            &self.artifacts,
            &self.digests,
            &self.workers,
            &self.times,
            &self.makers,
            &self.expiries,
            &self.limits,
            &self.downloads,
        ]
    }
}

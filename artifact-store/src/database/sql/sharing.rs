//! Grants and links in a SQL database.

#![expect(
    clippy::future_not_send,
    reason = "a SQLite transaction stays on the writer's thread; a PostgreSQL one is Send where it is used"
)]

use std::num::NonZeroU32;

use artifact_backend::{ArtifactId, Sha256Digest};
use async_trait::async_trait;
use jiff::Timestamp;

use super::records::FlagRecord;
use super::{
    Columns, Command, Decoder, Lane, Param, Record, SqlDatabase, Subject, Transaction, params,
};
use crate::catalog::clamped_limit;
use crate::database::rejected::Rejected;
use crate::error::{Operation, Result};
use crate::experiment::ExperimentId;
use crate::identity::{CredentialHash, GrantId, LinkId, MemberId, WorkerId};
use crate::principal::PrincipalId;
use crate::sharing::{AccessGrant, AccessLink, GrantSubject, MAX_SHARES, SharingRecord};

/// The statements of a database.
#[derive(Debug)]
pub(in crate::database) struct SharingStatements {
    lock_artifact: &'static str,
    lock_worker: &'static str,
    lock_group: &'static str,
    lock_maker: &'static str,
    lock_administrator: &'static str,
    prune_grants: &'static str,
    prune_links: &'static str,
    select_grants: &'static str,
    delete_grant: &'static str,
    is_granted: &'static str,
    select_links: &'static str,
    delete_link: &'static str,
    find_link: &'static str,
    use_link: &'static str,
}

/// The columns of a grant.
macro_rules! grant_columns {
    () => {
        "id, experiment, subject_kind, subject_id, coalesce(worker, group_id), created_at, created_by, expires_at"
    };
}
pub(in crate::database) use grant_columns;

/// The columns of a link.
macro_rules! link_columns {
    () => {
        "id, experiment, artifact, created_at, created_by, expires_at, max_downloads, downloads"
    };
}
pub(in crate::database) use link_columns;

/// Makes the statements of a database from an expression of the current time in microseconds, and the clauses that lock the rows
/// of a query against a change of their keys and against any change.
macro_rules! sharing_statements {
    ($now:expr, $for_key_share:expr, $for_share:expr, $for_update:expr $(,)?) => {
        $crate::database::sql::SharingStatements::new(
            [
                concat!(
                    "SELECT true FROM artifact_rows WHERE id = $1 AND experiment = $2 AND removed_at IS NULL ",
                    $for_update
                ),
                concat!(
                    "SELECT true FROM workers WHERE id = $1 AND experiment = $2 ",
                    $for_key_share
                ),
                concat!(
                    "SELECT true FROM groups WHERE id = $1 AND experiment = $2 ",
                    $for_key_share
                ),
                concat!(
                    "SELECT true FROM workers WHERE id = $1 AND experiment = $2 AND credential <> $3 ",
                    $for_share
                ),
                concat!(
                    "SELECT true FROM administrators WHERE id = $1 AND credential <> $2 ",
                    $for_share
                ),
                concat!(
                    "DELETE FROM access_grants WHERE subject_kind = $1 AND subject_id = $2 \
                         AND (expires_at <= ",
                    $now,
                    " OR coalesce(worker, group_id) = $3)"
                ),
                concat!(
                    "DELETE FROM access_links WHERE artifact = $1 \
                         AND (expires_at <= ",
                    $now,
                    " OR downloads >= max_downloads)"
                ),
            ],
            [
                concat!(
                    "SELECT ",
                    $crate::database::sql::grant_columns!(),
                    " FROM access_grants WHERE subject_kind = $1 AND subject_id = $2 AND id > $3 \
                         AND (expires_at IS NULL OR expires_at > ",
                    $now,
                    ") ORDER BY id LIMIT $4"
                ),
                concat!(
                    "DELETE FROM access_grants WHERE subject_kind = $1 AND subject_id = $2 AND id = $3 \
                         AND (expires_at IS NULL OR expires_at > ",
                    $now,
                    ")"
                ),
                // Walks from the worker up through the groups that it is in, and visits each group once.
                concat!(
                    "WITH RECURSIVE above (id) AS (\
                         SELECT id FROM workers WHERE id = $1 AND experiment = $2 \
                         UNION \
                         SELECT members.group_id FROM above \
                             JOIN members ON members.member = above.id AND members.experiment = $2\
                     ) SELECT EXISTS (\
                         SELECT 1 FROM access_grants WHERE subject_kind = $3 AND subject_id = $4 \
                             AND (expires_at IS NULL OR expires_at > ",
                    $now,
                    ") AND coalesce(worker, group_id) IN (SELECT id FROM above))"
                ),
            ],
            [
                concat!(
                    "SELECT ",
                    $crate::database::sql::link_columns!(),
                    " FROM access_links WHERE artifact = $1 AND id > $2 AND expires_at > ",
                    $now,
                    " AND (max_downloads IS NULL OR downloads < max_downloads) ORDER BY id LIMIT $3"
                ),
                concat!(
                    "DELETE FROM access_links WHERE artifact = $1 AND id = $2 AND expires_at > ",
                    $now,
                    " AND (max_downloads IS NULL OR downloads < max_downloads)"
                ),
                // Walks from the maker up through the groups that it is in.
                concat!(
                    "WITH RECURSIVE link AS (\
                         SELECT access_links.*, artifact_rows.created_by AS depositor \
                         FROM access_links JOIN artifact_rows ON artifact_rows.id = artifact \
                             AND artifact_rows.experiment = access_links.experiment AND removed_at IS NULL \
                         WHERE digest = $1 AND access_links.expires_at > ",
                    $now,
                    "        AND (max_downloads IS NULL OR downloads < max_downloads)\
                     ), above (id) AS (\
                         SELECT members.group_id FROM link \
                             JOIN members ON members.member = link.worker AND members.experiment = link.experiment \
                         UNION \
                         SELECT members.group_id FROM above CROSS JOIN link \
                             JOIN members ON members.member = above.id AND members.experiment = link.experiment\
                     ) SELECT ",
                    $crate::database::sql::link_columns!(),
                    " FROM link WHERE worker IS NULL OR EXISTS (SELECT 1 FROM workers WHERE workers.id = link.worker) AND (\
                         worker = depositor OR EXISTS (\
                             SELECT 1 FROM groups WHERE name = 'admins' AND id IN (SELECT id FROM above)))"
                ),
                concat!(
                    "UPDATE access_links SET downloads = downloads + CASE WHEN max_downloads IS NULL THEN 0 ELSE 1 END \
                     WHERE artifact = $1 AND id = $2 AND expires_at > ",
                    $now,
                    " AND (max_downloads IS NULL OR downloads < max_downloads)"
                ),
            ],
        )
    };
}
pub(in crate::database) use sharing_statements;

/// Whether a subject has $3 grants, or an artifact $2 links.
const HAS_MANY_GRANTS: &str = "\
    SELECT (SELECT count(*) FROM access_grants WHERE subject_kind = $1 AND subject_id = $2) >= $3";
const HAS_MANY_LINKS: &str = "SELECT (SELECT count(*) FROM access_links WHERE artifact = $1) >= $2";
const INSERT_GRANT: &str = "\
    INSERT INTO access_grants (id, experiment, subject_kind, subject_id, worker, group_id, created_at, created_by, \
        expires_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
const INSERT_LINK: &str = "\
    INSERT INTO access_links (id, experiment, artifact, digest, worker, created_at, created_by, expires_at, \
        max_downloads, downloads) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

impl SharingStatements {
    /// Names the statements in the order of the fields.
    pub(in crate::database) const fn new(
        writes: [&'static str; 7],
        grants: [&'static str; 3],
        links: [&'static str; 4],
    ) -> Self {
        Self {
            lock_artifact: writes[0],
            lock_worker: writes[1],
            lock_group: writes[2],
            lock_maker: writes[3],
            lock_administrator: writes[4],
            prune_grants: writes[5],
            prune_links: writes[6],
            select_grants: grants[0],
            delete_grant: grants[1],
            is_granted: grants[2],
            select_links: links[0],
            delete_link: links[1],
            find_link: links[2],
            use_link: links[3],
        }
    }
}

/// A write of grants or links.
#[derive(Debug)]
pub(in crate::database) enum SharingCommand {
    InsertGrant(AccessGrant),
    DeleteGrant(GrantSubject, GrantId),
    InsertLink(AccessLink, Sha256Digest),
    DeleteLink(ArtifactId, LinkId),
    UseLink(ArtifactId, LinkId),
}

impl SharingCommand {
    pub(super) fn subject(&self) -> Subject {
        match self {
            Self::InsertGrant(AccessGrant {
                subject: GrantSubject::Artifact(id),
                ..
            })
            | Self::DeleteGrant(GrantSubject::Artifact(id), _)
            | Self::InsertLink(AccessLink { artifact: id, .. }, _)
            | Self::DeleteLink(id, _)
            | Self::UseLink(id, _) => Subject::with_id(Operation::Share, *id),
        }
    }

    pub(super) async fn apply<T: Transaction>(&self, tx: &T) -> Result<(), T::Error> {
        let statements = T::SHARING;
        match self {
            Self::InsertGrant(grant) => insert_grant(tx, grant).await,
            Self::DeleteGrant(subject, id) => {
                let params = params![subject.kind(), subject.id_bytes(), id.as_str()];
                change_one(tx, statements.delete_grant, &params, Rejected::NO_GRANT).await
            }
            Self::InsertLink(link, digest) => insert_link(tx, link, digest).await,
            Self::DeleteLink(artifact, id) => {
                let params = params![artifact.as_bytes().as_slice(), id.as_str()];
                change_one(tx, statements.delete_link, &params, Rejected::NO_LINK).await
            }
            Self::UseLink(artifact, id) => {
                let params = params![artifact.as_bytes().as_slice(), id.as_str()];
                change_one(tx, statements.use_link, &params, Rejected::NO_LINK).await
            }
        }
    }
}

async fn change_one<T: Transaction>(
    tx: &T,
    statement: &'static str,
    params: &[Param],
    otherwise: Rejected,
) -> Result<(), T::Error> {
    match tx.execute(statement, params).await? {
        1 => Ok(()),
        _ => Err(otherwise.into()),
    }
}

/// Fails unless the query returns true.
async fn check<T: Transaction>(
    tx: &T,
    statement: &'static str,
    params: &[Param],
    otherwise: Rejected,
) -> Result<(), T::Error> {
    match tx.query_one(statement, params).await? {
        Some(FlagRecord(true)) => Ok(()),
        _ => Err(otherwise.into()),
    }
}

/// Locks what a grant is for, so that it is not removed before the transaction ends, and other grants and links of it wait.
async fn lock_subject<T: Transaction>(
    tx: &T,
    experiment: &ExperimentId,
    subject: &GrantSubject,
) -> Result<(), T::Error> {
    match subject {
        GrantSubject::Artifact(id) => {
            let params = params![id.as_bytes().as_slice(), experiment.as_str()];
            check(tx, T::SHARING.lock_artifact, &params, Rejected::NO_ARTIFACT).await
        }
    }
}

async fn insert_grant<T: Transaction>(tx: &T, grant: &AccessGrant) -> Result<(), T::Error> {
    let (statements, subject) = (T::SHARING, &grant.subject);
    lock_subject(tx, &grant.experiment, subject).await?;
    let grantee = params![grant.grantee.as_str(), grant.experiment.as_str()];
    match grant.grantee {
        MemberId::Worker(_) => {
            check(tx, statements.lock_worker, &grantee, Rejected::NO_WORKER).await?;
        }
        MemberId::Group(_) => {
            check(tx, statements.lock_group, &grantee, Rejected::NO_GROUP).await?;
        }
    }
    let (kind, id) = (subject.kind(), subject.id_bytes());
    let params = params![kind, id, grant.grantee.as_str()];
    tx.execute(statements.prune_grants, &params).await?;
    let params = params![kind, id, max_shares()];
    if let Some(FlagRecord(true)) = tx.query_one(HAS_MANY_GRANTS, &params).await? {
        return Err(Rejected::TOO_MANY_SHARES.into());
    }
    tx.execute(INSERT_GRANT, &grant_params(grant)).await?;
    Ok(())
}

async fn insert_link<T: Transaction>(
    tx: &T,
    link: &AccessLink,
    digest: &Sha256Digest,
) -> Result<(), T::Error> {
    let statements = T::SHARING;
    lock_subject(tx, &link.experiment, &GrantSubject::Artifact(link.artifact)).await?;
    let revoked = CredentialHash::OF_NO_TOKEN;
    match link.created_by {
        PrincipalId::Worker(maker) => {
            let params = params![maker.as_str(), link.experiment.as_str(), revoked];
            check(tx, statements.lock_maker, &params, Rejected::NO_WORKER).await?;
        }
        PrincipalId::Administrator(maker) => {
            let (statement, params) = (
                statements.lock_administrator,
                params![maker.as_str(), revoked],
            );
            check(tx, statement, &params, Rejected::NO_ADMINISTRATOR).await?;
        }
        _ => {}
    }
    let artifact = link.artifact.as_bytes().as_slice();
    tx.execute(statements.prune_links, &params![artifact])
        .await?;
    let params = params![artifact, max_shares()];
    if let Some(FlagRecord(true)) = tx.query_one(HAS_MANY_LINKS, &params).await? {
        return Err(Rejected::TOO_MANY_SHARES.into());
    }
    tx.execute(INSERT_LINK, &link_params(link, digest)).await?;
    Ok(())
}

fn max_shares() -> i64 {
    i64::try_from(MAX_SHARES).unwrap_or(i64::MAX)
}

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

fn stored_limit(limit: u32) -> i64 {
    i64::try_from(clamped_limit(limit)).unwrap_or(i64::MAX)
}

#[async_trait]
impl<D: SqlDatabase> SharingRecord for D {
    async fn insert_grant(&self, grant: &AccessGrant) -> Result<()> {
        let command = SharingCommand::InsertGrant(grant.clone());
        self.write(Command::Sharing(Box::new(command))).await
    }

    async fn grants(
        &self,
        subject: &GrantSubject,
        after: Option<GrantId>,
        limit: u32,
    ) -> Result<Vec<AccessGrant>> {
        // Every id is greater than the empty text.
        let after = after.as_ref().map_or("", GrantId::as_str);
        let (kind, id) = (subject.kind(), subject.id_bytes());
        let params = params![kind, id, after, stored_limit(limit)];
        let statement = D::SHARING.select_grants;
        let records: Vec<GrantRecord> = self
            .query_in(Lane::List, Operation::Share, statement, params)
            .await?;
        let decoder = Decoder(Operation::Share.into());
        let grants = records.into_iter().map(|record| record.decode(decoder));
        grants.collect()
    }

    async fn delete_grant(&self, subject: &GrantSubject, id: GrantId) -> Result<()> {
        let command = SharingCommand::DeleteGrant(*subject, id);
        self.write(Command::Sharing(Box::new(command))).await
    }

    async fn is_granted(
        &self,
        experiment: &ExperimentId,
        subject: &GrantSubject,
        worker: WorkerId,
    ) -> Result<bool> {
        let (kind, id) = (subject.kind(), subject.id_bytes());
        let params = params![worker.as_str(), experiment.as_str(), kind, id];
        let found = self.query_one(Operation::Authorize, D::SHARING.is_granted, params);
        Ok(matches!(found.await?, Some(FlagRecord(true))))
    }

    async fn insert_link(&self, link: &AccessLink, digest: &Sha256Digest) -> Result<()> {
        let command = SharingCommand::InsertLink(link.clone(), *digest);
        self.write(Command::Sharing(Box::new(command))).await
    }

    async fn links(
        &self,
        artifact: ArtifactId,
        after: Option<LinkId>,
        limit: u32,
    ) -> Result<Vec<AccessLink>> {
        let after = after.as_ref().map_or("", LinkId::as_str);
        let params = params![artifact.as_bytes().as_slice(), after, stored_limit(limit)];
        let statement = D::SHARING.select_links;
        let subject = Subject::with_id(Operation::Share, artifact);
        let records: Vec<LinkRecord> = self
            .query_in(Lane::List, subject, statement, params)
            .await?;
        let links = records
            .into_iter()
            .map(|record| record.decode(Decoder(subject)));
        links.collect()
    }

    async fn delete_link(&self, artifact: ArtifactId, id: LinkId) -> Result<()> {
        let command = SharingCommand::DeleteLink(artifact, id);
        self.write(Command::Sharing(Box::new(command))).await
    }

    async fn find_link(&self, digest: &Sha256Digest) -> Result<Option<AccessLink>> {
        let params = params![digest.as_bytes().as_slice()];
        let record = self.query_one(Operation::Authorize, D::SHARING.find_link, params);
        let record: Option<LinkRecord> = record.await?;
        let link = record.map(|record| record.decode(Decoder(Operation::Authorize.into())));
        link.transpose()
    }

    async fn use_link(&self, artifact: ArtifactId, id: LinkId) -> Result<()> {
        let command = SharingCommand::UseLink(artifact, id);
        self.write(Command::Sharing(Box::new(command))).await
    }

    async fn forget_shares(&self, limit: u32) -> Result<u64> {
        self.delete_ended_shares(clamped_limit(limit)).await
    }
}

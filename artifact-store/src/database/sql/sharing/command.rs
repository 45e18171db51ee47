//! The writes of grants and links.

#![expect(
    clippy::future_not_send,
    reason = "a SQLite transaction stays on the writer's thread; a PostgreSQL one is Send where it is used"
)]

use artifact_backend::{ArtifactId, Sha256Digest};

use super::records::{grant_params, link_params};
use crate::database::rejected::Rejected;
use crate::database::sql::records::FlagRecord;
use crate::database::sql::{Param, Subject, Transaction, params};
use crate::error::Operation;
use crate::experiment::ExperimentId;
use crate::identity::{CredentialHash, GrantId, LinkId, MemberId};
use crate::principal::PrincipalId;
use crate::sharing::{AccessGrant, AccessLink, GrantSubject, MAX_SHARES};

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
    pub(in crate::database::sql) fn subject(&self) -> Subject {
        match self {
            Self::InsertGrant(AccessGrant {
                subject: GrantSubject::Artifact(id),
                ..
            })
            | Self::DeleteGrant(GrantSubject::Artifact(id), _)
            | Self::InsertLink(AccessLink { artifact: id, .. }, _)
            | Self::DeleteLink(id, _)
            | Self::UseLink(id, _) => Subject::with_id(Operation::Share, *id),
            Self::InsertGrant(AccessGrant {
                subject: GrantSubject::Collection(_),
                ..
            })
            | Self::DeleteGrant(GrantSubject::Collection(_), _) => Operation::Share.into(),
        }
    }

    pub(in crate::database::sql) async fn apply<T: Transaction>(
        &self,
        tx: &T,
    ) -> Result<(), T::Error> {
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
        GrantSubject::Collection(id) => {
            let (statement, params) = (
                T::SHARING.lock_collection,
                params![id.as_bytes().as_slice(), experiment.as_str()],
            );
            check(tx, statement, &params, Rejected::NO_COLLECTION).await
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

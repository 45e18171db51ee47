//! The trait of grants and links, by statements of a SQL database.

use artifact_backend::{ArtifactId, Sha256Digest};
use async_trait::async_trait;

use super::command::SharingCommand;
use super::records::{GrantRecord, LinkRecord};
use crate::catalog::clamped_limit;
use crate::database::sql::records::FlagRecord;
use crate::database::sql::{Command, Decoder, Lane, SqlDatabase, Subject, params};
use crate::error::{Operation, Result};
use crate::experiment::ExperimentId;
use crate::identity::{GrantId, LinkId, WorkerId};
use crate::sharing::{AccessGrant, AccessLink, GrantSubject, SharingRecord};

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
        let statement = match subject {
            GrantSubject::Artifact(_) => D::SHARING.is_artifact_granted,
            GrantSubject::Collection(_) => D::SHARING.is_collection_granted,
        };
        let params = params![worker.as_str(), experiment.as_str(), subject.id_bytes()];
        let found = self.query_one(Operation::Authorize, statement, params);
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

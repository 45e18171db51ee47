//! The identities in a SQL database.

use async_trait::async_trait;

use super::records::{CredentialRecord, MembershipRecord, VersionedRecord as _, WorkerRecord};
use super::{Command, Lane, SqlDatabase, pages, params, statements};
use crate::database::rejected::Rejected;
use crate::error::{Operation, Result};
use crate::experiment::ExperimentId;
use crate::identity::{
    CredentialHash, DisplayName, Group, GroupId, IdentityStore, ListPosition, MemberId, Page,
    StoredCredential, Worker, WorkerId,
};

/// Writes a command, or rejects its reserved name without the database.
async fn write_unless_reserved(
    database: &impl SqlDatabase,
    is_reserved: Option<bool>,
    command: Command,
) -> Result<()> {
    if is_reserved == Some(true) {
        return Err(Rejected::RESERVED_NAME.into_error(command.subject()));
    }
    database.write(command).await
}

#[async_trait]
impl<D: SqlDatabase> IdentityStore for D {
    async fn register_worker(&self, worker: &Worker, credential: &CredentialHash) -> Result<()> {
        let is_reserved = worker
            .name
            .as_ref()
            .map(DisplayName::is_reserved_for_workers);
        let command = Command::RegisterWorker(Box::new(worker.clone()), credential.clone());
        write_unless_reserved(self, is_reserved, command).await
    }

    async fn worker(&self, experiment: &ExperimentId, id: WorkerId) -> Result<Option<Worker>> {
        let params = params![experiment.as_str(), id.as_str()];
        let record = self.query_one(Operation::FindWorker, statements::SELECT_WORKER, params);
        let record: Option<WorkerRecord> = record.await?;
        record.map(|record| record.decode(experiment)).transpose()
    }

    async fn worker_page(
        &self,
        experiment: &ExperimentId,
        name: Option<&DisplayName>,
        after: &ListPosition,
    ) -> Result<Page<Worker>> {
        pages::workers(self, experiment, name, after).await
    }

    async fn replace_credential(
        &self,
        experiment: &ExperimentId,
        id: WorkerId,
        credential: &CredentialHash,
    ) -> Result<()> {
        let (experiment, credential) = (experiment.clone(), credential.clone());
        self.write(Command::ReplaceCredential(experiment, id, credential))
            .await
    }

    async fn delete_worker(&self, experiment: &ExperimentId, id: WorkerId) -> Result<()> {
        self.write(Command::DeleteWorker(experiment.clone(), id))
            .await
    }

    async fn credential(&self, id: WorkerId) -> Result<Option<StoredCredential>> {
        let found = self.query_credential(statements::SELECT_CREDENTIAL, params![id.as_str()]);
        let found: Option<CredentialRecord> = found.await?;
        let Some(record) = found else {
            return Ok(None);
        };
        let version = record.version();
        let stored = record.decode()?;
        if let Some(version) = version {
            let cache = &self.credentials().workers;
            cache.insert(id, version, stored.clone());
        }
        Ok(Some(stored))
    }

    fn cached_credential(&self, id: WorkerId) -> Option<StoredCredential> {
        let cache = &self.credentials().workers;
        cache.get(id, || self.rights_version())
    }

    async fn create_group(&self, group: &Group) -> Result<()> {
        if group.members.len() > Group::MAX_MEMBERS {
            return Err(Rejected::TOO_MANY_MEMBERS.into_error(Operation::WriteGroup));
        }
        let is_reserved = group.name.as_ref().map(DisplayName::is_reserved_for_groups);
        let command = Command::CreateGroup(Box::new(group.clone()));
        write_unless_reserved(self, is_reserved, command).await
    }

    async fn group(&self, experiment: &ExperimentId, id: GroupId) -> Result<Option<Group>> {
        let params = params![experiment.as_str(), id.as_str()];
        let (operation, statement) = (Operation::FindGroup, statements::SELECT_GROUP);
        let records = self.query_in(Lane::List, operation, statement, params);
        MembershipRecord::decode_group(&records.await?, experiment)
    }

    async fn group_page(
        &self,
        experiment: &ExperimentId,
        name: Option<&DisplayName>,
        after: &ListPosition,
    ) -> Result<Page<Group>> {
        pages::groups(self, experiment, name, after).await
    }

    async fn add_member(
        &self,
        experiment: &ExperimentId,
        group: GroupId,
        member: MemberId,
    ) -> Result<()> {
        self.write(Command::AddMember(experiment.clone(), group, member))
            .await
    }

    async fn remove_member(
        &self,
        experiment: &ExperimentId,
        group: GroupId,
        member: MemberId,
    ) -> Result<()> {
        self.write(Command::RemoveMember(experiment.clone(), group, member))
            .await
    }

    async fn delete_group(&self, experiment: &ExperimentId, id: GroupId) -> Result<()> {
        self.write(Command::DeleteGroup(experiment.clone(), id))
            .await
    }
}

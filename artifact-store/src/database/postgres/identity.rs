//! Workers and groups as PostgreSQL holds them.

mod codec;

use std::sync::Arc;

use async_trait::async_trait;
use deadpool_postgres::Transaction;
use tokio_postgres::types::ToSql;

use super::PostgresDatabase;
use super::error::Failure;
use crate::error::{ErrorKind, Operation, Result};
use crate::experiment::ExperimentId;
use crate::identity::{
    CredentialHash, DisplayName, Group, GroupId, IdentityStore, Labels, MemberId, StoredCredential,
    Worker, WorkerId,
};

const INSERT_WORKER: &str = "\
    INSERT INTO workers (id, experiment, name, labels, registered_at, registered_by, credential) \
    VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING";
const UPDATE_CREDENTIAL: &str =
    "UPDATE workers SET credential = $3 WHERE id = $2 AND experiment = $1";
const SELECT_WORKERS: &str = "\
    SELECT id, name, labels, registered_at, registered_by FROM workers \
    WHERE experiment = $1 AND ($2::text IS NULL OR id = $2) AND ($3::text IS NULL OR name = $3) \
    ORDER BY registered_at, id";
/// From the worker upward through the groups that it is in, each once.
const SELECT_CREDENTIAL: &str = "\
    WITH RECURSIVE worker AS (\
        SELECT experiment, credential FROM workers WHERE id = $1\
    ), above (id) AS (\
        SELECT members.group_id FROM worker \
            JOIN members ON members.member = $1 AND members.experiment = worker.experiment \
        UNION \
        SELECT members.group_id FROM above CROSS JOIN worker \
            JOIN members ON members.member = above.id AND members.experiment = worker.experiment\
    ) \
    SELECT experiment, credential, \
        EXISTS (SELECT FROM groups JOIN above USING (id) WHERE groups.name = 'admins') \
    FROM worker";

/// Held by whoever changes the groups of an experiment, until the transaction ends: what is looked at
/// stays as it is, so two changes cannot close a cycle together. Writing rows goes on beside it.
const LOCK_EXPERIMENT: &str = "SELECT FROM experiments WHERE id = $1 FOR NO KEY UPDATE";

const INSERT_GROUP: &str = "\
    INSERT INTO groups (id, experiment, name, created_at, created_by) \
    VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO NOTHING";
const SELECT_NAME: &str = "SELECT name FROM groups WHERE id = $2 AND experiment = $1";
const DELETE_GROUP: &str = "DELETE FROM groups WHERE id = $1";
const SELECT_GROUPS: &str = "\
    SELECT id, name, created_at, created_by, member FROM groups \
    LEFT JOIN members ON members.group_id = groups.id \
    WHERE groups.experiment = $1 AND ($2::text IS NULL OR id = $2) \
        AND ($3::text IS NULL OR name = $3) \
    ORDER BY created_at, id, position";
const INSERT_MEMBERS: &str = "\
    INSERT INTO members (group_id, member, experiment, position) \
    SELECT $1, new.member, $3, new.at + \
        (SELECT coalesce(max(position), 0) FROM members WHERE group_id = $1) \
    FROM unnest($2::text[]) WITH ORDINALITY AS new (member, at) ORDER BY new.at \
    ON CONFLICT (group_id, member) DO NOTHING";
const DELETE_MEMBER: &str = "DELETE FROM members WHERE group_id = $1 AND member = $2";
/// Whether the group $1 is one of $2, or is in one directly or through others.
const IS_IN: &str = "\
    WITH RECURSIVE above (id) AS (\
        SELECT $1::text COLLATE \"C\" \
        UNION \
        SELECT members.group_id FROM above \
            JOIN members ON members.member = above.id AND members.experiment = $3\
    ) \
    SELECT EXISTS (SELECT FROM above WHERE id = ANY ($2))";

fn no_such(what: &'static str) -> Failure {
    Failure::new(ErrorKind::NotFound, what)
}

fn reserved() -> Failure {
    Failure::new(ErrorKind::Reserved, "the name is reserved")
}

fn taken() -> Failure {
    Failure::new(ErrorKind::AlreadyExists, "the id is taken")
}

/// The group without its members, whatever its name.
pub(super) async fn insert_group(
    transaction: &Transaction<'_>,
    group: &Group,
) -> Result<(), Failure> {
    let Group {
        id,
        experiment,
        name,
        members: _,
        created_at,
        created_by,
    } = group;
    let insert = transaction.prepare_cached(INSERT_GROUP).await?;
    let name = name.as_ref().map(DisplayName::as_str);
    let inserted = transaction
        .execute(
            &insert,
            &[
                &id.as_str(),
                &experiment.as_str(),
                &name,
                &created_at.as_microsecond(),
                &created_by.as_str(),
            ],
        )
        .await?;
    if inserted == 1 { Ok(()) } else { Err(taken()) }
}

/// Adds members in their order, unless the group would then be in itself. The experiment must be
/// locked.
async fn insert_members(
    transaction: &Transaction<'_>,
    experiment: &ExperimentId,
    group: GroupId,
    members: &[MemberId],
) -> Result<(), Failure> {
    let (group, home) = (group.as_str(), experiment.as_str());
    let inner = members.iter().filter(|member| member.group().is_some());
    let inner: Vec<_> = inner.map(MemberId::as_str).collect();
    if !inner.is_empty() {
        let is_in = transaction.prepare_cached(IS_IN).await?;
        let closes = transaction
            .query_one(&is_in, &[&group, &inner, &home])
            .await?
            .try_get(0)?;
        if closes {
            return Err(Failure::new(
                ErrorKind::Cycle,
                "the group would be in itself",
            ));
        }
    }
    let members: Vec<_> = members.iter().map(MemberId::as_str).collect();
    let insert = transaction.prepare_cached(INSERT_MEMBERS).await?;
    transaction
        .execute(&insert, &[&group, &members, &home])
        .await?;
    Ok(())
}

async fn lock(transaction: &Transaction<'_>, experiment: &ExperimentId) -> Result<(), Failure> {
    let lock = transaction.prepare_cached(LOCK_EXPERIMENT).await?;
    transaction.query(&lock, &[&experiment.as_str()]).await?;
    Ok(())
}

/// Locks the experiment, and gives the name of a group that is there.
async fn lock_group(
    transaction: &Transaction<'_>,
    experiment: &ExperimentId,
    id: GroupId,
) -> Result<Option<String>, Failure> {
    lock(transaction, experiment).await?;
    let select = transaction.prepare_cached(SELECT_NAME).await?;
    let found = transaction
        .query_opt(&select, &[&experiment.as_str(), &id.as_str()])
        .await?;
    let found = found.ok_or_else(|| no_such("there is no such group"))?;
    Ok(found.try_get(0)?)
}

impl PostgresDatabase {
    async fn find_workers(
        &self,
        experiment: &ExperimentId,
        id: Option<WorkerId>,
        name: Option<&DisplayName>,
    ) -> Result<Vec<Worker>> {
        let found = self.connections.repeatedly(|client| {
            let (home, name) = (experiment.clone(), name.cloned());
            Box::pin(async move {
                let name = name.as_ref().map(DisplayName::as_str);
                let id = id.as_ref().map(WorkerId::as_str);
                let select = client.prepare_cached(SELECT_WORKERS).await?;
                Ok(client.query(&select, &[&home.as_str(), &id, &name]).await?)
            })
        });
        let rows = found
            .await
            .map_err(|failure| failure.into_error(Operation::FindWorker, None))?;
        let workers = rows.iter().map(|row| codec::worker(experiment, row));
        workers.collect()
    }

    async fn find_groups(
        &self,
        experiment: &ExperimentId,
        id: Option<GroupId>,
        name: Option<&DisplayName>,
    ) -> Result<Vec<Group>> {
        let found = self.connections.repeatedly(|client| {
            let (home, name) = (experiment.clone(), name.cloned());
            Box::pin(async move {
                let name = name.as_ref().map(DisplayName::as_str);
                let id = id.as_ref().map(GroupId::as_str);
                let select = client.prepare_cached(SELECT_GROUPS).await?;
                Ok(client.query(&select, &[&home.as_str(), &id, &name]).await?)
            })
        });
        let rows = found
            .await
            .map_err(|failure| failure.into_error(Operation::FindGroup, None))?;
        codec::groups(experiment, &rows)
    }
}

#[async_trait]
impl IdentityStore for PostgresDatabase {
    async fn register_worker(&self, worker: &Worker, credential: &CredentialHash) -> Result<()> {
        let fail = |failure: Failure| failure.into_error(Operation::WriteWorker, None);
        let is_reserved = DisplayName::is_reserved_for_workers;
        if worker.name.as_ref().is_some_and(is_reserved) {
            return Err(fail(reserved()));
        }
        let registered = self.connections.transact(|transaction| {
            let (worker, credential) = (worker.clone(), credential.clone());
            Box::pin(async move {
                let Worker {
                    id,
                    experiment,
                    name,
                    labels,
                    registered_at,
                    registered_by,
                } = worker;
                let insert = transaction.prepare_cached(INSERT_WORKER).await?;
                let inserted = transaction
                    .execute(
                        &insert,
                        &[
                            &id.as_str(),
                            &experiment.as_str(),
                            &name.as_ref().map(DisplayName::as_str),
                            &labels.as_ref().map(Labels::to_json),
                            &registered_at.as_microsecond(),
                            &registered_by.as_str(),
                            &credential.as_phc(),
                        ],
                    )
                    .await?;
                if inserted == 1 { Ok(()) } else { Err(taken()) }
            })
        });
        registered.await.map_err(fail)
    }

    async fn worker(&self, experiment: &ExperimentId, id: WorkerId) -> Result<Option<Worker>> {
        let mut found = self.find_workers(experiment, Some(id), None).await?;
        Ok(found.pop())
    }

    async fn workers(
        &self,
        experiment: &ExperimentId,
        name: Option<&DisplayName>,
    ) -> Result<Vec<Worker>> {
        self.find_workers(experiment, None, name).await
    }

    async fn replace_credential(
        &self,
        experiment: &ExperimentId,
        id: WorkerId,
        credential: &CredentialHash,
    ) -> Result<()> {
        let replaced = self.connections.transact(|transaction| {
            let (home, credential) = (experiment.clone(), credential.clone());
            Box::pin(async move {
                let update = transaction.prepare_cached(UPDATE_CREDENTIAL).await?;
                let parameters: [&(dyn ToSql + Sync); 3] =
                    [&home.as_str(), &id.as_str(), &credential.as_phc()];
                match transaction.execute(&update, &parameters).await? {
                    1 => Ok(()),
                    _ => Err(no_such("there is no such worker")),
                }
            })
        });
        replaced
            .await
            .map_err(|failure| failure.into_error(Operation::WriteWorker, None))
    }

    async fn credential(&self, id: WorkerId) -> Result<Option<StoredCredential>> {
        let found = self.connections.repeatedly(|client| {
            Box::pin(async move {
                let select = client.prepare_cached(SELECT_CREDENTIAL).await?;
                Ok(client.query_opt(&select, &[&id.as_str()]).await?)
            })
        });
        let row = found
            .await
            .map_err(|failure| failure.into_error(Operation::FindCredential, None))?;
        row.as_ref().map(codec::credential).transpose()
    }

    async fn create_group(&self, group: &Group) -> Result<()> {
        let fail = |failure: Failure| failure.into_error(Operation::WriteGroup, None);
        let is_reserved = DisplayName::is_reserved_for_groups;
        if group.name.as_ref().is_some_and(is_reserved) {
            return Err(fail(reserved()));
        }
        let group = Arc::new(group.clone());
        let created = self.connections.transact(|transaction| {
            let group = Arc::clone(&group);
            Box::pin(async move {
                insert_group(transaction, &group).await?;
                lock(transaction, &group.experiment).await?;
                insert_members(transaction, &group.experiment, group.id, &group.members).await
            })
        });
        created.await.map_err(fail)
    }

    async fn group(&self, experiment: &ExperimentId, id: GroupId) -> Result<Option<Group>> {
        let mut found = self.find_groups(experiment, Some(id), None).await?;
        Ok(found.pop())
    }

    async fn groups(
        &self,
        experiment: &ExperimentId,
        name: Option<&DisplayName>,
    ) -> Result<Vec<Group>> {
        self.find_groups(experiment, None, name).await
    }

    async fn add_member(
        &self,
        experiment: &ExperimentId,
        group: GroupId,
        member: MemberId,
    ) -> Result<()> {
        let added = self.connections.transact(|transaction| {
            let home = experiment.clone();
            Box::pin(async move {
                lock_group(transaction, &home, group).await?;
                insert_members(transaction, &home, group, &[member]).await
            })
        });
        added
            .await
            .map_err(|failure| failure.into_error(Operation::WriteGroup, None))
    }

    async fn remove_member(
        &self,
        experiment: &ExperimentId,
        group: GroupId,
        member: MemberId,
    ) -> Result<()> {
        let removed = self.connections.transact(|transaction| {
            let home = experiment.clone();
            Box::pin(async move {
                lock_group(transaction, &home, group).await?;
                let delete = transaction.prepare_cached(DELETE_MEMBER).await?;
                transaction
                    .execute(&delete, &[&group.as_str(), &member.as_str()])
                    .await?;
                Ok(())
            })
        });
        removed
            .await
            .map_err(|failure| failure.into_error(Operation::WriteGroup, None))
    }

    async fn delete_group(&self, experiment: &ExperimentId, id: GroupId) -> Result<()> {
        let deleted = self.connections.transact(|transaction| {
            let home = experiment.clone();
            Box::pin(async move {
                let name = lock_group(transaction, &home, id).await?;
                let founding = DisplayName::RESERVED_FOR_GROUPS;
                if name.is_some_and(|name| founding.contains(&name.as_str())) {
                    return Err(reserved());
                }
                let delete = transaction.prepare_cached(DELETE_GROUP).await?;
                transaction.execute(&delete, &[&id.as_str()]).await?;
                Ok(())
            })
        });
        deleted
            .await
            .map_err(|failure| failure.into_error(Operation::WriteGroup, None))
    }
}

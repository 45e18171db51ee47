//! Workers and groups as SQLite holds them.

mod codec;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};

use super::SqliteDatabase;
use super::write::{Refused, Write};
use crate::error::{ErrorKind, Operation, Result};
use crate::experiment::ExperimentId;
use crate::identity::{
    CredentialHash, DisplayName, Group, GroupId, IdentityStore, MemberId, StoredCredential, Worker,
    WorkerId,
};

const INSERT_WORKER: &str = "INSERT INTO workers (id, experiment, name, labels, registered_at, \
     registered_by, credential) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const UPDATE_CREDENTIAL: &str =
    "UPDATE workers SET credential = ?3 WHERE id = ?2 AND experiment = ?1";
const SELECT_WORKER: &str = "SELECT id, name, labels, registered_at, registered_by FROM workers \
     WHERE id = ?2 AND experiment = ?1";
const SELECT_WORKERS: &str = "SELECT id, name, labels, registered_at, registered_by FROM workers \
     WHERE experiment = ?1 AND (?2 IS NULL OR name = ?2) ORDER BY registered_at, id";
/// From the worker upward through the groups that it is in, each once.
const SELECT_CREDENTIAL: &str = "WITH RECURSIVE worker AS (SELECT experiment, credential FROM \
     workers WHERE id = ?1), \
     above (id) AS (SELECT members.group_id FROM worker JOIN members ON members.member = ?1 AND \
     members.experiment = worker.experiment UNION SELECT members.group_id FROM above, worker JOIN \
     members ON members.member = above.id AND members.experiment = worker.experiment) \
     SELECT experiment, credential, EXISTS (SELECT 1 FROM groups JOIN above USING (id) WHERE \
     groups.name = 'admins') FROM worker";

const INSERT_GROUP: &str = "INSERT INTO groups (id, experiment, name, created_at, created_by) \
     VALUES (?1, ?2, ?3, ?4, ?5)";
const SELECT_NAME: &str = "SELECT name FROM groups WHERE id = ?2 AND experiment = ?1";
const DELETE_GROUP: &str = "DELETE FROM groups WHERE id = ?1";
const SELECT_GROUP: &str = "SELECT id, name, created_at, created_by, member FROM groups LEFT JOIN \
     members ON group_id = id WHERE id = ?2 AND groups.experiment = ?1 ORDER BY position";
const SELECT_GROUPS: &str = "SELECT id, name, created_at, created_by, member FROM groups LEFT JOIN \
     members ON group_id = id WHERE groups.experiment = ?1 AND (?2 IS NULL OR name = ?2) ORDER BY \
     created_at, id, position";
const INSERT_MEMBER: &str = "INSERT INTO members (group_id, member, experiment, position) VALUES \
     (?1, ?2, ?3, (SELECT coalesce(max(position), 0) + 1 FROM members WHERE group_id = ?1)) ON \
     CONFLICT (group_id, member) DO NOTHING";
const DELETE_MEMBER: &str = "DELETE FROM members WHERE group_id = ?1 AND member = ?2";
/// Whether the group ?1 is ?2, or is in it directly or through others.
const IS_IN: &str = "WITH RECURSIVE above (id) AS (VALUES (?1) UNION SELECT members.group_id FROM \
     above JOIN members ON members.member = above.id AND members.experiment = ?3) \
     SELECT EXISTS (SELECT 1 FROM above WHERE id = ?2)";

const NO_WORKER: Refused = Refused::Rule(ErrorKind::NotFound, "there is no such worker");
const NO_GROUP: Refused = Refused::Rule(ErrorKind::NotFound, "there is no such group");
const RESERVED: Refused = Refused::Rule(ErrorKind::Reserved, "the name is reserved");

pub(super) fn register_worker(
    connection: &Connection,
    worker: &Worker,
    credential: &CredentialHash,
) -> Result<(), Refused> {
    let Worker {
        id,
        experiment,
        name,
        labels,
        registered_at,
        registered_by,
    } = worker;
    if name
        .as_ref()
        .is_some_and(DisplayName::is_reserved_for_workers)
    {
        return Err(RESERVED);
    }
    connection.prepare_cached(INSERT_WORKER)?.execute(params![
        id.as_str(),
        experiment.as_str(),
        name.as_ref().map(DisplayName::as_str),
        labels.as_ref().map(crate::identity::Labels::to_json),
        registered_at.as_microsecond(),
        registered_by.as_str(),
        credential.as_phc(),
    ])?;
    Ok(())
}

pub(super) fn replace_credential(
    connection: &Connection,
    experiment: &ExperimentId,
    id: WorkerId,
    credential: &CredentialHash,
) -> Result<(), Refused> {
    let changed = connection
        .prepare_cached(UPDATE_CREDENTIAL)?
        .execute(params![
            experiment.as_str(),
            id.as_str(),
            credential.as_phc()
        ])?;
    if changed == 1 { Ok(()) } else { Err(NO_WORKER) }
}

pub(super) fn create_group(connection: &Connection, group: &Group) -> Result<(), Refused> {
    if group
        .name
        .as_ref()
        .is_some_and(DisplayName::is_reserved_for_groups)
    {
        return Err(RESERVED);
    }
    insert_group(connection, group)?;
    for member in &group.members {
        insert_member(connection, &group.experiment, group.id, *member)?;
    }
    Ok(())
}

/// The group without its members, whatever its name.
pub(super) fn insert_group(connection: &Connection, group: &Group) -> rusqlite::Result<()> {
    let Group {
        id,
        experiment,
        name,
        members: _,
        created_at,
        created_by,
    } = group;
    connection.prepare_cached(INSERT_GROUP)?.execute(params![
        id.as_str(),
        experiment.as_str(),
        name.as_ref().map(DisplayName::as_str),
        created_at.as_microsecond(),
        created_by.as_str(),
    ])?;
    Ok(())
}

pub(super) fn add_member(
    connection: &Connection,
    experiment: &ExperimentId,
    group: GroupId,
    member: MemberId,
) -> Result<(), Refused> {
    name_of(connection, experiment, group)?;
    insert_member(connection, experiment, group, member)
}

pub(super) fn remove_member(
    connection: &Connection,
    experiment: &ExperimentId,
    group: GroupId,
    member: MemberId,
) -> Result<(), Refused> {
    name_of(connection, experiment, group)?;
    connection
        .prepare_cached(DELETE_MEMBER)?
        .execute([group.as_str(), member.as_str()])?;
    Ok(())
}

pub(super) fn delete_group(
    connection: &Connection,
    experiment: &ExperimentId,
    id: GroupId,
) -> Result<(), Refused> {
    let name = name_of(connection, experiment, id)?;
    if name.is_some_and(|name| DisplayName::RESERVED_FOR_GROUPS.contains(&name.as_str())) {
        return Err(RESERVED);
    }
    connection
        .prepare_cached(DELETE_GROUP)?
        .execute([id.as_str()])?;
    Ok(())
}

/// The name of a group that is there.
fn name_of(
    connection: &Connection,
    experiment: &ExperimentId,
    id: GroupId,
) -> Result<Option<String>, Refused> {
    connection
        .prepare_cached(SELECT_NAME)?
        .query_row([experiment.as_str(), id.as_str()], |row| row.get(0))
        .optional()?
        .ok_or(NO_GROUP)
}

/// Adds a member, unless the group would then be in itself. The transaction holds the write lock, so
/// what this looks at stays as it is until the member is in.
fn insert_member(
    connection: &Connection,
    experiment: &ExperimentId,
    group: GroupId,
    member: MemberId,
) -> Result<(), Refused> {
    if let MemberId::Group(inner) = member {
        let closes: bool = connection.prepare_cached(IS_IN)?.query_row(
            [group.as_str(), inner.as_str(), experiment.as_str()],
            |row| row.get(0),
        )?;
        if closes {
            return Err(Refused::Rule(
                ErrorKind::Cycle,
                "the group would be in itself",
            ));
        }
    }
    connection.prepare_cached(INSERT_MEMBER)?.execute([
        group.as_str(),
        member.as_str(),
        experiment.as_str(),
    ])?;
    Ok(())
}

#[async_trait]
impl IdentityStore for SqliteDatabase {
    async fn register_worker(&self, worker: &Worker, credential: &CredentialHash) -> Result<()> {
        let write = Write::Worker(Box::new(worker.clone()), credential.clone());
        self.writer.write(write).await
    }

    async fn worker(&self, experiment: &ExperimentId, id: WorkerId) -> Result<Option<Worker>> {
        let home = experiment.clone();
        let found = self
            .readers
            .query(Operation::FindWorker, move |connection| {
                connection
                    .prepare_cached(SELECT_WORKER)?
                    .query_row([home.as_str(), id.as_str()], codec::stored_worker)
                    .optional()
            });
        let found = found.await?;
        found
            .map(|stored| codec::worker(experiment, stored))
            .transpose()
    }

    async fn workers(
        &self,
        experiment: &ExperimentId,
        name: Option<&DisplayName>,
    ) -> Result<Vec<Worker>> {
        let (home, name) = (experiment.clone(), name.cloned());
        let found = self
            .readers
            .query(Operation::FindWorker, move |connection| {
                let name = name.as_ref().map(DisplayName::as_str);
                connection
                    .prepare_cached(SELECT_WORKERS)?
                    .query_map(params![home.as_str(), name], codec::stored_worker)?
                    .collect::<rusqlite::Result<Vec<_>>>()
            });
        let found = found.await?.into_iter();
        found
            .map(|stored| codec::worker(experiment, stored))
            .collect()
    }

    async fn replace_credential(
        &self,
        experiment: &ExperimentId,
        id: WorkerId,
        credential: &CredentialHash,
    ) -> Result<()> {
        let write = Write::Credential(experiment.clone(), id, credential.clone());
        self.writer.write(write).await
    }

    async fn credential(&self, id: WorkerId) -> Result<Option<StoredCredential>> {
        let found = self
            .readers
            .query(Operation::FindCredential, move |connection| {
                connection
                    .prepare_cached(SELECT_CREDENTIAL)?
                    .query_row([id.as_str()], codec::raw_credential)
                    .optional()
            });
        found.await?.map(codec::credential).transpose()
    }

    async fn create_group(&self, group: &Group) -> Result<()> {
        self.writer
            .write(Write::Group(Box::new(group.clone())))
            .await
    }

    async fn group(&self, experiment: &ExperimentId, id: GroupId) -> Result<Option<Group>> {
        let home = experiment.clone();
        let found = self.readers.query(Operation::FindGroup, move |connection| {
            connection
                .prepare_cached(SELECT_GROUP)?
                .query_map([home.as_str(), id.as_str()], codec::stored_membership)?
                .collect::<rusqlite::Result<Vec<_>>>()
        });
        let mut groups = codec::groups(experiment, found.await?)?;
        Ok(groups.pop())
    }

    async fn groups(
        &self,
        experiment: &ExperimentId,
        name: Option<&DisplayName>,
    ) -> Result<Vec<Group>> {
        let (home, name) = (experiment.clone(), name.cloned());
        let found = self.readers.query(Operation::FindGroup, move |connection| {
            let name = name.as_ref().map(DisplayName::as_str);
            connection
                .prepare_cached(SELECT_GROUPS)?
                .query_map(params![home.as_str(), name], codec::stored_membership)?
                .collect::<rusqlite::Result<Vec<_>>>()
        });
        codec::groups(experiment, found.await?)
    }

    async fn add_member(
        &self,
        experiment: &ExperimentId,
        group: GroupId,
        member: MemberId,
    ) -> Result<()> {
        let write = Write::AddMember(experiment.clone(), group, member);
        self.writer.write(write).await
    }

    async fn remove_member(
        &self,
        experiment: &ExperimentId,
        group: GroupId,
        member: MemberId,
    ) -> Result<()> {
        let write = Write::RemoveMember(experiment.clone(), group, member);
        self.writer.write(write).await
    }

    async fn delete_group(&self, experiment: &ExperimentId, id: GroupId) -> Result<()> {
        let write = Write::DeleteGroup(experiment.clone(), id);
        self.writer.write(write).await
    }
}

//! The writes to a SQL database.

#![expect(
    clippy::future_not_send,
    reason = "a SQLite transaction stays on the writer's thread; a PostgreSQL one is Send where it is used"
)]

use artifact_backend::ArtifactId;
use jiff::Timestamp;

use super::admin_token::AdminTokenCommand;
use super::administrators::AdministratorCommand;
use super::collections::CollectionCommand;
use super::digests::NewRow;
use super::placement::PlacementCommand;
use super::records::{FlagRecord, NameRecord};
use super::sharing::{SharingCommand, SharingStatements};
use super::store_id::StoreIdCommand;
use super::{Param, Record, Subject, micros, params, statements};
use crate::database::rejected::Rejected;
use crate::digests::ChunkDigests;
use crate::error::Operation;
use crate::experiment::{Experiment, ExperimentId};
use crate::file_name::FileName;
use crate::idempotency::IdempotencyKey;
use crate::identity::{
    CredentialHash, DisplayName, Group, GroupId, Labels, MemberId, Worker, WorkerId,
};
use crate::row::Row;
use crate::time::Deadline;

/// One write.
#[derive(Debug)]
pub(in crate::database) enum Command {
    CreateExperiment(Experiment),
    /// The row is not written after the deadline.
    InsertRow(Box<NewRow>, Option<Deadline>),
    DeleteRow(ArtifactId),
    RegisterWorker(Box<Worker>, CredentialHash),
    ReplaceCredential(ExperimentId, WorkerId, CredentialHash),
    DeleteWorker(ExperimentId, WorkerId),
    CreateGroup(Box<Group>),
    AddMember(ExperimentId, GroupId, MemberId),
    RemoveMember(ExperimentId, GroupId, MemberId),
    DeleteGroup(ExperimentId, GroupId),
    StoreId(StoreIdCommand),
    Placement(PlacementCommand),
    Sharing(Box<SharingCommand>),
    Administrator(AdministratorCommand),
    AdminToken(AdminTokenCommand),
    Collection(CollectionCommand),
}

/// An open transaction, in which commands are applied.
pub(in crate::database) trait Transaction {
    type Error: From<Rejected>;

    /// The statements of grants and links.
    const SHARING: &'static SharingStatements;

    /// Runs a statement, and returns the number of rows that it changed.
    fn execute(
        &self,
        statement: &'static str,
        params: &[Param],
    ) -> impl Future<Output = Result<u64, Self::Error>> + Send;

    /// Runs a query, and reads a record from the first row of the result.
    fn query_one<R: Record>(
        &self,
        statement: &'static str,
        params: &[Param],
    ) -> impl Future<Output = Result<Option<R>, Self::Error>> + Send;

    /// Adds the digests of its chunks to a row that has none. Returns whether it did.
    fn add_digests(
        &self,
        id: ArtifactId,
        digests: &ChunkDigests,
    ) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// Deletes a row, its hold and its digests too, and makes its id one that never gets a row.
    fn delete_row(&self, id: ArtifactId) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Waits until all inserts of rows that have begun are committed or rolled back. Those that begin later see what this
    /// transaction writes.
    fn fence_inserts(&self) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Prevents other transactions from changing the groups of an experiment until this one ends.
    fn lock_groups(
        &self,
        experiment: &ExperimentId,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Appends members to an existing group in their order, and returns how many of them are new, or
    /// fails with [`Rejected::CYCLE`]. The groups of the experiment are locked.
    fn append_members(
        &self,
        experiment: &ExperimentId,
        group: GroupId,
        members: &[MemberId],
    ) -> impl Future<Output = Result<u64, Self::Error>> + Send;

    /// Whether one of the names in a JSON array $2 was given in the collection $1.
    const HAS_ANY_NAME: &'static str;

    /// Inserts a row, and the digests of its chunks if it has some.
    fn insert_row(&self, new: &NewRow) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

impl Command {
    pub(in crate::database) fn subject(&self) -> Subject {
        match self {
            Self::CreateExperiment(_) => Operation::Experiment.into(),
            Self::InsertRow(new, _) => Subject::with_id(Operation::InsertRow, new.row.id),
            Self::DeleteRow(id) => Subject::with_id(Operation::DeleteRow, *id),
            Self::RegisterWorker(..) | Self::ReplaceCredential(..) | Self::DeleteWorker(..) => {
                Operation::WriteWorker.into()
            }
            Self::CreateGroup(_)
            | Self::AddMember(..)
            | Self::RemoveMember(..)
            | Self::DeleteGroup(..) => Operation::WriteGroup.into(),
            Self::StoreId(_) => Operation::JoinHalves.into(),
            Self::Placement(_) => Operation::Placement.into(),
            Self::Sharing(command) => command.subject(),
            Self::Administrator(_) => Operation::WriteAdministrator.into(),
            Self::AdminToken(_) => Operation::AdminToken.into(),
            Self::Collection(command) => command.subject(),
        }
    }

    /// Returns whether the command can change a credential that another server has cached. A new worker
    /// or an empty group cannot.
    #[cfg(feature = "postgres")]
    pub(in crate::database) fn changes_rights(&self) -> bool {
        match self {
            Self::ReplaceCredential(..)
            | Self::DeleteWorker(..)
            | Self::AddMember(..)
            | Self::RemoveMember(..)
            | Self::DeleteGroup(..) => true,
            Self::CreateGroup(group) => !group.members.is_empty(),
            Self::Administrator(command) => command.changes_rights(),
            Self::AdminToken(command) => command.changes_rights(),
            Self::CreateExperiment(_)
            | Self::InsertRow(..)
            | Self::DeleteRow(_)
            | Self::RegisterWorker(..)
            | Self::StoreId(_)
            | Self::Placement(_)
            | Self::Sharing(_)
            | Self::Collection(_) => false,
        }
    }

    /// Returns whether what it writes is durable in the backend, so that the transaction needs no sync.
    #[cfg(feature = "sqlite")]
    pub(in crate::database) fn is_noted(&self) -> bool {
        matches!(self, Self::InsertRow(new, _) if new.is_noted)
    }

    /// Returns whether the command may write more than a few hundred rows, or a row with many digests.
    #[cfg(feature = "sqlite")]
    pub(in crate::database) fn takes_long(&self) -> bool {
        const MANY: usize = 256;
        match self {
            Self::CreateGroup(group) => group.members.len() > MANY,
            Self::DeleteGroup(..) => true,
            Self::InsertRow(new, _) => new.is_large(),
            Self::Collection(command) => command.takes_long(),
            _ => false,
        }
    }

    /// Applies the command. If it fails, the caller rolls its statements back.
    pub(in crate::database) async fn apply<T: Transaction>(&self, tx: &T) -> Result<(), T::Error> {
        match self {
            Self::CreateExperiment(experiment) => create_experiment(tx, experiment).await,
            Self::InsertRow(new, _) => insert_row(tx, new).await,
            Self::DeleteRow(id) => tx.delete_row(*id).await,
            Self::RegisterWorker(worker, hash) => register_worker(tx, worker, hash).await,
            Self::ReplaceCredential(experiment, id, hash) => {
                let expires_at = hash.expires_at().map(Timestamp::as_microsecond);
                let params = params![hash.as_phc(), expires_at, id.as_str(), experiment.as_str()];
                change_worker(tx, statements::UPDATE_CREDENTIAL, &params).await
            }
            Self::DeleteWorker(experiment, id) => {
                let params = params![id.as_str(), experiment.as_str()];
                change_worker(tx, statements::DELETE_WORKER, &params).await
            }
            Self::CreateGroup(group) => create_group(tx, group).await,
            Self::AddMember(experiment, group, member) => {
                lock_group(tx, experiment, *group).await?;
                append_members(tx, experiment, *group, &[*member]).await
            }
            Self::RemoveMember(experiment, group, member) => {
                lock_group(tx, experiment, *group).await?;
                let params = params![group.as_str(), member.as_str()];
                tx.execute(statements::DELETE_MEMBER, &params).await?;
                Ok(())
            }
            Self::DeleteGroup(experiment, id) => delete_group(tx, experiment, *id).await,
            Self::StoreId(command) => {
                let (statement, params) = command.statement();
                tx.execute(statement, &params).await?;
                Ok(())
            }
            Self::Placement(command) => command.apply(tx).await,
            Self::Sharing(command) => command.apply(tx).await,
            Self::Administrator(command) => command.apply(tx).await,
            Self::AdminToken(command) => command.apply(tx).await,
            Self::Collection(command) => command.apply(tx).await,
        }
    }
}

async fn create_experiment<T: Transaction>(
    tx: &T,
    experiment: &Experiment,
) -> Result<(), T::Error> {
    let Experiment { id, created_at } = experiment;
    let params = params![id.as_str(), created_at.as_microsecond()];
    let is_new = tx.execute(statements::INSERT_EXPERIMENT, &params).await? == 1;
    if is_new {
        for group in Group::founding(experiment) {
            insert_group(tx, &group).await?;
        }
    }
    Ok(())
}

/// Inserts a row with its key and its digests. For SQLite only.
pub(in crate::database) async fn insert_row<T: Transaction>(
    tx: &T,
    new: &NewRow,
) -> Result<(), T::Error> {
    let Row {
        id,
        experiment,
        created_by,
        size,
        content_type,
        file_name,
        sha256,
        created_at,
        expires_at,
    } = &new.row;
    let Ok(size) = i64::try_from(*size) else {
        return Err(Rejected::SIZE.into());
    };
    if let Some(key) = &new.key {
        let (experiment, created_by) = (experiment.as_str(), created_by.as_str());
        let (id, kept_for) = (id.as_bytes().as_slice(), micros(IdempotencyKey::KEPT_FOR));
        let params = params![experiment, created_by, key.as_str(), id, kept_for];
        if tx.execute(statements::INSERT_KEY, &params).await? != 1 {
            return Err(Rejected::KEY_TAKEN.into());
        }
    }
    let params = params![
        id.as_bytes().as_slice(),
        experiment.as_str(),
        created_by.as_str(),
        size,
        content_type.as_str(),
        file_name.as_ref().map(FileName::as_str),
        sha256.as_bytes().as_slice(),
        created_at.as_microsecond(),
        expires_at.map(Timestamp::as_microsecond),
        new.placement,
    ];
    if tx.execute(statements::INSERT_ROW, &params).await? != 1 {
        return Err(Rejected::LEFT_BACKEND.into());
    }
    match &new.digests {
        Some(digests) => tx.add_digests(*id, digests).await.map(drop),
        None => Ok(()),
    }
}

async fn register_worker<T: Transaction>(
    tx: &T,
    worker: &Worker,
    hash: &CredentialHash,
) -> Result<(), T::Error> {
    let Worker {
        id,
        experiment,
        name,
        labels,
        registered_at,
        registered_by,
    } = worker;
    let labels = labels.as_ref().map(Labels::to_json);
    let params = params![
        id.as_str(),
        experiment.as_str(),
        name.as_ref().map(DisplayName::as_str),
        labels.as_deref(),
        registered_at.as_microsecond(),
        registered_by.as_str(),
        hash.as_phc(),
        hash.expires_at().map(Timestamp::as_microsecond),
    ];
    match tx.execute(statements::INSERT_WORKER, &params).await? {
        1 => Ok(()),
        _ => Err(Rejected::ID_TAKEN.into()),
    }
}

/// Runs a statement that changes one existing worker.
async fn change_worker<T: Transaction>(
    tx: &T,
    statement: &'static str,
    params: &[Param],
) -> Result<(), T::Error> {
    match tx.execute(statement, params).await? {
        1 => Ok(()),
        _ => Err(Rejected::NO_WORKER.into()),
    }
}

async fn create_group<T: Transaction>(tx: &T, group: &Group) -> Result<(), T::Error> {
    insert_group(tx, group).await?;
    tx.lock_groups(&group.experiment).await?;
    append_members(tx, &group.experiment, group.id, &group.members).await
}

/// Appends members to an existing group, which must not become too large.
async fn append_members<T: Transaction>(
    tx: &T,
    experiment: &ExperimentId,
    group: GroupId,
    members: &[MemberId],
) -> Result<(), T::Error> {
    let is_new = tx.append_members(experiment, group, members).await? > 0;
    let max = i64::try_from(Group::MAX_MEMBERS).unwrap_or(i64::MAX);
    let params = params![group.as_str(), max];
    match tx.query_one(statements::IS_TOO_LARGE, &params).await? {
        Some(FlagRecord(true)) if is_new => Err(Rejected::TOO_MANY_MEMBERS.into()),
        _ => Ok(()),
    }
}

/// Inserts a group without its members; its name may be reserved.
async fn insert_group<T: Transaction>(tx: &T, group: &Group) -> Result<(), T::Error> {
    let Group {
        id,
        experiment,
        name,
        members: _,
        created_at,
        created_by,
    } = group;
    let params = params![
        id.as_str(),
        experiment.as_str(),
        name.as_ref().map(DisplayName::as_str),
        created_at.as_microsecond(),
        created_by.as_str(),
    ];
    match tx.execute(statements::INSERT_GROUP, &params).await? {
        1 => Ok(()),
        _ => Err(Rejected::ID_TAKEN.into()),
    }
}

async fn delete_group<T: Transaction>(
    tx: &T,
    experiment: &ExperimentId,
    id: GroupId,
) -> Result<(), T::Error> {
    let name = lock_group(tx, experiment, id).await?;
    if name.is_some_and(|name| DisplayName::RESERVED_FOR_GROUPS.contains(&&*name)) {
        return Err(Rejected::RESERVED_NAME.into());
    }
    tx.execute(statements::DELETE_GROUP, &params![id.as_str()])
        .await?;
    Ok(())
}

/// Locks the groups of the experiment, and returns the name of an existing group.
async fn lock_group<T: Transaction>(
    tx: &T,
    experiment: &ExperimentId,
    id: GroupId,
) -> Result<Option<String>, T::Error> {
    tx.lock_groups(experiment).await?;
    let params = params![experiment.as_str(), id.as_str()];
    match tx.query_one(statements::SELECT_GROUP_NAME, &params).await? {
        Some(NameRecord(name)) => Ok(name),
        None => Err(Rejected::NO_GROUP.into()),
    }
}

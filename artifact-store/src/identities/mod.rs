//! Who there is: workers, their stored credentials, and groups.

mod credential;
mod display_name;
mod group;
mod id;
mod worker;

use std::fmt::Debug;

use async_trait::async_trait;

use crate::error::Result;
use crate::names::ExperimentId;

pub use credential::{CredentialHash, InvalidCredentialHash, StoredCredential};
pub use display_name::{DisplayName, InvalidDisplayName};
pub use group::Group;
pub use id::{GroupId, InvalidId, MemberId, WorkerId};
pub use worker::{InvalidLabels, Labels, Worker};

/// Keeps workers and groups. It lies in the same database as the [`Catalog`](crate::Catalog), and one
/// opened [`Database`](crate::Database) gives both.
///
/// - Everything belongs to one experiment. Asked for in another, it is not there.
/// - A worker and a group never change, except for a worker's credential and a group's members.
///   Names are labels and may be the same. Ids are never used again.
/// - A member need not exist. Only groups of the same experiment count where membership goes on
///   from group to group: an id of elsewhere is listed, and has no members here.
/// - No group is its own member, directly or through others. A write that would make it so is
///   refused as a whole, also where two writes at once would make it so together.
/// - [`create_experiment`](crate::Catalog::create_experiment) makes the experiment's groups `admins`
///   and `orchestrators` in the same transaction ([`Group::founding`]), and a database of an older
///   schema gets them when it is migrated. No other group is ever named so, and these two stay.
/// - `Ok` of a write means that it is durable, and that every later read, by any process on the
///   same database, sees it. Reads see the whole of a write or nothing of it.
/// - Everything may be called at once, from any task, and by other processes on the same database.
/// - A dropped future of a write leaves it done or not done, which may be decided after the drop.
/// - An error of a write leaves it not done, except
///   [`Unavailable`](crate::ErrorKind::Unavailable), after which it may be done or not.
/// - Every operation can fail with `Unavailable` and the operator's kinds, every write with
///   `OutOfSpace`, and every read with `Corrupt`, when what is there was not written by this trait.
#[async_trait]
pub trait IdentityStore: Debug + Send + Sync + 'static {
    /// Writes a new worker and what its token is verified by.
    ///
    /// # Errors
    ///
    /// `Reserved` when the name is [one that no worker may have](DisplayName::is_reserved_for_workers);
    /// `AlreadyExists` when the id is taken, in whatever experiment; `NotFound` when its experiment
    /// does not exist.
    async fn register_worker(&self, worker: &Worker, credential: &CredentialHash) -> Result<()>;

    /// Finds a worker of this experiment.
    async fn worker(&self, experiment: &ExperimentId, id: WorkerId) -> Result<Option<Worker>>;

    /// The workers of this experiment, or those of exactly this name; ordered by time, then by id.
    async fn workers(
        &self,
        experiment: &ExperimentId,
        name: Option<&DisplayName>,
    ) -> Result<Vec<Worker>>;

    /// Puts another credential in the place of a worker's, which is dead from then on.
    ///
    /// # Errors
    ///
    /// `NotFound` when this experiment has no such worker.
    async fn replace_credential(
        &self,
        experiment: &ExperimentId,
        id: WorkerId,
        credential: &CredentialHash,
    ) -> Result<()>;

    /// What a request of this worker is checked by, in one read: its experiment, its credential,
    /// and whether it is in the group named `admins` of its experiment, directly or through other
    /// groups. Every request asks for it, and the answer is never cached.
    async fn credential(&self, id: WorkerId) -> Result<Option<StoredCredential>>;

    /// Writes a new group with its members.
    ///
    /// # Errors
    ///
    /// `Reserved` when the name is [one that no group may have](DisplayName::is_reserved_for_groups);
    /// `Cycle` when it would be its own member; `AlreadyExists` when the id is taken, in whatever
    /// experiment; `NotFound` when its experiment does not exist.
    async fn create_group(&self, group: &Group) -> Result<()>;

    /// Finds a group of this experiment, with its members.
    async fn group(&self, experiment: &ExperimentId, id: GroupId) -> Result<Option<Group>>;

    /// The groups of this experiment, or those of exactly this name, with their members; ordered by
    /// time, then by id.
    async fn groups(
        &self,
        experiment: &ExperimentId,
        name: Option<&DisplayName>,
    ) -> Result<Vec<Group>>;

    /// Adds a member behind the others; no error where it is one already, and it keeps its place.
    ///
    /// # Errors
    ///
    /// `NotFound` when this experiment has no such group; `Cycle` when the group would be its own
    /// member.
    async fn add_member(
        &self,
        experiment: &ExperimentId,
        group: GroupId,
        member: MemberId,
    ) -> Result<()>;

    /// Removes a direct member; no error where it is none.
    ///
    /// # Errors
    ///
    /// `NotFound` when this experiment has no such group.
    async fn remove_member(
        &self,
        experiment: &ExperimentId,
        group: GroupId,
        member: MemberId,
    ) -> Result<()>;

    /// Deletes a group and its list of members. Where it is a member of others it stays listed, as
    /// one that does not exist.
    ///
    /// # Errors
    ///
    /// `NotFound` when this experiment has no such group; `Reserved` when it is `admins` or
    /// `orchestrators`: nothing could make them again.
    async fn delete_group(&self, experiment: &ExperimentId, id: GroupId) -> Result<()>;
}

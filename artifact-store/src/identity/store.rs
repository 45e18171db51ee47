//! The trait of the store of identities.

use std::fmt::Debug;

use async_trait::async_trait;

use super::{
    CredentialHash, DisplayName, Group, GroupId, ListPosition, MemberId, Page, StoredCredential,
    Worker, WorkerId,
};
use crate::admin_token::AdminTokenRecord;
use crate::administrators::AdministratorStore;
use crate::error::Result;
use crate::experiment::ExperimentId;

/// Keeps workers and groups, [named administrators](AdministratorStore) and the digest of the
/// [admin token](AdminTokenRecord). It is in the same database as the [`Catalog`](crate::Catalog); one open
/// [`Database`](crate::Database) provides both.
///
/// - Every worker and group belongs to one experiment. A look-up in another experiment does not find
///   it.
/// - Workers and groups never change, except for a worker's credential and a group's members. Names
///   are labels: several workers or groups may have the same name. Ids are random, so that the id of a deleted
///   worker or group does not appear again.
/// - A member need not exist. Nested membership only counts through groups of the same experiment:
///   the id of a group of another experiment is listed as a member, but contributes no members.
/// - No group is its own member, directly or through others. A write that would create such a cycle
///   is refused as a whole, even if two concurrent writes would only create it together.
/// - [`create_experiment`](crate::Catalog::create_experiment) creates the experiment's groups
///   `admins` and `orchestrators` in the same transaction ([`Group::founding`]). The migration of an
///   older database creates them too. No other group gets these names, and these two cannot be
///   deleted.
/// - `Ok` of a write means that it is durable, and that every later read by any process on the same
///   database sees it. A read sees all of a write or nothing.
/// - All methods may be called concurrently, from any task, and by other processes on the same
///   database.
/// - If the future of a write is dropped, the write is done or not done, and that may be decided
///   after the drop.
/// - If a write fails, it is not done. The exception is
///   [`Unavailable`](crate::ErrorKind::Unavailable): the write may then be done or not.
/// - Every method can fail with `Unavailable` and the kinds that an operator must resolve. Every write can fail with
///   `OutOfSpace`. Every read can fail with `Corrupt`, if this trait did not write the stored data; a
///   page leaves such a record [out](Page::unreadable) instead.
#[async_trait]
pub trait IdentityStore:
    AdministratorStore + AdminTokenRecord + Debug + Send + Sync + 'static
{
    /// Writes a new worker and the hash of its token, with the time when the token expires.
    ///
    /// # Errors
    ///
    /// `Reserved` if the name is [reserved](DisplayName::is_reserved_for_workers); `AlreadyExists`
    /// if the id is taken, in any experiment; `NotFound` if the experiment does not exist.
    async fn register_worker(&self, worker: &Worker, credential: &CredentialHash) -> Result<()>;

    /// Finds a worker of this experiment.
    async fn worker(&self, experiment: &ExperimentId, id: WorkerId) -> Result<Option<Worker>>;

    /// Returns a page of the workers of this experiment, or of those with exactly this name: those after
    /// a position, ordered by time, then by id.
    ///
    /// A page has at most 256 workers, and ends earlier once these hold 256 KiB. It is one read: it takes
    /// no longer for a long list, and between two pages nothing is held. [`IdentityStoreExt::workers`]
    /// reads all pages.
    ///
    /// A worker that exists from the first page to the last is in exactly one page. One that is registered
    /// meanwhile is in a later page if its time and id are after the position, and else in none.
    ///
    /// [`IdentityStoreExt::workers`]: super::IdentityStoreExt::workers
    async fn worker_page(
        &self,
        experiment: &ExperimentId,
        name: Option<&DisplayName>,
        after: &ListPosition,
    ) -> Result<Page<Worker>>;

    /// Replaces the credential of a worker. The old one is invalid from then on, in every process on the same
    /// database. With [`CredentialHash::revoked`] the worker has no valid token until it gets another one.
    ///
    /// # Errors
    ///
    /// `NotFound` if this experiment has no such worker.
    async fn replace_credential(
        &self,
        experiment: &ExperimentId,
        id: WorkerId,
        credential: &CredentialHash,
    ) -> Result<()>;

    /// Deletes a worker and its credential, which is invalid from then on in every process on the same database.
    ///
    /// Its artifacts stay, and so does what names it as the depositor. Groups keep listing it as a member that does
    /// not exist.
    ///
    /// # Errors
    ///
    /// `NotFound` if this experiment has no such worker.
    async fn delete_worker(&self, experiment: &ExperimentId, id: WorkerId) -> Result<()>;

    /// Returns the data that a worker's request is authenticated with, in one read: its experiment,
    /// its credential, and whether it is in the group `admins` of its experiment, directly or
    /// through other groups.
    ///
    /// Always reads the database, never a cache. Also returns a credential that has
    /// [expired](CredentialHash::has_expired), so the caller must ask that.
    async fn credential(&self, id: WorkerId) -> Result<Option<StoredCredential>>;

    /// Returns what [`credential`](Self::credential) would return, if that is known without waiting.
    ///
    /// It is current: once a write that changes a credential or a membership has returned `Ok`, in any
    /// process on the same database, no later call returns the state before that write. `None` means
    /// that the credential is not cached, that it may have changed, or that the worker is unknown. Then
    /// call `credential`, which fills the cache.
    ///
    /// Never waits for a query or another task, and cannot fail. The default implementation has no
    /// cache.
    fn cached_credential(&self, id: WorkerId) -> Option<StoredCredential> {
        let _ = id;
        None
    }

    /// Writes a new group with its members. The work grows with the number of its members only.
    ///
    /// # Errors
    ///
    /// `TooLarge` if it has more than [`Group::MAX_MEMBERS`] members;
    /// `Reserved` if the name is [reserved](DisplayName::is_reserved_for_groups); `Cycle` if the
    /// group would be its own member; `AlreadyExists` if the id is taken, in any experiment;
    /// `NotFound` if the experiment does not exist.
    async fn create_group(&self, group: &Group) -> Result<()>;

    /// Finds a group of this experiment, with its members.
    async fn group(&self, experiment: &ExperimentId, id: GroupId) -> Result<Option<Group>>;

    /// Returns a page of the groups of this experiment, or of those with exactly this name, with their
    /// members: those after a position, ordered by time, then by id.
    ///
    /// A page ends once it has 1,024 groups and members together, or these hold 256 KiB. It has more only if
    /// one group alone has more members. What is said of pages of [workers](Self::worker_page) holds for
    /// those of groups too. A group that is deleted between two
    /// pages is in a page or in none. The members of one group are those of one moment; the members of
    /// groups in two pages may be those of two moments.
    async fn group_page(
        &self,
        experiment: &ExperimentId,
        name: Option<&DisplayName>,
        after: &ListPosition,
    ) -> Result<Page<Group>>;

    /// Appends a member. Succeeds if it is a member already, and then keeps its position.
    ///
    /// # Errors
    ///
    /// `NotFound` if this experiment has no such group; `Cycle` if the group would be its own
    /// member; `TooLarge` if it would have more than [`Group::MAX_MEMBERS`] members.
    async fn add_member(
        &self,
        experiment: &ExperimentId,
        group: GroupId,
        member: MemberId,
    ) -> Result<()>;

    /// Removes a direct member. Succeeds if it is not a member.
    ///
    /// # Errors
    ///
    /// `NotFound` if this experiment has no such group.
    async fn remove_member(
        &self,
        experiment: &ExperimentId,
        group: GroupId,
        member: MemberId,
    ) -> Result<()>;

    /// Deletes a group and its list of members. Other groups keep listing it as a member that does
    /// not exist.
    ///
    /// # Errors
    ///
    /// `NotFound` if this experiment has no such group; `Reserved` if it is `admins` or
    /// `orchestrators`, which cannot be created again.
    async fn delete_group(&self, experiment: &ExperimentId, id: GroupId) -> Result<()>;
}

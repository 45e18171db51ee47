//! The trait of the store of administrators.

use std::fmt::Debug;

use async_trait::async_trait;

use super::Administrator;
use crate::error::Result;
use crate::identity::{AdministratorId, CredentialHash, ListPosition, Page};

/// Keeps the named administrators of a deployment. It is part of every [`IdentityStore`](crate::IdentityStore), and in the
/// same database.
///
/// `admin` is not among them: its token is a setting of the server, so it can still log in after the last named administrator
/// was deleted.
///
/// - An administrator never changes, except for its credential. Names are labels: several administrators may have the same
///   name. Ids are random, so that the id of a deleted administrator does not appear again.
/// - `Ok` of a write means that it is durable, and that every later read by any process on the same
///   database sees it. A replaced credential and a deleted administrator are invalid from then on in all of them.
/// - All methods may be called concurrently, from any task, and by other processes on the same database.
/// - If the future of a write is dropped, the write is done or not done, and that may be decided after the drop.
/// - If a write fails, it is not done. The exception is [`Unavailable`](crate::ErrorKind::Unavailable): the write may
///   then be done or not.
/// - Every method can fail with `Unavailable` and the kinds that an operator must resolve. Every write can fail with
///   `OutOfSpace`. Every read can fail with `Corrupt`, if this trait did not write the stored data; a page leaves such
///   a record [out](Page::unreadable) instead.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use artifact_store::{
///     Administrator, AdministratorId, AdministratorStore, CredentialHash, Database, PrincipalId, Timestamp,
/// };
///
/// let administrators = Database::from_url("mem:").await?.identities;
/// // The argon2id hash of a random token, which only its owner gets.
/// let hash: CredentialHash = "$argon2id$v=19$m=1024,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g".parse()?;
/// let id = AdministratorId::mint();
/// let alice = Administrator::new(id, "Alice".parse()?, Timestamp::UNIX_EPOCH, PrincipalId::Admin, hash);
/// administrators.register_administrator(&alice).await?;
/// assert_eq!(administrators.administrator(id).await?, Some(alice));
///
/// administrators.replace_administrator_credential(id, &CredentialHash::revoked()).await?;
/// administrators.delete_administrator(id).await?;
/// assert_eq!(administrators.administrator_credential(id).await?, None);
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait AdministratorStore: Debug + Send + Sync + 'static {
    /// Writes a new administrator with the hash of its token.
    ///
    /// # Errors
    ///
    /// `Reserved` if the name is [reserved](crate::DisplayName::is_reserved_for_workers), so that no name looks like
    /// `admin`; `AlreadyExists` if the id is taken.
    async fn register_administrator(&self, administrator: &Administrator) -> Result<()>;

    /// Finds an administrator.
    async fn administrator(&self, id: AdministratorId) -> Result<Option<Administrator>>;

    /// Returns a page of the administrators: up to `limit` (at least 1) of those after a position, ordered by time, then
    /// by id. A page never has more than 256.
    ///
    /// An administrator that exists from the first page to the last is in exactly one page.
    /// [`AdministratorStoreExt::administrators`](super::AdministratorStoreExt::administrators) reads all pages.
    async fn administrator_page(
        &self,
        after: &ListPosition,
        limit: usize,
    ) -> Result<Page<Administrator>>;

    /// Replaces the credential of an administrator. The old one is invalid from then on, in every process on the same
    /// database. With [`CredentialHash::revoked`] it has no valid token until it gets another one.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such administrator.
    async fn replace_administrator_credential(
        &self,
        id: AdministratorId,
        credential: &CredentialHash,
    ) -> Result<()>;

    /// Deletes an administrator and its credential, which is invalid from then on in every process on the same database.
    ///
    /// Its artifacts stay, and so does every record that names it.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such administrator.
    async fn delete_administrator(&self, id: AdministratorId) -> Result<()>;

    /// Returns the credential of an administrator.
    ///
    /// Always reads the database, never a cache. Also returns a credential that has
    /// [expired](CredentialHash::has_expired), so the caller must ask that.
    async fn administrator_credential(&self, id: AdministratorId)
    -> Result<Option<CredentialHash>>;

    /// Returns what [`administrator_credential`](Self::administrator_credential) would return, if that is known without
    /// waiting.
    ///
    /// It is current: once a write that changes a credential has returned `Ok`, in any process on the same database, no
    /// later call returns the state before that write. `None` means that the credential is not cached, that it may have
    /// changed, or that the administrator is unknown. Then call `administrator_credential`, which fills the cache.
    ///
    /// Never waits for a query or another task, and cannot fail. The default implementation has no cache.
    fn cached_administrator_credential(&self, id: AdministratorId) -> Option<CredentialHash> {
        let _ = id;
        None
    }
}

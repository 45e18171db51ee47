//! The trait of the records of grants and links.

use std::fmt::Debug;

use artifact_backend::{ArtifactId, Sha256Digest};
use async_trait::async_trait;

use super::{AccessGrant, AccessLink, GrantSubject};
use crate::error::Result;
use crate::experiment::ExperimentId;
use crate::identity::{GrantId, LinkId, WorkerId};

/// The most grants, and the most links, of one subject.
pub(crate) const MAX_SHARES: usize = 1_000;

/// Keeps grants and links. It is in the same database as the [`Catalog`](crate::Catalog); one open
/// [`Database`](crate::Database) provides both. Checks no rights; [`Sharing`](super::Sharing) does.
///
/// - Every call reads or writes the database, never a cache. So a change counts from its answer on, in every process.
/// - A grant or a link that has ended is found by no call, as if it had been revoked: a grant at its time, a link at its time
///   or after its last download. The clock of the database decides.
/// - The transaction that removes an artifact removes its grants and links too, and that which deletes a collection its grants.
///   That which deletes a worker or a group removes the grants to it. That which deletes a worker or a named administrator, or [revokes](crate::CredentialHash::revoked) its
///   token, removes the links that it made.
/// - `Ok` of a write means that it is durable. If a write fails, it is not done, except with
///   [`Unavailable`](crate::ErrorKind::Unavailable): it may then be done or not. If the future of a write is dropped, it
///   is done or not done, and that may be decided after the drop.
/// - Every method can fail with `Unavailable` and the kinds that an operator must resolve, every write with `OutOfSpace`, and
///   every read with `Corrupt`, if this trait did not write the stored data.
#[async_trait]
pub trait SharingRecord: Debug + Send + Sync + 'static {
    /// Writes a new grant. It takes the place of the grant that the grantee has for this subject, if there is one.
    ///
    /// # Errors
    ///
    /// `NotFound` if the experiment of the grant has no such subject, worker or group; `TooLarge` if the subject has 1,000
    /// grants to others.
    async fn insert_grant(&self, grant: &AccessGrant) -> Result<()>;

    /// Returns the grants of a subject whose ids are greater than `after`, in the order of their ids, at most `limit` (1 to
    /// 1,000; other numbers are clamped). Fewer are the last ones.
    async fn grants(
        &self,
        subject: &GrantSubject,
        after: Option<GrantId>,
        limit: u32,
    ) -> Result<Vec<AccessGrant>>;

    /// Deletes a grant.
    ///
    /// # Errors
    ///
    /// `NotFound` if the subject has no such grant.
    async fn delete_grant(&self, subject: &GrantSubject, id: GrantId) -> Result<()>;

    /// Returns whether a grant of the subject names this worker of the experiment, or a group of the experiment that the worker
    /// is in, directly or through other groups. For an artifact that is in a collection, a grant of the collection counts too.
    /// One query, which sees all memberships, grants and files at one moment.
    async fn is_granted(
        &self,
        experiment: &ExperimentId,
        subject: &GrantSubject,
        worker: WorkerId,
    ) -> Result<bool>;

    /// Writes a new link, and the digest under which it is found.
    ///
    /// # Errors
    ///
    /// `NotFound` if the experiment of the link has no such artifact, or if its maker is a worker that the experiment does not have,
    /// an administrator that does not exist, or one of them whose token was revoked; `TooLarge` if the artifact has 1,000 links.
    async fn insert_link(&self, link: &AccessLink, digest: &Sha256Digest) -> Result<()>;

    /// Returns the links of an artifact; see [`grants`](Self::grants) for the pages.
    async fn links(
        &self,
        artifact: ArtifactId,
        after: Option<LinkId>,
        limit: u32,
    ) -> Result<Vec<AccessLink>>;

    /// Deletes a link.
    ///
    /// # Errors
    ///
    /// `NotFound` if the artifact has no such link.
    async fn delete_link(&self, artifact: ArtifactId, id: LinkId) -> Result<()>;

    /// Finds the link with this digest, if its artifact has a row and its maker could make it now: an administrator, an
    /// external principal, the depositor, or a worker in `admins`. One query.
    async fn find_link(&self, digest: &Sha256Digest) -> Result<Option<AccessLink>>;

    /// Counts one download of a link, in one transaction. Of concurrent calls in any processes, no more succeed than the link
    /// has downloads left. A link whose downloads are not limited is not changed.
    ///
    /// # Errors
    ///
    /// `NotFound` if the artifact has no such link.
    async fn use_link(&self, artifact: ArtifactId, id: LinkId) -> Result<()>;

    /// Deletes grants and links that have ended, at most `limit` of each (1 to 1,000; other numbers are clamped). Returns how
    /// many; fewer than `limit` were all that there were.
    async fn forget_shares(&self, limit: u32) -> Result<u64>;
}

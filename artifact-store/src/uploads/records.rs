//! The trait for the records of upload sessions.

use std::fmt::Debug;
use std::time::Duration;

use artifact_backend::ArtifactId;
use async_trait::async_trait;

use super::{UploadId, UploadPart, UploadSession};
use crate::error::Result;
use crate::time::Deadline;

/// Keeps the records of upload sessions and of their parts, beside the rows of a [`Catalog`](crate::Catalog). The rules of
/// that trait for writes hold here too.
///
/// A session *is over* if it was ended, if it has expired by the clock of the database, or if it is not complete and the
/// [`Placement`](crate::Placement) has a fence above the epoch of the session. A session that is over stays so. While a
/// part is recorded, its id is not [condemned](crate::CatalogInventory::condemn).
///
/// Every method can fail with `Unavailable` and the kinds that an operator must resolve, every write with `OutOfSpace`.
#[async_trait]
pub trait UploadRecords: Debug + Send + Sync + 'static {
    /// Creates a session that expires after `lifetime`. Returns `false`, and creates nothing, if the principal has `max_open`
    /// sessions in the experiment that are neither over nor complete. Its `expires_at`, `offset`, `parts` and `artifact` are not
    /// used.
    async fn create_upload(
        &self,
        session: &UploadSession,
        lifetime: Duration,
        max_open: u32,
    ) -> Result<bool>;

    /// Finds a session that is not over.
    async fn find_upload(&self, id: UploadId) -> Result<Option<UploadSession>>;

    /// Records a part and adds its size to the offset of the session, which from now on lives for `lifetime`, or, if it is whole,
    /// for [`WHOLE_LIFETIME`](super::UploadOptions::WHOLE_LIFETIME) if that is shorter.
    ///
    /// Returns `false`, and changes nothing, if the session is over or complete, if its offset is not that of the part,
    /// if the part goes beyond the declared length, if the id of the part was condemned, or if the bytes may be in a backend that
    /// the store has left. Of several calls with the same offset, one returns `true`.
    ///
    /// Once the deadline has passed, the part is never recorded; it also carries the epoch of the placement, as in
    /// [`insert_with`](crate::Catalog::insert_with).
    async fn append_part(
        &self,
        id: UploadId,
        part: &UploadPart,
        lifetime: Duration,
        deadline: &Deadline,
    ) -> Result<bool>;

    /// Declares the length of a session, and renews its lifetime as [`append_part`](Self::append_part) does. Returns `false`,
    /// and changes nothing, if the session is over or complete, has more bytes, or has another length.
    async fn declare_length(&self, id: UploadId, length: u64, lifetime: Duration) -> Result<bool>;

    /// Records the artifact that a session became, unless one is recorded, and renews its lifetime. Does nothing for a session
    /// that is gone.
    async fn complete_upload(
        &self,
        id: UploadId,
        artifact: ArtifactId,
        lifetime: Duration,
    ) -> Result<()>;

    /// Ends a session, if it is over or if `at_once`. Returns whether its parts are no longer needed: it is ended now, is
    /// complete or does not exist.
    async fn end_upload(&self, id: UploadId, at_once: bool) -> Result<bool>;

    /// Returns sessions that are over, and complete ones that still have parts, at most `limit` (1 to 1,000; other numbers are
    /// clamped). The caller removes them, or they are returned again.
    async fn ended_uploads(&self, limit: u32) -> Result<Vec<UploadId>>;

    /// Returns the parts of a session that begin at `from` or later, in order, at most `limit` (1 to 1,000; other numbers are
    /// clamped).
    async fn list_parts(&self, id: UploadId, from: u64, limit: u32) -> Result<Vec<UploadPart>>;

    /// Returns those of the ids that are recorded as parts. At most 1,000 ids, in one query.
    async fn parts_among(&self, ids: &[ArtifactId]) -> Result<Vec<ArtifactId>>;

    /// Forgets the records of parts whose blobs were deleted. At most 1,000 ids, in one transaction.
    async fn forget_parts(&self, ids: &[ArtifactId]) -> Result<()>;

    /// Forgets a session that was ended and has no parts. Does nothing for any other.
    async fn forget_upload(&self, id: UploadId) -> Result<()>;
}

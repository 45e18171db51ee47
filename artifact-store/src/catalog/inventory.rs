//! The trait for maintenance of a catalog: list, remove, hold, retention.

use std::time::Duration;

use artifact_backend::ArtifactId;
use async_trait::async_trait;

use super::{
    Catalog, CommitMark, ExpiredPage, ExpiryPosition, Hold, ImportId, PrincipalUsage, Removal,
    RemovalPage, RowFilter, RowPage, RowPosition, ScrubRecord, StagedRow,
};
use crate::digests::ChunkDigests;
use crate::error::Result;
use crate::experiment::ExperimentId;
use crate::principal::PrincipalId;
use crate::uploads::UploadRecords;

/// A catalog with maintenance operations. The rules of [`Catalog`] hold here too.
///
/// The removal of a row, and the decision that an id never gets one, are final: the catalog keeps each removed id for
/// ever, and [`insert`](Catalog::insert) refuses it. So a collector may delete the blob of a removed id at any later time,
/// also if it was suspended in between, and whatever the clocks show. Where a method compares times, it uses the
/// database's clock.
#[async_trait]
pub trait CatalogInventory: Catalog + UploadRecords {
    /// Returns the rows after a position that the filter selects, in order, at most `limit` (1 to 1,000; other numbers are
    /// clamped).
    ///
    /// One call looks at up to 10,000 rows, so a page can be empty although more pages follow. A row that is inserted
    /// while pages are read is on a later page; no row is skipped, and none is listed twice. Removed rows are left out.
    ///
    /// # Errors
    ///
    /// `Unavailable` and the kinds that an operator must resolve.
    async fn scan(&self, filter: &RowFilter, after: RowPosition, limit: u32) -> Result<RowPage>;

    /// Returns those of the ids that have no row. At most 1,000 ids, in one query.
    ///
    /// # Errors
    ///
    /// `Unavailable` and the kinds that an operator must resolve; `Unexpected` for more ids.
    async fn missing(&self, ids: &[ArtifactId]) -> Result<Vec<ArtifactId>>;

    /// Adds the digests of its chunks to a row that has none. Returns `false`, and changes nothing, if it has some already or if
    /// there is no row. The caller has compared the bytes with the SHA-256 of the row.
    ///
    /// # Errors
    ///
    /// `Unavailable`, `OutOfSpace` and the kinds that an operator must resolve.
    async fn add_chunk_digests(&self, id: ArtifactId, digests: &ChunkDigests) -> Result<bool>;

    /// Returns how much each principal has stored in this experiment, ordered by the bytes of the principal's id;
    /// or, with `created_by`, only how much that one has stored, if it has anything.
    ///
    /// The database adds it up. The time grows with the rows that are counted: about half a second for one million. The memory
    /// grows with the principals. PostgreSQL adds up 100,000 rows at a time, so rows that are written or removed meanwhile may be
    /// counted or not.
    ///
    /// # Errors
    ///
    /// `Unavailable` and the kinds that an operator must resolve.
    async fn usage(
        &self,
        experiment: &ExperimentId,
        created_by: Option<&PrincipalId>,
    ) -> Result<Vec<PrincipalUsage>>;

    /// Removes a row, unless a hold is on it or it is in a sealed collection, in one transaction. The id never gets a row
    /// again.
    ///
    /// # Errors
    ///
    /// `Unavailable`, `OutOfSpace` and the kinds that an operator must resolve. If the hold cannot be read, nothing is removed.
    async fn remove(&self, id: ArtifactId) -> Result<Removal>;

    /// Removes a row as [`remove`](Self::remove) does, if it has expired: the time of its
    /// [`expires_at`](crate::Row::expires_at) has come or, if it has none, the
    /// [retention](Self::set_retention) of its experiment is over. Returns `None` if the row is not expired. The check and
    /// the removal are one transaction.
    ///
    /// # Errors
    ///
    /// As [`remove`](Self::remove).
    async fn remove_expired(&self, id: ArtifactId) -> Result<Option<Removal>>;

    /// Decides for those of the ids that have no row that they never get one, and returns them. At most 1,000 ids, in one
    /// transaction. Of a call and a concurrent [`insert`](Catalog::insert) of the same id, one wins: either the row is
    /// there and the id is not returned, or the insert fails with `AlreadyExists`.
    ///
    /// The id of a part of an [upload](UploadRecords) is not condemned either, as long as it is recorded.
    ///
    /// An id that an import has [staged](Self::stage) is not condemned either, for seven days after the last call of that
    /// import. So the collector does not take the ids of an import that takes long, or that is repeated later.
    ///
    /// # Errors
    ///
    /// `Unavailable`, `OutOfSpace` and the kinds that an operator must resolve; `Unexpected` for more ids.
    async fn condemn(&self, ids: &[ArtifactId]) -> Result<Vec<ArtifactId>>;

    /// Returns those of the ids that were removed or condemned, and so never get a row. At most 1,000 ids, in one query.
    ///
    /// # Errors
    ///
    /// `Unavailable` and the kinds that an operator must resolve; `Unexpected` for more ids.
    async fn removed(&self, ids: &[ArtifactId]) -> Result<Vec<ArtifactId>>;

    /// Records rows that [`publish`](Self::publish) makes visible later, at most 1,000 in one transaction. Until then they
    /// are not rows: nothing finds, lists or counts them. If another import has staged an id, this one takes it over.
    ///
    /// What an import has staged and not published is forgotten seven days after its last call.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` if this import has staged one of the ids already; `TooLarge` for a size over `i64::MAX`;
    /// `Unavailable`, `OutOfSpace` and the kinds that an operator must resolve; `Unexpected` for more rows, and for chunk
    /// digests that do not fit the size of their row.
    async fn stage(&self, import: ImportId, rows: &[StagedRow]) -> Result<()>;

    /// Makes all rows that an import has staged visible, in their order and with their holds, in one transaction: all of
    /// them or none. `number` is how many they are.
    ///
    /// The time of the transaction grows with the number of rows. Other writes to a SQLite file wait for it.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` if one of the ids has a row or was removed or condemned since; `NotFound` if an experiment does not
    /// exist; `Unavailable` if another number of rows is staged, because another import took over some of them, if the epoch
    /// of a row is below the fence of the [`Placement`](crate::Placement), or if the database cannot be reached; `OutOfSpace` and the kinds that an operator must resolve. As for every write, only
    /// `Unavailable` leaves open whether it was done.
    async fn publish(&self, import: ImportId, number: u64) -> Result<()>;

    /// Returns ids that were removed or condemned after a position, at most `limit`. A removal that is visible in any way
    /// is in the list, and a later one is after `next`.
    ///
    /// # Errors
    ///
    /// `Unavailable` and the kinds that an operator must resolve.
    async fn removals(&self, after: RowPosition, limit: u32) -> Result<RemovalPage>;

    /// Returns the position after every removal that is visible now. Cheap: for a poll.
    ///
    /// # Errors
    ///
    /// `Unavailable` and the kinds that an operator must resolve.
    async fn last_removal(&self) -> Result<RowPosition>;

    /// Returns a mark that differs after each commit by any process, if the database can tell without a query. It takes
    /// about a microsecond and does not wait.
    ///
    /// A poll compares it with the mark from before its last query, and saves the query if the two are equal. The default
    /// is `None`, with which each poll is a query.
    fn commit_mark(&self) -> Option<CommitMark> {
        None
    }

    /// Places a hold on an artifact; a hold that is there stays as it is.
    ///
    /// # Errors
    ///
    /// `NotFound` if the artifact has no row; `Unavailable`, `OutOfSpace` and the kinds that an operator must resolve.
    async fn place_hold(&self, hold: &Hold) -> Result<()>;

    /// Releases the hold on an artifact. Returns whether there was one.
    ///
    /// # Errors
    ///
    /// `Unavailable`, `OutOfSpace` and the kinds that an operator must resolve.
    async fn release_hold(&self, id: ArtifactId) -> Result<bool>;

    /// Finds the hold on an artifact.
    ///
    /// # Errors
    ///
    /// `Corrupt` if the stored hold cannot be read; it is then still in force. `Unavailable` and the kinds that an operator must resolve.
    async fn find_hold(&self, id: ArtifactId) -> Result<Option<Hold>>;

    /// Sets how long the artifacts of an experiment are kept that have no time of their own, from their creation on.
    /// `None`, the default, is for ever. Counts for artifacts that are there already, too. The SQL databases keep whole
    /// microseconds, and shorten a period of more than 97,000 years to that.
    ///
    /// # Errors
    ///
    /// `NotFound` if the experiment does not exist; `Unavailable`, `OutOfSpace` and the kinds that an operator must resolve.
    async fn set_retention(&self, experiment: &ExperimentId, keep: Option<Duration>) -> Result<()>;

    /// Returns the retention of an experiment.
    ///
    /// # Errors
    ///
    /// `Unavailable` and the kinds that an operator must resolve.
    async fn retention(&self, experiment: &ExperimentId) -> Result<Option<Duration>>;

    /// Returns the ids of expired rows without a hold, after a position, at most `limit`, and the position to continue
    /// after. An id that was returned may be held or removed by now; see [`remove_expired`](Self::remove_expired).
    ///
    /// One call looks at up to `limit` expired rows, those with a hold too, and at no others. So a page can be empty although
    /// more pages follow. A row that expires while pages are read may be left to the next list.
    ///
    /// # Errors
    ///
    /// `Unavailable` and the kinds that an operator must resolve.
    async fn expired(&self, after: &ExpiryPosition, limit: u32) -> Result<ExpiredPage>;

    /// Forgets keys of deposits that are no longer [kept](crate::IdempotencyKey::KEPT_FOR), at most `limit` (1 to 1,000; other
    /// numbers are clamped) in one transaction. Returns how many; fewer than `limit` were all that there were.
    ///
    /// [`find_keyed`](Catalog::find_keyed) does not find such a key in any case, so this only frees their space.
    ///
    /// # Errors
    ///
    /// `Unavailable`, `OutOfSpace` and the kinds that an operator must resolve.
    async fn forget_keys(&self, limit: u32) -> Result<u64>;

    /// Takes or prolongs a lease, so that only one server does a task at a time: for `period` from now on, no call with another `holder` succeeds for
    /// this name. Returns whether this holder has the lease. `period` zero releases it.
    ///
    /// # Errors
    ///
    /// `Unavailable`, `OutOfSpace` and the kinds that an operator must resolve.
    async fn take_lease(&self, name: &str, holder: [u8; 16], period: Duration) -> Result<bool>;

    /// Returns the newest scrub that was recorded.
    ///
    /// # Errors
    ///
    /// `Unavailable` and the kinds that an operator must resolve.
    async fn last_scrub(&self) -> Result<Option<ScrubRecord>>;

    /// Records a scrub: a new one, which begins now, or how far one is that goes on. The record of a finished scrub is
    /// not changed any more. The catalog keeps the records of all scrubs; each takes about 100 bytes.
    ///
    /// # Errors
    ///
    /// `Unavailable`, `OutOfSpace` and the kinds that an operator must resolve.
    async fn record_scrub(&self, record: &ScrubRecord) -> Result<()>;

    /// Returns whether an artifact is in a sealed collection whose deletion has not begun, so that [`remove`](Self::remove)
    /// returns [`Sealed`](Removal::Sealed).
    ///
    /// # Errors
    ///
    /// `Unavailable` and the kinds that an operator must resolve.
    async fn is_sealed(&self, id: ArtifactId) -> Result<bool>;
}

//! The traits of the catalog: the rows of artifacts, the experiments, and their maintenance.

mod expiry;
mod filter;
mod hold;
mod import;
mod inventory;
mod mark;
mod position;
mod removal;
mod replay;
mod scrub_record;
mod usage;

use std::fmt::Debug;

use artifact_backend::ArtifactId;
use async_trait::async_trait;

use crate::database::{Rejected, Subject};
use crate::digests::ChunkDigests;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::experiment::{Experiment, ExperimentId};
use crate::idempotency::IdempotencyKey;
use crate::principal::PrincipalId;
use crate::quota::QuotaStore;
use crate::row::Row;
use crate::time::Deadline;

pub use expiry::{ExpiredPage, ExpiryPosition};
pub use filter::RowFilter;
pub use hold::Hold;
pub(crate) use import::IMPORT_LASTS;
pub use import::{ImportId, StagedRow};
pub use inventory::CatalogInventory;
pub use mark::CommitMark;
pub use position::{RowPage, RowPosition};
pub use removal::{Removal, RemovalPage};
pub use replay::{ReplayCatalog, ReplayCounts, ReplayEvent};
pub use scrub_record::ScrubRecord;
pub use usage::PrincipalUsage;

/// The most rows of a page, and ids of a call.
pub(crate) const MAX_PAGE: usize = 1_000;

/// Keeps the rows of artifacts, and the experiments.
///
/// - A row is written once and never changes. A reader sees all of it or nothing.
/// - `Ok` of a write means that it is durable, as far as this kind of catalog is at all (a
///   [`MemoryDatabase`](crate::MemoryDatabase) ends with the process).
/// - All methods may be called concurrently, from any task, and by other processes on the same
///   database.
/// - If the future of a write is dropped, the write is done or not done, and that may be decided
///   after the drop.
/// - If a write fails, it is not done. The exception is
///   [`Unavailable`](crate::ErrorKind::Unavailable): the write may then be done or not.
#[async_trait]
pub trait Catalog: Debug + Send + Sync + 'static {
    /// Creates an experiment, and returns the stored one: the given one, or the unchanged one that
    /// already has this id.
    ///
    /// The same transaction creates the groups `admins` and `orchestrators` of a new experiment; see
    /// [`Group::founding`](crate::Group::founding).
    ///
    /// # Errors
    ///
    /// `Unavailable`, `OutOfSpace` and the kinds that an operator must resolve.
    async fn create_experiment(&self, experiment: &Experiment) -> Result<Experiment>;

    /// Finds an experiment.
    ///
    /// # Errors
    ///
    /// `Unavailable` and the kinds that an operator must resolve.
    async fn experiment(&self, id: &ExperimentId) -> Result<Option<Experiment>>;

    /// Returns every experiment, ordered by the bytes of its id.
    ///
    /// # Errors
    ///
    /// `Unavailable` and the kinds that an operator must resolve.
    async fn experiments(&self) -> Result<Vec<Experiment>>;

    /// Writes a row without chunk digests whose bytes were stored under the first placement of the store, epoch 0:
    /// [`insert_with`](Self::insert_with) without the two options.
    ///
    /// # Errors
    ///
    /// As [`insert_with`](Self::insert_with).
    async fn insert(&self, row: &Row) -> Result<()> {
        self.insert_with(row, None, None).await
    }

    /// Writes a row and the digests of its chunks, if there are any, in one transaction. They [fit](ChunkDigests::fits) the
    /// size of the row, and are removed with it.
    ///
    /// Once the deadline has passed, the row is never written. A catalog whose writes wait, for a lock or in a queue, must
    /// check the deadline after the last wait. Deposits have one, because a collector deletes a blob that has no row after
    /// the [grace period](crate::StoreConfig::with_grace_period).
    ///
    /// The deadline also carries the epoch of the placement that the bytes were stored under; see
    /// [`Deadline::for_placement`]. Without a deadline it is 0. A catalog that keeps a
    /// [`PlacementRecord`](crate::PlacementRecord) compares it with the fence, in the transaction of the insert.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` if the id has a row, which stays as it is (even if the two are equal), or had one, or was
    /// [condemned](CatalogInventory::condemn): an id that was removed never gets a row again;
    /// `NotFound` if the row's experiment does not exist; `TooLarge` if the size exceeds `i64::MAX`,
    /// the limit of the databases; `Unavailable`, also if the deadline has passed or the bytes may be in a backend that the
    /// store has left; `OutOfSpace` and the kinds that an operator must resolve.
    async fn insert_with(
        &self,
        row: &Row,
        digests: Option<&ChunkDigests>,
        deadline: Option<&Deadline>,
    ) -> Result<()>;

    /// Writes a row as [`insert_with`](Self::insert_with) does and, in the same transaction, the key of its deposit. From then on
    /// [`find_keyed`](Self::find_keyed) finds the id of the row, for [`KEPT_FOR`](IdempotencyKey::KEPT_FOR) by the clock of
    /// the database, also if the row is removed meanwhile.
    ///
    /// A key belongs to the experiment and the depositor of the row. Returns `false`, and writes nothing, if the depositor has
    /// used the key there and it is still kept, also if the id of the row is taken too. Of several calls at the same time with one
    /// key, one writes its row.
    ///
    /// # Errors
    ///
    /// As [`insert_with`](Self::insert_with). A row that is not written leaves no key.
    async fn insert_keyed(
        &self,
        row: &Row,
        digests: Option<&ChunkDigests>,
        deadline: Option<&Deadline>,
        key: &IdempotencyKey,
    ) -> Result<bool>;

    /// Finds the id of the row that was [written](Self::insert_keyed) with this key. The row may have been removed since.
    ///
    /// # Errors
    ///
    /// `Corrupt` if this trait did not write the stored id; `Unavailable` and the kinds that an operator must resolve.
    async fn find_keyed(
        &self,
        experiment: &ExperimentId,
        depositor: &PrincipalId,
        key: &IdempotencyKey,
    ) -> Result<Option<ArtifactId>>;

    /// Finds the row of an artifact.
    ///
    /// # Errors
    ///
    /// `Corrupt` if this trait did not write the stored row; `Unavailable` and the kinds that an operator must resolve.
    async fn get(&self, id: ArtifactId) -> Result<Option<Row>>;

    /// Finds the digests of an artifact's chunks. `None` if none were recorded, which is so for artifacts of up to 64 KiB and for
    /// those of older versions, or if there is no row.
    ///
    /// # Errors
    ///
    /// `Corrupt` if this trait did not write the stored digests; `Unavailable` and the kinds that an operator must resolve.
    async fn chunk_digests(&self, id: ArtifactId) -> Result<Option<ChunkDigests>>;

    /// Deletes a row whether it is held or not; succeeds if the row does not exist. Its id never gets a row again, and
    /// [`removals`](CatalogInventory::removals) lists it.
    ///
    /// For repairs only; everything else calls [`remove`](CatalogInventory::remove). A store in any process may have
    /// the row in its cache, see [`ArtifactStore::forget`](crate::ArtifactStore::forget).
    ///
    /// # Errors
    ///
    /// `Unavailable`, `OutOfSpace` and the kinds that an operator must resolve.
    async fn delete(&self, id: ArtifactId) -> Result<()>;

    /// Returns the quotas of the same database. `None` if this kind of catalog keeps none; deposits are then not limited. A
    /// catalog that wraps another one returns those of the other one.
    fn quotas(&self) -> Option<&dyn QuotaStore>;

    /// Returns the same catalog for rows that are also notes in the backend, if this kind of catalog can be filled from them. The
    /// default is that it cannot: each row then has a sync of its own.
    fn replayed(&self) -> Option<&dyn ReplayCatalog> {
        None
    }
}

/// Returns the number of records of a page.
pub(crate) fn clamped_limit(limit: u32) -> usize {
    usize::try_from(limit)
        .unwrap_or(MAX_PAGE)
        .clamp(1, MAX_PAGE)
}

/// Fails for more ids than one call takes.
pub(crate) fn check_number_of_ids(operation: Operation, ids: &[ArtifactId]) -> Result<()> {
    check_number(operation, ids.len(), "ids")
}

/// Fails for rows that one call cannot stage.
pub(crate) fn check_staged(rows: &[StagedRow]) -> Result<()> {
    check_number(Operation::Import, rows.len(), "rows")?;
    rows.iter().try_for_each(|staged| {
        let StagedRow {
            row, chunk_digests, ..
        } = staged;
        let checked = check_insert(row, chunk_digests.as_ref());
        checked.map_err(|rejected| rejected.into_error(Subject::with_id(Operation::Import, row.id)))
    })
}

/// Fails for a row that no database takes.
pub(crate) fn check_insert(
    row: &Row,
    digests: Option<&ChunkDigests>,
) -> std::result::Result<(), Rejected> {
    if i64::try_from(row.size).is_err() {
        return Err(Rejected::SIZE);
    }
    match digests {
        Some(digests) if !digests.fits(row.size) => Err(Rejected::DIGESTS),
        _ => Ok(()),
    }
}

fn check_number(operation: Operation, number: usize, what: &str) -> Result<()> {
    if number <= MAX_PAGE {
        return Ok(());
    }
    let detail = format!("one call takes at most {MAX_PAGE} {what}, not {number}");
    Err(Error::new(ErrorKind::Unexpected, operation).with_detail(detail))
}

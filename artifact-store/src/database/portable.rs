//! The traits of a database whose contents can be read as a whole and written into an empty one.

use std::fmt::Debug;

use artifact_backend::StoreId;
use async_trait::async_trait;

use crate::dump::DumpRecord;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::placement::Placement;

/// A database that can be copied: read in one snapshot while servers run, and written all or nothing.
///
/// The copy has everything that the database keeps for good: experiments with their retention, workers and administrators with the
/// hashes of their tokens, groups with their members, rows with their positions and chunk digests, holds, removed and condemned ids, and
/// the store id. It does not have the admin token, leases, proposed store ids, settings of the database, or what imports have staged.
///
/// The [`Placement`] is no record of a snapshot: it names backends, and a restored store may use others. A caller that copies a
/// database whose blobs stay where they are, as [`copy_database`](crate::copy_database) does, [sets](DatabaseLoad::place) it.
/// The epochs of the rows are not copied: the database compares them only when it inserts a row.
#[async_trait]
pub trait PortableDatabase: Debug + Send + Sync + 'static {
    /// Takes a snapshot: what was acknowledged before the call is in it, and nothing that was written after the call
    /// returned. Writes go on meanwhile.
    ///
    /// Read it without long pauses. While it is open, the log of an SQLite file grows with each write, and a PostgreSQL
    /// server cannot clean up removed rows; it ends a snapshot that rests for ten minutes. Dropping it ends it.
    ///
    /// # Errors
    ///
    /// `Unavailable` and the kinds that an operator must resolve.
    async fn snapshot(&self) -> Result<Box<dyn DatabaseSnapshot>>;

    /// Begins to write records into this database, in one transaction, which holds all other writes back.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` if the database holds anything; `Unavailable` and the kinds that an operator must resolve.
    async fn begin_load(&self) -> Result<Box<dyn DatabaseLoad>>;

    /// Returns where the database was moved to, if [`mark_moved`](Self::mark_moved) was called.
    ///
    /// # Errors
    ///
    /// `Unavailable` and the kinds that an operator must resolve.
    async fn moved_to(&self) -> Result<Option<String>>;

    /// Makes the database refuse every write from now on, by this and by every other process: those in progress end before
    /// `Ok`, and each later one fails with `Misconfigured`. Reads go on. `to` is for the message. Can be repeated.
    ///
    /// # Errors
    ///
    /// `Unavailable`, and it is then unknown whether the mark is there; the kinds that an operator must resolve.
    async fn mark_moved(&self, to: &str) -> Result<()>;

    /// Removes the mark. Call it only if the copy was not completed, or is no longer used.
    ///
    /// # Errors
    ///
    /// `Unavailable`, and it is then unknown whether the mark is there; the kinds that an operator must resolve.
    async fn clear_moved(&self) -> Result<()>;
}

/// The contents of a database at one moment.
#[async_trait]
pub trait DatabaseSnapshot: Send {
    /// Returns the store id of the database.
    fn store_id(&self) -> Option<StoreId>;

    /// Returns the next records, at most a thousand; `None` after the last one. Dropping the future ends the snapshot.
    ///
    /// # Errors
    ///
    /// `Unavailable` and the kinds that an operator must resolve. The snapshot has ended then.
    async fn next(&mut self) -> Result<Option<Vec<DumpRecord>>>;

    /// Returns how many records so far could not be read, because their stored values are not those that this store
    /// writes. They are left out, and logged with `alarm="corrupt-rows"`. Instead of an unreadable hold there is one
    /// of the administrator, so that the artifact stays held.
    fn unreadable(&self) -> u64;
}

/// Records on their way into an empty database. Dropping it writes nothing.
#[async_trait]
#[must_use = "a load that is dropped writes nothing; call commit"]
pub trait DatabaseLoad: Send {
    /// Writes records, in the order of a snapshot. Experiments come before what belongs to them, groups before members.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` if a record is there twice; `Unavailable`, `OutOfSpace` and the kinds that an operator must resolve. The
    /// load has then failed.
    async fn write(&mut self, records: Vec<DumpRecord>) -> Result<()>;

    /// Sets where the blobs are, after the last record. Without this call they were never moved.
    ///
    /// # Errors
    ///
    /// `Unavailable`, `OutOfSpace` and the kinds that an operator must resolve. The load has then failed.
    async fn place(&mut self, placement: &Placement) -> Result<()>;

    /// Sets the store id, and makes everything durable and visible. A dropped future writes all or nothing.
    ///
    /// # Errors
    ///
    /// `Unavailable`, and all or nothing was written; `OutOfSpace` and the kinds that an operator must resolve.
    async fn commit(self: Box<Self>, store_id: Option<StoreId>) -> Result<()>;
}

/// The error for a database that a copy must not be written into.
pub(super) fn not_empty() -> Error {
    Error::new(ErrorKind::AlreadyExists, Operation::Dump).with_detail(
        "the database is not empty; it was not changed. Use a new one, which no server has used",
    )
}

/// Logs a record that a snapshot leaves out.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(super) fn log_unreadable(what: &str, error: &(dyn std::error::Error + 'static)) {
    tracing::warn!(
        alarm = "corrupt-rows",
        what,
        error,
        "a copy of the database leaves out a record that cannot be read; repair it in the database"
    );
}

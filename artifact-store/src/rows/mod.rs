//! Rows: what is recorded beside the bytes, and where.

mod memory;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;
mod url;

use std::fmt::Debug;

use artifact_backend::ArtifactId;
use async_trait::async_trait;

use crate::error::Result;
use crate::names::ExperimentId;
use crate::row::{Experiment, Row};

pub use memory::MemoryDatabase;
#[cfg(feature = "postgres")]
pub use postgres::PostgresDatabase;
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteDatabase;
pub use url::{DatabaseUrl, from_url};

/// Keeps rows and experiments.
///
/// - A row is written once and never changes. Whoever reads it sees the whole of it or nothing.
/// - `Ok` of a write means that it is durable, as far as this kind of rows ever is
///   ([`MemoryDatabase`] ends with the process).
/// - Everything may be called at once, from any task, and by other processes on the same database.
/// - A dropped future of a write leaves it done or not done, which may be decided after the drop.
/// - An error of a write leaves it not done, except
///   [`Unavailable`](crate::ErrorKind::Unavailable), after which it may be done or not.
#[async_trait]
pub trait Catalog: Debug + Send + Sync + 'static {
    /// Makes an experiment known and gives back the one that is there: this one, or the one that
    /// was created under this id before, unchanged. With a new one its groups `admins` and
    /// `orchestrators` are made, in the same transaction: [`Group::founding`](crate::Group::founding).
    ///
    /// # Errors
    ///
    /// `Unavailable`, `OutOfSpace` and the operator's kinds.
    async fn create_experiment(&self, experiment: &Experiment) -> Result<Experiment>;

    /// Finds an experiment.
    ///
    /// # Errors
    ///
    /// `Unavailable` and the operator's kinds.
    async fn experiment(&self, id: &ExperimentId) -> Result<Option<Experiment>>;

    /// Every experiment, ordered by id (byte by byte).
    ///
    /// # Errors
    ///
    /// `Unavailable` and the operator's kinds.
    async fn experiments(&self) -> Result<Vec<Experiment>>;

    /// Writes a row.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` when the id has a row, which stays as it is (even if it is equal);
    /// `NotFound` when the row's experiment does not exist; `TooLarge` when the size is past
    /// `i64::MAX`, which databases do not hold; `Unavailable`, `OutOfSpace` and the operator's
    /// kinds.
    async fn insert(&self, row: &Row) -> Result<()>;

    /// Finds the row of an artifact.
    ///
    /// # Errors
    ///
    /// `Corrupt` when what is there is not a row that was written by this trait; `Unavailable` and
    /// the operator's kinds.
    async fn get(&self, id: ArtifactId) -> Result<Option<Row>>;

    /// Deletes a row; no error where there is none. For maintenance only: a store in any process
    /// may have the row in its cache, see [`ArtifactStore::forget`](crate::ArtifactStore::forget).
    ///
    /// # Errors
    ///
    /// `Unavailable`, `OutOfSpace` and the operator's kinds.
    async fn delete(&self, id: ArtifactId) -> Result<()>;
}

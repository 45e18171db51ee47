//! A catalog whose rows are also notes in the backend.

use std::fmt::Debug;

use artifact_backend::{ArtifactId, NotePosition};
use async_trait::async_trait;

use crate::error::Result;
use crate::idempotency::IdempotencyKey;
use crate::row::Row;
use crate::time::Deadline;

/// A catalog that can write rows without a sync of its own, because they are durable as notes in the backend, and that remembers
/// up to which position of the backend it has all of them. [`Catalog::replayed`](crate::Catalog::replayed) returns it.
///
/// Only one process at a time may use it, the one that has the backend open.
#[async_trait]
pub trait ReplayCatalog: Debug + Send + Sync + 'static {
    /// Writes a row without chunk digests, as [`insert_keyed`](crate::Catalog::insert_keyed) does with a key, and as
    /// [`insert_with`](crate::Catalog::insert_with) without one. When this returns, every query finds the row and the key, and they
    /// survive the end of the process. A power cut may take them away, until a later write of another kind returns.
    ///
    /// # Errors
    ///
    /// As [`insert_with`](crate::Catalog::insert_with).
    async fn insert_noted(
        &self,
        row: &Row,
        deadline: Option<&Deadline>,
        key: Option<&IdempotencyKey>,
    ) -> Result<bool>;

    /// Returns the position that was recorded last. The catalog has all rows and removals up to there. `None` if none was recorded.
    ///
    /// # Errors
    ///
    /// `Unavailable` and the kinds that an operator must resolve.
    async fn replayed_to(&self) -> Result<Option<NotePosition>>;

    /// Records a position durably, and makes all rows durable that were written before.
    ///
    /// # Errors
    ///
    /// `Unavailable`, `OutOfSpace` and the kinds that an operator must resolve.
    async fn record_replayed(&self, position: NotePosition) -> Result<()>;

    /// Applies events of the backend in their order, in one transaction: writes the rows whose ids have neither a row nor a
    /// tombstone, and removes the rows of deleted blobs, whether they are held or not. The experiments of the rows exist. Of two rows
    /// with one key, the later one has it.
    ///
    /// # Errors
    ///
    /// `Unavailable`, `OutOfSpace` and the kinds that an operator must resolve.
    async fn replay(&self, events: Vec<ReplayEvent>) -> Result<ReplayCounts>;
}

/// What happened in the backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplayEvent {
    /// A blob was stored with this row, by a deposit with this key.
    Stored(Box<Row>, Option<IdempotencyKey>),
    /// A blob was deleted.
    Deleted(ArtifactId),
}

/// What a [`replay`](ReplayCatalog::replay) has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReplayCounts {
    /// The number of rows that were missing.
    pub rows: u64,
    /// The number of rows that were removed.
    pub removed: u64,
}

//! The trait of the database's half: its store id.

use std::fmt::Debug;

use artifact_backend::{ArtifactId, StoreId};
use async_trait::async_trait;

use crate::error::Result;

/// Keeps the store id of a database. It is in the same database as the
/// [`Catalog`](crate::Catalog); [`StoreHalves`](crate::StoreHalves) is its only caller.
///
/// A database has no store id or one. The id of a new store is proposed first, then created in the
/// backend, and confirmed last. So a proposal shows that an id in a backend comes from a server on this
/// database, even if that server crashed before it could confirm the id.
///
/// - `Ok` of a write means that it is durable, and that every later read by any process on the same
///   database sees it.
/// - All methods may be called concurrently, from any task, and by other processes on the same
///   database.
/// - Every write can be repeated after any error and after a dropped future.
/// - Every method can fail with `Unavailable` and the kinds that an operator must resolve. Every write
///   can fail with `OutOfSpace`, every read with `Corrupt`.
#[async_trait]
pub trait StoreIdRecord: Debug + Send + Sync + 'static {
    /// Returns the confirmed store id.
    async fn store_id(&self) -> Result<Option<StoreId>>;

    /// Records that a server on this database is about to create this id in a backend.
    async fn propose_store_id(&self, id: StoreId) -> Result<()>;

    /// Returns whether this id was ever proposed here.
    async fn has_proposed_store_id(&self, id: StoreId) -> Result<bool>;

    /// Sets the store id, unless the database has one already. Returns the one that it then has.
    async fn confirm_store_id(&self, id: StoreId) -> Result<StoreId>;

    /// Sets the store id, and replaces the one that the database has.
    async fn replace_store_id(&self, id: StoreId) -> Result<()>;

    /// Returns the ids of up to eight rows: those that come first in the order of the ids, which are
    /// random. Returns none if the database has no row.
    async fn some_rows(&self) -> Result<Vec<ArtifactId>>;
}

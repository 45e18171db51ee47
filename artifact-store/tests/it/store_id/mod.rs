//! The store id in every database, and how a database and a backend are joined.

mod halves;
mod races;
mod record;

use std::sync::Arc;

use artifact_backend::{ArtifactBackend, ArtifactInventory};
use artifact_backend_conformance::FaultBackend;
use artifact_backend_mem::MemBackend;
use artifact_store::{
    Backend, Database, Experiment, JoinError, MemoryDatabase, Mismatch, StoreHalves, StoreId,
};

use crate::support::{experiment, row, time};

/// A database and a backend in memory. A clone shares both.
#[derive(Clone)]
struct World {
    database: Database,
    backend: FaultBackend,
}

impl World {
    async fn new() -> Self {
        let database = Database::new(MemoryDatabase::new());
        let new = Experiment::new(experiment(), time(1));
        database.catalog.create_experiment(&new).await.unwrap();
        Self {
            database,
            backend: FaultBackend::new(MemBackend::default()),
        }
    }

    /// Creates the halves of a store that has an id.
    async fn joined() -> (Self, StoreId) {
        let world = Self::new().await;
        let id = world.halves().join().await.unwrap();
        (world, id)
    }

    /// Returns the database of this world with the backend of another.
    fn with_backend_of(&self, other: &Self) -> Self {
        Self {
            database: self.database.clone(),
            backend: other.backend.clone(),
        }
    }

    fn open_backend(&self) -> Backend {
        Backend::new(Arc::new(self.backend.clone()))
    }

    fn halves(&self) -> StoreHalves {
        StoreHalves::new(&self.database, &self.open_backend())
    }

    /// Writes a row, without its blob.
    async fn write_row(&self, number: u8) {
        self.database.catalog.insert(&row(number)).await.unwrap();
    }

    /// Stores the blob of a row, without the row.
    async fn store_blob(&self, number: u8) {
        let stored = self.backend.store(row(number).id, "bytes".into());
        stored.await.unwrap();
    }

    /// Returns the ids that both halves have.
    async fn ids(&self) -> (Option<StoreId>, Option<StoreId>) {
        let database = self.database.store_id.store_id().await.unwrap();
        (database, self.backend.store_id().await.unwrap())
    }
}

/// Returns the reason why halves are not joined.
#[track_caller]
fn mismatch<T: std::fmt::Debug>(result: Result<T, JoinError>) -> Mismatch {
    match result {
        Err(JoinError::Mismatch(mismatch)) => mismatch,
        other => panic!("not a mismatch: {other:?}"),
    }
}

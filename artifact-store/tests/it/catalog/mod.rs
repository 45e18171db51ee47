//! The contract of `Catalog` and `CatalogInventory`, on every database.

mod cases;
#[cfg(feature = "sqlite")]
mod descriptors;
mod keys;
#[cfg(feature = "sqlite")]
mod lost;
mod maintenance;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(feature = "sqlite")]
mod sqlite_maintenance;
#[cfg(feature = "sqlite")]
mod sqlite_upgrade;

use std::sync::Arc;

use artifact_store::MemoryDatabase;

use crate::support::run_all;

#[tokio::test]
async fn memory_keeps_the_contract() {
    run_all(
        cases::ALL,
        |case| case.name,
        async |case| {
            (case.run)(Arc::new(MemoryDatabase::new())).await;
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_keeps_the_contract_of_maintenance() {
    run_all(
        maintenance::ALL,
        |case| case.name,
        async |case| {
            (case.run)(Arc::new(MemoryDatabase::new())).await;
        },
    )
    .await;
}

//! The contract of `Catalog`, on every database.

mod cases;
#[cfg(feature = "sqlite")]
mod descriptors;
#[cfg(feature = "sqlite")]
mod lost;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::sync::Arc;

use artifact_store::MemoryDatabase;

#[tokio::test]
async fn memory_keeps_the_contract() {
    for case in cases::ALL {
        eprintln!("{}", case.name);
        (case.run)(Arc::new(MemoryDatabase::new())).await;
    }
}

//! The contract of `Rows`, on every kind of rows.

mod cases;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;
mod url;

use std::sync::Arc;

use artifact_store::MemoryRows;

#[tokio::test]
async fn memory_keeps_the_contract() {
    for case in cases::ALL {
        eprintln!("{}", case.name);
        (case.run)(Arc::new(MemoryRows::new())).await;
    }
}

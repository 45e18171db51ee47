//! The contract of `Registry`, on every kind of database, and the grammars of its types.

pub(crate) mod cases;
mod names;
#[cfg(feature = "sqlite")]
mod sqlite;

use artifact_store::{Database, MemoryRows};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_keeps_the_contract() {
    for case in cases::ALL {
        eprintln!("{}", case.name);
        (case.run)(Database::new(MemoryRows::new())).await;
    }
}

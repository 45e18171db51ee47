//! Grants and links, on every database.

mod cases;
mod collected;
mod links;
#[cfg(feature = "postgres")]
mod postgres;
mod rights;
mod site;
#[cfg(feature = "sqlite")]
mod sqlite;

use artifact_store::{Database, MemoryDatabase};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_keeps_the_contract() {
    for case in cases::ALL.iter().chain(links::ALL) {
        eprintln!("{}", case.name);
        (case.run)(Database::new(MemoryDatabase::new())).await;
    }
}

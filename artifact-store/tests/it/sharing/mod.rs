//! Grants and links, on every database.

mod cases;
mod collected;
mod collection_rights;
mod collections;
mod links;
#[cfg(feature = "postgres")]
mod postgres;
mod rights;
mod site;
#[cfg(feature = "sqlite")]
mod sqlite;

use artifact_store::{Database, MemoryDatabase};

use self::site::Case;
use crate::support::run_all;

/// The cases that every database keeps.
fn all() -> impl Iterator<Item = &'static Case> {
    let links = cases::ALL.iter().chain(links::ALL);
    links.chain(collections::ALL)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_keeps_the_contract() {
    run_all(
        all(),
        |case| case.name,
        async |case| {
            (case.run)(Database::new(MemoryDatabase::new())).await;
        },
    )
    .await;
}

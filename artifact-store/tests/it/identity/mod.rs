//! The contract of `IdentityStore`, on every database, and the grammars of its types.

pub(crate) mod admin_token;
pub(crate) mod administrators;
mod cached;
pub(crate) mod cases;
mod names;
pub(crate) mod pages;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

use artifact_store::{Database, MemoryDatabase};

use crate::support::run_all;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_keeps_the_contract() {
    let all = cases::ALL.iter().chain(pages::ALL);
    let all = all.chain(administrators::ALL).chain(admin_token::ALL);
    run_all(
        all,
        |case| case.name,
        async |case| {
            (case.run)(Database::new(MemoryDatabase::new())).await;
        },
    )
    .await;
}

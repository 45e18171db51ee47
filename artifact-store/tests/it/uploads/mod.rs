//! Resumable uploads.

mod appends;
mod collected;
mod completion;
mod held;
mod races;
mod records;
mod site;
mod steps;

use std::sync::Arc;

use artifact_store::{Database, Experiment, MemoryDatabase};
use futures_util::future::BoxFuture;

use crate::support::{experiment, other_experiment, run_all, time};

/// A rule that holds on every database. Each gets an empty one with two experiments.
struct Case {
    name: &'static str,
    run: fn(Database) -> BoxFuture<'static, ()>,
}

macro_rules! cases {
    ($($file:ident: $($name:ident),* $(,)?);* $(;)?) => {
        const ALL: &[Case] = &[
            $($(Case {
                name: stringify!($name),
                run: |database| Box::pin($file::$name(database)),
            }),*),*
        ];
    };
}

cases! {
    records:
        a_session_is_found_as_it_was_created,
        a_part_is_recorded_only_at_the_offset_and_within_the_length,
        a_length_is_declared_once,
        open_sessions_of_a_principal_are_limited,
        a_part_is_not_condemned_and_a_condemned_id_is_no_part,
        a_session_that_is_over_is_found_no_more_and_goes_last,
        a_fence_ends_the_sessions_of_earlier_epochs,
        a_completed_session_keeps_its_first_artifact,
        a_whole_session_lives_for_a_day_at_most;
    races:
        of_appends_at_the_same_time_one_wins,
        completions_at_the_same_time_make_one_artifact;
}

async fn host(database: &Database) {
    for id in [experiment(), other_experiment()] {
        let new = Experiment::new(id, time(1));
        database.catalog.create_experiment(&new).await.unwrap();
    }
}

async fn run(case: &Case, database: Database) {
    host(&database).await;
    (case.run)(database).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn uploads_keep_their_rules_in_memory() {
    run_all(
        ALL,
        |case| case.name,
        async |case| {
            run(case, Database::new(MemoryDatabase::new())).await;
        },
    )
    .await;
}

#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn uploads_keep_their_rules_in_sqlite() {
    run_all(
        ALL,
        |case| case.name,
        async |case| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("rows.sqlite");
            let database = Database::from_url(path.to_str().unwrap()).await.unwrap();
            run(case, database).await;
        },
    )
    .await;
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn uploads_keep_their_rules_in_postgres() {
    let Some(server) = artifact_postgres_test::Server::shared() else {
        return;
    };
    run_all(
        ALL,
        |case| case.name,
        async |case| {
            let database = server.database();
            let opened = crate::catalog::postgres::open(&database).await;
            run(case, Database::new(opened)).await;
        },
    )
    .await;
}

/// Returns another handle on the same records, as another server has.
fn other_server(database: &Database) -> Arc<dyn artifact_store::CatalogInventory> {
    Arc::clone(&database.inventory)
}

//! A day in the life of a store whose blobs move to another folder.

use crate::day::{SecondServer, Target, day};

/// A folder beside the first one.
fn moved() -> Target {
    Target::new("moved", &[], &[])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_in_the_life_ends_with_every_artifact_on_two_servers() {
    let second = SecondServer::start(None);
    println!("{}", day(moved(), second).await);
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_in_the_life_ends_with_every_artifact_on_a_second_server_with_postgres() {
    let Some(server) = artifact_postgres_test::Server::shared() else {
        return;
    };
    let second = SecondServer::start(Some(&server.database().url()));
    println!("{}", day(moved(), second).await);
}

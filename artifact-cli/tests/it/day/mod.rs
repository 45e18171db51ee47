//! A day in the life of a store: everything that an operator does to it, while eight workers use it.
//!
//! At the end, every acknowledged artifact has its bytes on every server, and every deleted one is 404 there.

mod second;
mod site;

use self::second::SecondServer;
use self::site::Site;
use crate::clients::{Clients, Work, check_whole, seed};

const WORK: Work = Work {
    principals: 8,
    tasks: 8,
    sizes: &[
        0, 1, 700, 4_000, 9_000, 20_000, 20_000, 60_000, 64_000, 64_000, 130_000, 1_000_000,
    ],
    deletes: 10,
};

/// The variable that sets the number of deposits, for a longer day: 1000, for example.
const DEPOSITS: &str = "ARTIFACT_TEST_DAY_DEPOSITS";
/// The number of deposits of a short day. With fewer, the two kills could leave more orphans than a collector deletes unasked.
const SHORT: u64 = 200;
/// The deposits while something is done to the store.
const MEANWHILE: u64 = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_in_the_life_ends_with_every_artifact_on_two_servers() {
    println!("{}", day(SecondServer::start(None)).await);
}

#[cfg(feature = "postgres")]
mod postgres {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_day_in_the_life_ends_with_every_artifact_on_two_servers() {
        let Some(server) = artifact_postgres_test::Server::shared() else {
            return;
        };
        let database = server.database().url();
        println!("{}", day(SecondServer::start(Some(&database))).await);
    }
}

/// Returns the number of deposits until the first look at the store.
#[expect(
    clippy::disallowed_methods,
    reason = "not a setting of the program; people set it for a longer run"
)]
fn deposits() -> u64 {
    let given = std::env::var(DEPOSITS).ok();
    given.map_or(SHORT, |text| text.parse().expect("a number of deposits"))
}

/// Returns a sentence about what the clients did.
async fn day(second: SecondServer) -> String {
    let deposits = deposits();
    let mut site = Site::open();
    let urls = vec![site.server.url.clone()];
    let mut clients = Clients::register(urls, &site.admin(), WORK, seed()).await;

    clients.start();
    clients.reach(deposits / 3).await;
    site.kill();
    clients.reach(deposits / 3 * 2).await;
    let orphan = site.kill_between_bytes_and_row();
    clients.reach(deposits).await;
    clients.stop().await;
    check_whole(&site.admin(), &clients.ledger).await;

    clients.start();
    clients.go_on(MEANWHILE).await;
    site.age_all();
    let collected = site.gc();
    assert!(collected.contains(&orphan), "{orphan}: {collected:?}");
    clients.go_on(MEANWHILE).await;
    site.scrub();
    clients.go_on(MEANWHILE).await;
    let early = site.back_up();
    clients.go_on(MEANWHILE).await;
    clients.stop().await;
    check_whole(&site.admin(), &clients.ledger).await;
    let scrubbed = site.scrub();
    let stored = site.admin().usage().await.unwrap().artifacts;
    assert_eq!(scrubbed["artifacts"], stored);

    let late = site.back_up();
    assert_eq!(
        (&early["snapshot"], &late["snapshot"]),
        (&1.into(), &2.into())
    );
    let present = late["present"].as_u64().unwrap();
    assert!(
        present > 0,
        "the second backup copies only what is new: {late}"
    );
    assert_eq!(late["copied"].as_u64().unwrap() + present, stored);
    let restored = site.lose_everything_and_restore();
    assert_eq!(restored["copied"], stored);
    check_whole(&site.admin(), &clients.ledger).await;

    // The workers go on with the tokens that they had before.
    clients.start();
    clients.go_on(MEANWHILE).await;
    clients.stop().await;
    let archive = site.export();
    let stored = site.admin().usage().await.unwrap().artifacts;
    assert_eq!(second.import(&archive)["new"], stored);
    check_whole(&site.admin(), &clients.ledger).await;
    check_whole(&second.admin(), &clients.ledger).await;

    let ledger = clients.ledger.lock().unwrap();
    let deleted = ledger.deleted.len() as u64;
    assert!(
        deleted > deposits / 25,
        "too few to say anything: {deleted}"
    );
    ledger.summary()
}

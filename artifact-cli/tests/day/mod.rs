//! A day in the life of a store: everything that an operator does to it, while eight workers use it.
//!
//! At the end, every acknowledged artifact has its bytes on every server, and every deleted one is 404 there.

mod second;
mod site;

pub(crate) use self::second::SecondServer;
pub(crate) use self::site::{Site, Target};
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
/// The tasks that work while the blobs move, so that a test with a slow backend ends.
const FEW: usize = 2;

/// Returns the number of deposits until the first look at the store.
#[expect(
    clippy::disallowed_methods,
    reason = "not a setting of the program; people set it for a longer run"
)]
fn deposits() -> u64 {
    let given = std::env::var(DEPOSITS).ok();
    given.map_or(SHORT, |text| text.parse().expect("a number of deposits"))
}

/// Goes through the day. The blobs are moved to the target while clients go on, and an archive goes to the second server.
/// Returns a sentence about what happened.
pub(crate) async fn day(target: Target, second: SecondServer) -> String {
    let deposits = deposits();
    let mut site = Site::open(target);
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
    clients.start_some(FEW);
    let before = *clients.acknowledged.borrow();
    let moved = site.migrate();
    let meanwhile = *clients.acknowledged.borrow() - before;
    assert!(meanwhile > 0, "no client went on during {moved}");
    clients.go_on(MEANWHILE).await;
    clients.stop().await;
    clients.start();
    // The next start needs the new setting.
    site.kill();
    clients.go_on(MEANWHILE).await;
    let emptied = site.empty_the_old_backend();
    clients.go_on(MEANWHILE).await;
    site.gc();
    clients.stop().await;
    check_whole(&site.admin(), &clients.ledger).await;
    site.verify();
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
    let (copied, removed) = (&moved["copied"], &emptied["deleted"]);
    let summary = ledger.summary();
    format!(
        "{summary}; {copied} blobs moved while {meanwhile} were deposited, {removed} deleted from the old backend"
    )
}

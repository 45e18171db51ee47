//! Several stores on one database, of which one removes an artifact.

use std::sync::Arc;
use std::time::Duration;

use artifact_store::{
    ArtifactId, ArtifactStore, Catalog as _, CatalogInventory as _, CommitMark, ManagedStore, Row,
    StoreConfig,
};
use tokio::time::sleep;

use super::catalog::{Feed, ScriptedCatalog};
use super::{Server, Site};
use crate::support::{experiment, poll_once, row};

/// A second is the promise for all servers.
const SECOND: Duration = Duration::from_secs(1);
/// A little more than the time between two polls.
const ONE_POLL: Duration = Duration::from_millis(310);

/// Two servers on one database in memory.
async fn two_servers() -> (Site, Server, Server) {
    let site = Site::new();
    let database = site.memory();
    let one = site.server(database.clone()).await;
    let other = site.server(database).await;
    (site, one, other)
}

#[tokio::test(start_paused = true)]
async fn a_removed_artifact_is_gone_in_other_stores_within_a_second() {
    let (_site, one, other) = two_servers().await;
    let _watch = other.managed.watch_removals();
    sleep(SECOND).await;
    let (kept, removed) = (one.deposit().await, one.deposit().await);
    for row in [&kept, &removed] {
        assert!(other.finds(row).await);
        assert!(!other.asks_the_database_for(row).await);
    }
    one.remove(&removed).await.unwrap();
    assert!(!one.finds(&removed).await, "at once in this store");
    assert!(other.finds(&removed).await, "until the next poll");
    sleep(SECOND).await;
    assert!(!other.finds(&removed).await);
    assert!(!other.asks_the_database_for(&kept).await);
}

#[tokio::test(start_paused = true)]
async fn without_a_watch_cached_rows_are_used_for_ever() {
    let (_site, one, other) = two_servers().await;
    let row = one.deposit().await;
    assert!(other.finds(&row).await);
    sleep(1000 * SECOND).await;
    assert!(!other.asks_the_database_for(&row).await);
}

#[tokio::test(start_paused = true)]
async fn rows_that_were_cached_before_the_watch_are_read_again() {
    let (_site, one, other) = two_servers().await;
    let rows = [one.deposit().await, one.deposit().await];
    for row in &rows {
        assert!(other.finds(row).await);
    }
    one.remove(&rows[0]).await.unwrap();
    one.remove(&rows[1]).await.unwrap();
    let _watch = other.managed.watch_removals();
    assert!(!other.finds(&rows[0]).await, "before the first poll");
    sleep(SECOND).await;
    assert!(!other.finds(&rows[1]).await, "after it");
}

#[tokio::test(start_paused = true)]
async fn cached_rows_are_not_used_while_the_removals_cannot_be_read() {
    for fault in [Feed::Fails, Feed::Hangs] {
        let (_site, one, other) = two_servers().await;
        let _watch = other.managed.watch_removals();
        sleep(SECOND).await;
        let (kept, removed) = (one.deposit().await, one.deposit().await);
        assert!(other.finds(&kept).await && other.finds(&removed).await);

        *other.catalog.feed.lock().unwrap() = fault;
        one.remove(&removed).await.unwrap();
        sleep(SECOND).await;
        assert!(!other.finds(&removed).await, "{fault:?}");
        for _ in 0..3 {
            assert!(other.asks_the_database_for(&kept).await, "{fault:?}");
        }
        *other.catalog.feed.lock().unwrap() = Feed::Works;
        // A query that hangs is given up after five seconds.
        sleep(5 * SECOND).await;
        assert!(other.finds(&kept).await);
        assert!(!other.asks_the_database_for(&kept).await, "{fault:?}");
        assert!(!other.finds(&removed).await, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn rows_cached_during_an_outage_are_forgotten_after_it() {
    let (_site, one, other) = two_servers().await;
    let _watch = other.managed.watch_removals();
    sleep(SECOND).await;
    *other.catalog.feed.lock().unwrap() = Feed::Fails;
    sleep(SECOND).await;
    let row = one.deposit().await;
    assert!(other.finds(&row).await);
    one.remove(&row).await.unwrap();
    *other.catalog.feed.lock().unwrap() = Feed::Works;
    sleep(ONE_POLL).await;
    assert!(!other.finds(&row).await);
}

#[tokio::test(start_paused = true)]
async fn cached_rows_are_not_used_after_the_watch_has_ended() {
    let (_site, one, other) = two_servers().await;
    let watch = other.managed.watch_removals();
    sleep(SECOND).await;
    let row = one.deposit().await;
    assert!(other.finds(&row).await);
    drop(watch);
    sleep(SECOND).await;
    let polls = other.catalog.polls();
    assert!(other.asks_the_database_for(&row).await);
    assert!(other.asks_the_database_for(&row).await);
    assert_eq!(other.catalog.polls(), polls);
    // Another watch continues.
    let _watch = other.managed.watch_removals();
    sleep(ONE_POLL).await;
    assert!(other.finds(&row).await);
    assert!(!other.asks_the_database_for(&row).await);
}

#[tokio::test(start_paused = true)]
async fn cached_rows_are_not_used_after_the_machine_was_suspended() {
    let (site, one, other) = two_servers().await;
    let _watch = other.managed.watch_removals();
    sleep(SECOND).await;
    let row = one.deposit().await;
    assert!(other.finds(&row).await);
    assert!(!other.asks_the_database_for(&row).await);
    // The wall clock goes on during a suspension, the monotonic clock does not.
    site.clock.advance(SECOND);
    assert!(other.asks_the_database_for(&row).await);
    sleep(ONE_POLL).await;
    assert!(!other.asks_the_database_for(&row).await);
}

#[tokio::test(start_paused = true)]
async fn a_row_that_is_removed_during_its_query_is_not_cached() {
    let site = Site::new();
    let database = site.memory();
    let one = site.server(database.clone()).await;
    let gated = Arc::new(ScriptedCatalog::with_gate(database));
    let config = StoreConfig::default().with_clock(site.clock.clone());
    let store = ArtifactStore::new(site.blobs.clone(), gated.clone(), config);
    let other = ManagedStore::new(store, gated.clone(), site.blobs.clone());
    let _watch = other.watch_removals();
    sleep(SECOND).await;

    let row = one.deposit().await;
    let home = experiment();
    let mut query = Box::pin(other.store().row(&home, row.id));
    assert!(poll_once(query.as_mut()).is_pending(), "it has the row");
    // Another query has begun by then, too.
    let mut second = Box::pin(other.store().row(&home, row.id));
    assert!(poll_once(second.as_mut()).is_pending());
    one.remove(&row).await.unwrap();
    sleep(SECOND).await;
    // A query after the removal takes the place in the cache.
    let mut later = Box::pin(other.store().row(&home, row.id));
    assert!(poll_once(later.as_mut()).is_pending());
    gated.release();
    assert_eq!(*query.await.unwrap(), *row);
    assert_eq!(*second.await.unwrap(), *row);
    assert!(later.await.is_err());
    let server = Server {
        catalog: gated,
        managed: other,
    };
    assert!(!server.finds(&row).await);
}

#[tokio::test(start_paused = true)]
async fn the_cache_is_cleared_if_the_database_has_lost_removals() {
    let (_site, one, other) = two_servers().await;
    let _watch = other.managed.watch_removals();
    let (kept, removed) = (one.deposit().await, one.deposit().await);
    one.remove(&removed).await.unwrap();
    sleep(SECOND).await;
    assert!(other.finds(&kept).await);
    assert!(!other.asks_the_database_for(&kept).await);
    *other.catalog.feed.lock().unwrap() = Feed::Lost;
    sleep(ONE_POLL).await;
    assert!(other.asks_the_database_for(&kept).await);
    assert!(!other.asks_the_database_for(&kept).await, "cached again");
    // From there on, removals are read again.
    one.remove(&kept).await.unwrap();
    *other.catalog.feed.lock().unwrap() = Feed::Works;
    sleep(ONE_POLL).await;
    assert!(!other.finds(&kept).await);
}

#[tokio::test(start_paused = true)]
async fn one_poll_forgets_many_removals() {
    let (_site, one, other) = two_servers().await;
    let _watch = other.managed.watch_removals();
    sleep(SECOND).await;
    let rows: Vec<Row> = (0..2_500_u128)
        .map(|number| {
            let mut row = row(1);
            row.id = ArtifactId::from_bytes(number.to_be_bytes());
            row
        })
        .collect();
    for row in &rows {
        one.catalog.insert(row).await.unwrap();
        assert!(other.finds(row).await);
    }
    sleep(SECOND).await;
    for row in &rows {
        one.catalog.remove(row.id).await.unwrap();
    }
    sleep(ONE_POLL).await;
    for row in &rows {
        assert!(!other.finds(row).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_poll_asks_nothing_while_nothing_is_committed() {
    let (_site, one, other) = two_servers().await;
    let set_mark = |number| {
        *other.catalog.mark.lock().unwrap() = Some(CommitMark::new([number; CommitMark::LENGTH]));
    };
    set_mark(1);
    let _watch = other.managed.watch_removals();
    sleep(SECOND).await;
    let row = one.deposit().await;
    assert!(other.finds(&row).await);
    sleep(100 * SECOND).await;
    assert_eq!(other.catalog.polls(), 1);
    assert!(
        !other.asks_the_database_for(&row).await,
        "the cache is used"
    );

    one.remove(&row).await.unwrap();
    set_mark(2);
    sleep(SECOND).await;
    assert!(!other.finds(&row).await);
    assert_eq!(other.catalog.polls(), 2);
    // After a failure the database is asked, whatever the mark is.
    *other.catalog.feed.lock().unwrap() = Feed::Fails;
    set_mark(3);
    sleep(SECOND).await;
    assert!(other.catalog.polls() >= 4);
}

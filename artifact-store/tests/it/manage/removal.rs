//! What a removal does, and what is left when a part of it fails.

use std::sync::atomic::Ordering;

use artifact_store::{ByteRange, ErrorKind, Principal, RowFilter};
use futures_util::future::join_all;

use super::catalog::RemovalFault;
use super::{Site, assert_kind};
use crate::support::{experiment, other_experiment, poll_once, worker};

#[tokio::test]
async fn a_removed_artifact_is_gone_at_once() {
    let (site, server) = Site::with_one_server().await;
    let (kept, removed) = (server.deposit().await, server.deposit().await);
    let grant = server.grant(&removed).await;
    server.remove(&removed).await.unwrap();

    assert!(!server.finds(&removed).await);
    assert!(!site.has_blob(removed.id).await);
    let read = server.managed.store().read(&grant, ByteRange::Full).await;
    assert_kind(read, ErrorKind::NotFound);
    let admin = Principal::admin();
    let rows = server.all_rows(&admin, &RowFilter::default()).await;
    assert_eq!(rows, [kept]);
    let usage = server.managed.usage(&admin, &experiment()).await.unwrap();
    assert_eq!((usage[0].artifacts, usage[0].bytes), (1, 3));
    assert_kind(server.remove(&removed).await, ErrorKind::NotFound);
}

#[tokio::test]
async fn artifacts_of_another_experiment_are_not_removed() {
    let (site, server) = Site::with_one_server().await;
    let row = server.deposit().await;
    let (admin, elsewhere) = (Principal::admin(), other_experiment());
    let removed = server.managed.remove(&admin, &elsewhere, row.id);
    assert_kind(removed.await, ErrorKind::NotFound);
    let hold = server.managed.place_hold(&admin, &elsewhere, row.id);
    assert_kind(hold.await, ErrorKind::NotFound);
    assert!(server.finds(&row).await && site.has_blob(row.id).await);
}

#[tokio::test]
async fn the_removal_succeeds_if_only_the_bytes_cannot_be_deleted() {
    let (site, server) = Site::with_one_server().await;
    let row = server.deposit().await;
    site.blobs.fails.store(true, Ordering::Relaxed);
    server.remove(&row).await.unwrap();
    assert!(!server.finds(&row).await);
    assert!(site.has_blob(row.id).await, "an orphan for the collector");
}

#[tokio::test]
async fn a_hold_prevents_the_removal_until_it_is_released() {
    let (site, server) = Site::with_one_server().await;
    let row = server.deposit().await;
    let (admin, home) = (Principal::admin(), experiment());
    server
        .managed
        .place_hold(&admin, &home, row.id)
        .await
        .unwrap();
    for principal in [&admin, &worker()] {
        assert_kind(server.remove_as(principal, &row).await, ErrorKind::Held);
    }
    assert!(server.finds(&row).await && site.has_blob(row.id).await);
    let info = server.managed.info(&server.grant(&row).await).await;
    let info = info.unwrap();
    let hold = info.hold.unwrap();
    assert_eq!((hold.id, hold.placed_by), (row.id, admin.id()));
    assert_eq!(hold.placed_at.as_second(), 1_700_000_000);
    assert_eq!(info.row, row);

    let released = server.managed.release_hold(&admin, &home, row.id).await;
    assert!(released.unwrap());
    let released = server.managed.release_hold(&admin, &home, row.id).await;
    assert!(!released.unwrap(), "the hold is gone");
    let info = server.managed.info(&server.grant(&row).await).await;
    assert_eq!(info.unwrap().hold, None);
    server.remove_as(&worker(), &row).await.unwrap();
    assert!(!server.finds(&row).await);
}

#[tokio::test]
async fn nothing_is_removed_if_the_hold_cannot_be_read() {
    let (site, server) = Site::with_one_server().await;
    let row = server.deposit().await;
    let grant = server.grant(&row).await;
    *server.catalog.removal_fault.lock().unwrap() = Some(RemovalFault::UnreadableHold);
    assert_kind(server.managed.info(&grant).await, ErrorKind::Corrupt);
    assert_kind(server.remove(&row).await, ErrorKind::Corrupt);
    assert!(server.finds(&row).await && site.has_blob(row.id).await);
    let read = server.managed.store().read(&grant, ByteRange::Full).await;
    assert_eq!(read.unwrap().into_bytes().await.unwrap(), "abc");
}

#[tokio::test]
async fn a_row_is_not_served_from_the_cache_after_a_removal_whose_reply_is_lost() {
    let (site, server) = Site::with_one_server().await;
    let row = server.deposit().await;
    assert!(server.finds(&row).await);
    *server.catalog.removal_fault.lock().unwrap() = Some(RemovalFault::LostReply);
    assert_kind(server.remove(&row).await, ErrorKind::Unavailable);
    assert!(!server.finds(&row).await);
    assert_kind(server.remove(&row).await, ErrorKind::NotFound);
    assert!(site.has_blob(row.id).await, "an orphan for the collector");
}

#[tokio::test]
async fn rights_are_checked_with_the_row_in_the_database() {
    let site = Site::new();
    let database = site.memory();
    let one = site.server(database.clone()).await;
    let other = site.server(database).await;
    let row = one.deposit().await;
    assert!(other.finds(&row).await);
    one.remove(&row).await.unwrap();
    assert!(other.finds(&row).await, "in the cache; there is no watch");
    assert_kind(other.remove(&row).await, ErrorKind::NotFound);
    assert!(
        !other.finds(&row).await,
        "the call has shown that it is gone"
    );
}

#[tokio::test]
async fn one_of_several_concurrent_removals_succeeds() {
    let (site, server) = Site::with_one_server().await;
    let row = server.deposit().await;
    let outcomes = join_all((0..5).map(|_| server.remove(&row))).await;
    let (done, failed): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!((done.len(), failed.len()), (1, 4));
    for outcome in failed {
        assert_kind(outcome, ErrorKind::NotFound);
    }
    assert!(!server.finds(&row).await && !site.has_blob(row.id).await);
}

#[tokio::test]
async fn a_dropped_removal_leaves_no_row_without_bytes() {
    let (mut whole, mut orphans, mut gone) = (0, 0, 0);
    for polls in 0..10 {
        let (site, server) = Site::with_one_server().await;
        let row = server.deposit().await;
        {
            let mut removal = Box::pin(server.remove(&row));
            for _ in 0..polls {
                if poll_once(removal.as_mut()).is_ready() {
                    break;
                }
            }
        }
        let has_row = artifact_store::Catalog::get(&*server.catalog, row.id).await;
        match (has_row.unwrap().is_some(), site.has_blob(row.id).await) {
            (true, true) => whole += 1,
            (false, true) => orphans += 1,
            (false, false) => gone += 1,
            (true, false) => panic!("a row without bytes after {polls} polls"),
        }
        match server.remove(&row).await {
            Ok(()) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound),
        }
        assert!(!server.finds(&row).await);
    }
    assert!(
        whole > 0 && orphans > 0 && gone > 0,
        "{whole} {orphans} {gone}"
    );
}

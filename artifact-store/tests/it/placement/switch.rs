//! How servers follow the placement.

use std::sync::atomic::Ordering;
use std::time::Duration;

use artifact_store::{
    ErrorKind, MigrateEvent, MigrateOptions, MigrateState, Principal, RowFilter, RowPosition,
};

use super::site::Site;
use crate::support::experiment;

/// Begins a migration from `a` to `b` and leaves it in the middle: a blob is missing.
async fn begin(site: &Site) {
    let server = site.server("a").await;
    let lost = server.deposit(b"lost").await.unwrap().id;
    artifact_backend::ArtifactInventory::delete(&site.storage("a").mem, lost)
        .await
        .unwrap();
    let (report, _) = site.migrate("a", "b").await;
    assert_eq!((report.state, report.missing), (MigrateState::Copying, 1));
}

#[tokio::test]
async fn a_server_finds_what_another_one_has_stored_in_the_new_backend() {
    let site = Site::new().await;
    let stale = site.server("a").await;
    begin(&site).await;
    for setting in ["a", "b"] {
        let fresh = site.server(setting).await;
        let id = fresh.deposit(b"new").await.unwrap().id;
        assert!(site.has_blob("b", id).await && !site.has_blob("a", id).await);
        assert_eq!(stale.fetch(id).await.unwrap(), b"new");
    }
    assert_eq!(stale.placed.epoch(), 1);
}

#[tokio::test]
async fn a_stale_server_goes_on_before_the_fence() {
    let site = Site::new().await;
    let stale = site.server("a").await;
    begin(&site).await;
    let id = stale.deposit(b"old").await.unwrap().id;
    assert!(site.has_blob("a", id).await && !site.has_blob("b", id).await);
    assert_eq!(site.server("b").await.fetch(id).await.unwrap(), b"old");
}

#[tokio::test]
async fn a_server_that_cannot_open_the_new_backend_says_unavailable_not_lost() {
    let site = Site::new().await;
    let stale = site.server("a").await;
    let before = stale.deposit(b"before").await.unwrap().id;
    begin(&site).await;
    let new = site.server("b").await.deposit(b"new").await.unwrap().id;
    site.opener.is_broken.store(true, Ordering::Relaxed);
    let error = stale.fetch(new).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert_eq!(stale.fetch(before).await.unwrap(), b"before");
    let error = site.placed("a").await.unwrap_err();
    assert!(error.detail().contains("cannot use"), "{error}");
    site.opener.is_broken.store(false, Ordering::Relaxed);
    assert_eq!(stale.fetch(new).await.unwrap(), b"new");
}

#[tokio::test]
async fn a_backend_of_another_store_under_the_same_name_is_not_used() {
    let site = Site::new().await;
    let stale = site.server("a").await;
    begin(&site).await;
    let other = Site::new().await;
    // What is mounted there on this machine has another store id.
    let record = site.database.placement.clone();
    let opener = other.opener.clone();
    artifact_backend::ArtifactInventory::create_store_id(
        &*other.storage("b"),
        artifact_store::StoreId::mint(),
    )
    .await
    .unwrap();
    let placed = artifact_store::PlacedBackend::open(record, opener, "a", site.storage("a")).await;
    let error = placed.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    assert!(error.detail().contains("another store"), "{error}");
    drop(stale);
}

#[tokio::test]
async fn a_server_with_a_wrong_setting_is_refused() {
    let site = Site::new().await;
    begin(&site).await;
    let refused = async |setting| {
        let error = site.placed(setting).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error}");
        error.detail().to_owned()
    };
    assert!(refused("c").await.contains("being moved from a to b"));
    let managed = site.server("b").await.managed;
    let page = site
        .database
        .inventory
        .scan(&RowFilter::default(), RowPosition::START, 10)
        .await
        .unwrap();
    for row in page.rows {
        managed
            .remove(&Principal::admin(), &experiment(), row.id)
            .await
            .unwrap();
    }
    let (report, _) = site.migrate("a", "b").await;
    assert_eq!(report.state, MigrateState::Done);
    assert!(refused("a").await.contains("moved from a to b"));
    assert!(refused("c").await.contains("are in b"));
    site.placed("b").await.unwrap();
}

/// The watch of removals notices a change without a query of its own.
#[tokio::test(start_paused = true)]
async fn a_server_that_watches_removals_follows_within_a_second() {
    let site = Site::new().await;
    let server = site.server("a").await;
    let _watch = server.managed.watch_removals();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut events = Vec::new();
    let migrator = site.migrator("a", "b", MigrateOptions::default());
    migrator.run(|event| events.push(event)).await;
    assert!(matches!(
        events.last(),
        Some(MigrateEvent::Entered(MigrateState::Done))
    ));
    assert_eq!(server.placed.epoch(), 0);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(server.placed.epoch(), 2);
    let id = server.deposit(b"new").await.unwrap().id;
    assert!(site.has_blob("b", id).await && !site.has_blob("a", id).await);
}

/// Deposits, fetches and removals go on while the blobs move, and back.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn clients_go_on_while_the_blobs_move() {
    let site = Site::new().await;
    let old = site.server("a").await;
    for n in 0..400_u32 {
        old.deposit(&n.to_le_bytes()).await.unwrap();
    }
    let is_over = std::sync::atomic::AtomicBool::new(false);
    let clients = async {
        let second = site.server("a").await;
        let _watch = second.managed.watch_removals();
        let (mut stored, mut refused) = (Vec::new(), 0);
        let mut n = 1_000_u32;
        while !is_over.load(Ordering::Relaxed) {
            for server in [&old, &second] {
                n += 1;
                match server.deposit(&n.to_le_bytes()).await {
                    Ok(row) => stored.push((row.id, n)),
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
                        refused += 1;
                    }
                }
            }
            let (id, n) = stored[stored.len() / 2];
            for server in [&old, &second] {
                assert_eq!(server.fetch(id).await.unwrap(), n.to_le_bytes());
            }
            tokio::task::yield_now().await;
        }
        (stored, refused)
    };
    let migrations = async {
        for (from, to) in [("a", "b"), ("b", "c"), ("c", "b")] {
            let (report, _) = site.migrate(from, to).await;
            assert!(report.is_good(), "{report:?}");
        }
        is_over.store(true, Ordering::Relaxed);
    };
    let ((stored, refused), ()) = tokio::join!(clients, migrations);
    assert!(
        stored.len() > 10,
        "{} stored, {refused} refused",
        stored.len()
    );
    let server = site.server("b").await;
    for (id, n) in stored {
        assert_eq!(server.fetch(id).await.unwrap(), n.to_le_bytes());
        assert!(site.has_blob("b", id).await);
    }
}

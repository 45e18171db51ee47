//! Places and stores that a backup or a restore must not touch.

use std::sync::Arc;

use artifact_backend::ArtifactBackend as _;
use artifact_store::{Backend, BackupPlace, ErrorKind};

use super::site::{Site, id};

#[tokio::test]
async fn a_place_holds_the_backups_of_one_store() {
    let (site, mut other) = (Site::new().await, Site::new().await);
    site.deposit(1).await;
    other.deposit(1).await;
    site.back_up().await;
    let before = site.place_ids().await;
    other.place = Arc::clone(&site.place);
    let refused = other.back_up().await.unfinished.unwrap();
    assert_eq!(refused.kind(), ErrorKind::Misconfigured);
    assert!(refused.to_string().contains("another store"), "{refused}");
    assert_eq!(site.place_ids().await, before);
}

#[tokio::test]
async fn no_backend_of_a_store_and_no_foreign_blobs_become_a_place() {
    let mut site = Site::new().await;
    site.deposit(1).await;
    site.place = Arc::clone(&site.mem);
    let refused = site.back_up().await.unfinished.unwrap();
    assert_eq!(refused.kind(), ErrorKind::Misconfigured);
    assert!(
        refused.to_string().contains("this store itself"),
        "{refused}"
    );
    assert_eq!(site.blobs().await, [id(1)]);

    let foreign = Site::new().await;
    foreign.place.store(id(9), "foreign".into()).await.unwrap();
    let refused = foreign.back_up().await.unfinished.unwrap();
    assert_eq!(refused.kind(), ErrorKind::Misconfigured);
    assert_eq!(foreign.place_ids().await, [id(9)]);
}

#[tokio::test]
async fn a_place_is_no_backend_for_the_store() {
    let site = Site::new().await;
    site.deposit(1).await;
    site.back_up().await;
    let confused = Site {
        database: site.database.clone(),
        mem: Arc::clone(&site.place),
        place: Arc::clone(&site.place),
    };
    confused.join().await.unwrap_err();
}

#[tokio::test]
async fn an_empty_place_has_no_backup() {
    let refused = BackupPlace::open(&Backend::from_url("mem:").await.unwrap()).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_restore_changes_nothing_that_is_not_empty() {
    let site = Site::new().await;
    site.deposit(1).await;
    site.back_up().await;

    let mut used = site.empty();
    used.mem.store(id(7), "a blob".into()).await.unwrap();
    let refused = used.restore(None).await.unfinished.unwrap();
    assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
    assert_eq!(used.blobs().await, [id(7)]);
    assert_eq!(used.contents().await.1, []);

    used = site.empty();
    used.database = Site::new().await.database;
    let before = used.contents().await;
    let refused = used.restore(None).await.unfinished.unwrap();
    assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
    assert_eq!(used.contents().await, before);
    assert_eq!(used.blobs().await, []);

    // Not even the store that was backed up.
    let before = (site.contents().await, site.blobs().await);
    let refused = site.restore(None).await.unfinished.unwrap();
    assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
    assert_eq!((site.contents().await, site.blobs().await), before);

    // Nor its backend with a new database: what was deposited later would be lost to the collector.
    let half = Site {
        mem: Arc::clone(&site.mem),
        ..site.empty()
    };
    let refused = half.restore(None).await.unfinished.unwrap();
    assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
    assert_eq!(half.blobs().await, before.1);
}

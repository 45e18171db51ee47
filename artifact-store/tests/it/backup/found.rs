//! Damage in the store and in the backup is found, and named.

use artifact_backend::ArtifactBackend as _;
use artifact_backend::ArtifactInventory as _;
use artifact_store::{BackupOptions, ErrorKind};

use super::site::{Site, bytes_of, flip, id};

#[tokio::test]
async fn a_corrupt_blob_of_the_store_is_left_out_and_counts_as_removed_after_a_restore() {
    let site = Site::new().await;
    for number in 1..=4 {
        site.deposit(number).await;
    }
    flip(&site.mem, id(2)).await;
    site.mem.delete(id(3)).await.unwrap();
    let report = site.back_up().await;
    assert!(report.is_complete, "{report:?}");
    assert_eq!((report.copied, report.corrupt, report.missing), (2, 1, 1));
    assert_eq!(report.findings(), 2);
    let restored = site.empty();
    assert!(restored.restore(None).await.is_complete);
    assert_eq!(restored.fetch(1).await, Some(bytes_of(1)));
    assert_eq!(restored.fetch(2).await, None);
    let refused = restored.try_deposit(3).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
}

#[tokio::test]
async fn damage_that_came_later_does_not_reach_the_backup() {
    let site = Site::new().await;
    site.deposit(1).await;
    site.back_up().await;
    flip(&site.mem, id(1)).await;
    let report = site.back_up().await;
    assert_eq!(
        (report.present, report.findings(), report.is_complete),
        (1, 0, true)
    );
    let restored = site.empty();
    assert!(restored.restore(None).await.is_complete);
    assert_eq!(restored.fetch(1).await, Some(bytes_of(1)));
}

#[tokio::test]
async fn a_flipped_bit_and_a_lost_blob_of_the_backup_are_found() {
    let site = Site::new().await;
    for number in 1..=5 {
        site.deposit(number).await;
    }
    site.back_up().await;
    let sound = site.verify(None, &BackupOptions::default()).await;
    assert_eq!(
        (sound.copied, sound.findings(), sound.is_complete),
        (5, 0, true)
    );
    flip(&site.place, id(2)).await;
    site.place.delete(id(4)).await.unwrap();
    let checked = site.verify(None, &BackupOptions::default()).await;
    assert_eq!(
        (checked.corrupt, checked.missing, checked.copied),
        (1, 1, 3)
    );
    assert!(checked.is_complete);

    let restored = site.empty();
    let refused = restored.restore(None).await;
    assert_eq!(
        (refused.corrupt, refused.missing, refused.is_complete),
        (1, 1, false)
    );
    assert_eq!(refused.unfinished.unwrap().kind(), ErrorKind::Corrupt);
    assert_eq!(
        restored.contents().await.1,
        [],
        "no row leads to damaged bytes"
    );
    restored.join().await.unwrap_err();
    let without = BackupOptions::default().with_without_damaged(true);
    let report = restored.restore_with(None, without).await;
    assert!(report.is_complete, "{report:?}");
    for number in 1..=5 {
        let expected = (number != 2 && number != 4).then(|| bytes_of(number));
        assert_eq!(restored.fetch(number).await, expected);
    }
    let refused = restored.try_deposit(4).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AlreadyExists);

    // The next backup copies what was lost.
    let report = site.back_up().await;
    assert_eq!((report.copied, report.present), (1, 4));
}

#[tokio::test]
async fn a_flipped_bit_of_a_snapshot_or_its_manifest_is_found() {
    let site = Site::new().await;
    site.deposit(1).await;
    site.back_up().await;
    let control: Vec<_> = site
        .place_ids()
        .await
        .into_iter()
        .filter(|found| *found != id(1))
        .collect();
    assert_eq!(control.len(), 2);
    for damaged in control {
        let before = site.place.load(damaged).await.unwrap();
        flip(&site.place, damaged).await;
        let checked = site.verify(None, &BackupOptions::default()).await;
        assert_eq!(checked.unfinished.unwrap().kind(), ErrorKind::Corrupt);
        let restored = site.empty();
        let refused = restored.restore(None).await;
        assert_eq!(refused.unfinished.unwrap().kind(), ErrorKind::Corrupt);
        assert_eq!(restored.contents().await.1, []);
        site.place.delete(damaged).await.unwrap();
        site.place.store(damaged, before).await.unwrap();
    }
    assert_eq!(
        site.verify(None, &BackupOptions::default())
            .await
            .findings(),
        0
    );
}

//! Old snapshots are removed, with the blobs that only they needed.

use std::num::NonZero;
use std::time::Duration;

use artifact_backend::ManualClock;
use artifact_store::{BackupOptions, Clock as _};

use super::site::{Site, bytes_of, id};

#[tokio::test]
async fn the_newest_snapshots_and_their_blobs_are_kept() {
    let site = Site::new().await;
    for number in 1..=4 {
        site.deposit(number).await;
        if number > 1 {
            site.remove(number - 1).await;
        }
        site.back_up().await;
    }
    assert_eq!(site.place().await.snapshots().await.unwrap().len(), 4);
    site.deposit(5).await;
    let options = BackupOptions::default()
        .with_keep(NonZero::new(2))
        .with_rows_in_memory(2);
    let report = site.back_up_with(options.clone()).await;
    assert!(report.is_complete, "{report:?}");
    assert_eq!((report.pruned_snapshots, report.pruned_blobs), (3, 3));
    let kept: Vec<_> = site.place().await.snapshots().await.unwrap();
    let kept: Vec<_> = kept.iter().map(|manifest| manifest.number).collect();
    assert_eq!(kept, [4, 5]);
    assert_eq!(
        site.place_ids().await.len(),
        2 + 4,
        "two blobs, two dumps, two manifests"
    );
    for number in kept {
        let restored = site.empty();
        assert!(restored.restore(Some(number)).await.is_complete);
        assert_eq!(restored.fetch(4).await, Some(bytes_of(4)));
    }
    let again = site.back_up_with(options).await;
    assert_eq!(
        (again.number, again.pruned_snapshots, again.pruned_blobs),
        (Some(6), 1, 0)
    );
}

#[tokio::test]
async fn a_blob_whose_row_is_still_there_is_kept() {
    let site = Site::new().await;
    site.deposit(1).await;
    site.back_up().await;
    // It is in no snapshot that is kept, but another backup that runs may need it.
    site.deposit(2).await;
    let place = &site.place;
    artifact_backend::ArtifactBackend::store(&**place, id(2), bytes_of(2))
        .await
        .unwrap();
    let report = site
        .back_up_with(BackupOptions::default().with_keep(NonZero::new(1)))
        .await;
    assert_eq!(
        (report.pruned_snapshots, report.pruned_blobs, report.present),
        (1, 0, 2)
    );
}

#[tokio::test]
async fn what_a_killed_backup_left_is_removed_after_a_week() {
    let site = Site::new().await;
    site.deposit(1).await;
    site.back_up().await;
    let manifest = site
        .place_ids()
        .await
        .into_iter()
        .find(|found| *found != id(1) && found.as_bytes()[8] == 1);
    let control = manifest.unwrap();
    artifact_backend::ArtifactInventory::delete(&*site.place, control)
        .await
        .unwrap();
    let clock = std::sync::Arc::new(ManualClock::new(artifact_backend::SystemClock.now()));
    let options = BackupOptions::default()
        .with_keep(NonZero::new(1))
        .with_clock(clock.clone());
    site.back_up_with(options.clone()).await;
    assert_eq!(site.place_ids().await.len(), 4, "it may still run");
    clock.advance(Duration::from_hours(8 * 24));
    site.back_up_with(options).await;
    assert_eq!(site.place_ids().await.len(), 3);
}

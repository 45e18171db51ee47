//! Backups and restores over backends in memory, with stops at each step.

mod found;
mod place;
mod prune;
mod site;
mod stopped;

use artifact_store::{BackupEvent, BackupOptions, ErrorKind, LeftOutReason};

use self::site::{Site, bytes_of};

#[tokio::test]
async fn a_restored_store_is_equal_to_the_backed_up_one() {
    let site = Site::new().await;
    for number in 1..=30 {
        site.deposit(number).await;
    }
    site.remove(4).await;
    let report = site.back_up().await;
    assert!(report.is_complete, "{report:?}");
    assert_eq!(
        (report.number, report.copied, report.present),
        (Some(1), 29, 0)
    );
    assert_eq!(report.counts.artifacts, 29);
    assert_eq!(report.copied_bytes, report.counts.bytes);

    let restored = site.empty();
    let report = restored.restore(None).await;
    assert!(report.is_complete, "{report:?}");
    assert_eq!((report.copied, report.findings()), (29, 0));
    assert_eq!(restored.contents().await, site.contents().await);
    for number in 1..=30 {
        let expected = (number != 4).then(|| bytes_of(number));
        assert_eq!(restored.fetch(number).await, expected, "{number}");
    }
    restored.join().await.unwrap();
    assert_eq!(
        restored.blobs().await,
        site.blobs().await,
        "nothing else is left"
    );
    let refused = restored.try_deposit(4).await.unwrap_err();
    assert_eq!(
        refused.kind(),
        ErrorKind::AlreadyExists,
        "deleted stays deleted"
    );
}

#[tokio::test]
async fn a_second_backup_copies_only_what_is_new_and_the_first_stays_restorable() {
    let site = Site::new().await;
    for number in 1..=10 {
        site.deposit(number).await;
    }
    site.back_up().await;
    let first = site.contents().await;
    for number in 11..=13 {
        site.deposit(number).await;
    }
    site.remove(2).await;
    let report = site.back_up().await;
    assert_eq!(
        (report.number, report.copied, report.present),
        (Some(2), 3, 9)
    );

    let old = site.empty();
    assert!(old.restore(Some(1)).await.is_complete);
    assert_eq!(old.contents().await, first);
    assert_eq!(old.fetch(2).await, Some(bytes_of(2)));
    assert_eq!(old.fetch(11).await, None);
    let new = site.empty();
    assert!(new.restore(None).await.is_complete);
    assert_eq!(new.contents().await, site.contents().await);
    assert_eq!(new.fetch(2).await, None);
    let none = site.empty().restore(Some(3)).await;
    assert_eq!(none.unfinished.unwrap().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn many_rows_are_compared_with_several_lists() {
    let site = Site::new().await;
    for number in 1..=40 {
        site.deposit(number).await;
    }
    site.back_up().await;
    for number in 41..=50 {
        site.deposit(number).await;
    }
    let options = BackupOptions::default().with_rows_in_memory(7);
    let report = site.back_up_with(options.clone()).await;
    assert_eq!(
        (report.copied, report.present, report.artifacts),
        (10, 40, 50)
    );
    let checked = site.verify(None, &options).await;
    assert_eq!(
        (checked.copied, checked.findings()),
        (50, 0),
        "each blob is read once"
    );
    let restored = site.empty();
    assert!(restored.restore_with(None, options).await.is_complete);
    assert_eq!(restored.contents().await, site.contents().await);
}

#[tokio::test]
async fn more_than_a_thousand_rows_are_compared_with_a_list() {
    let site = Site::new().await;
    for number in 1..=1_100 {
        site.deposit(number).await;
    }
    site.back_up().await;
    site.deposit(1_101).await;
    let report = site.back_up().await;
    assert_eq!((report.copied, report.present), (1, 1_100));
}

#[tokio::test]
async fn a_dry_run_writes_nothing() {
    let site = Site::new().await;
    site.deposit(1).await;
    let options = BackupOptions::default().with_dry_run(true);
    let report = site.back_up_with(options.clone()).await;
    assert_eq!((report.copied, report.is_complete), (1, false));
    assert!(report.unfinished.is_none(), "{report:?}");
    assert_eq!(site.place_ids().await, []);
    site.back_up().await;
    let restored = site.empty();
    let report = restored.restore_with(None, options).await;
    assert_eq!((report.copied, report.is_complete), (1, false));
    assert!(report.unfinished.is_none(), "{report:?}");
    assert_eq!(restored.blobs().await, []);
    assert_eq!(restored.contents().await.1, []);
    assert!(restored.restore(None).await.is_complete);
}

#[tokio::test]
async fn an_artifact_that_is_removed_during_the_backup_is_left_out() {
    let site = Site::new().await;
    for number in 1..=3 {
        site.deposit(number).await;
    }
    // Its row is gone once the snapshot is taken, and its bytes too.
    let mut left_out = Vec::new();
    let report = site
        .back_up_while(
            async || site.remove(2).await,
            |event| {
                if let BackupEvent::LeftOut { id, why, .. } = event {
                    left_out.push((*id, *why));
                }
            },
        )
        .await;
    assert!(report.is_complete, "{report:?}");
    assert_eq!(
        (report.copied, report.removed, report.findings()),
        (2, 1, 0)
    );
    assert_eq!(left_out, [(site::id(2), LeftOutReason::Removed)]);
    let manifest = site.place().await.snapshot(None).await.unwrap();
    assert_eq!(manifest.left_out.len(), 1);
    assert_eq!(manifest.counts.artifacts, 3);
    let restored = site.empty();
    let report = restored.restore(None).await;
    assert!(report.is_complete, "{report:?}");
    assert_eq!(restored.fetch(2).await, None);
    let refused = restored.try_deposit(2).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
    assert_eq!(restored.contents().await, site.contents().await);
    assert_eq!(
        site.verify(None, &BackupOptions::default())
            .await
            .findings(),
        0
    );
}

//! Backups and restores that are killed before any of their steps, and then repeated.

use std::sync::Arc;

use artifact_backend::ArtifactInventory;
use artifact_store::{Backend, Backup, BackupOptions, BackupReport, Restore};
use futures_util::future::{Either, select};
use std::pin::pin;

use super::site::{Site, Stopping, StoppingBackend, bytes_of};

/// Runs work until the backend stops it, and drops it there. Returns the report if it came to its end.
async fn until_stopped(
    stopping: &StoppingBackend,
    work: impl Future<Output = BackupReport>,
) -> Option<BackupReport> {
    match select(pin!(work), pin!(stopping.has_stopped.notified())).await {
        Either::Left((report, _)) => Some(report),
        Either::Right(_) => None,
    }
}

fn backend(stopping: &Arc<StoppingBackend>) -> Backend {
    Backend::new(Arc::new(Stopping(Arc::clone(stopping))) as Arc<dyn ArtifactInventory>)
}

#[tokio::test]
async fn a_backup_that_is_killed_at_any_step_harms_no_snapshot_and_is_repeated() {
    let keep = std::num::NonZero::new(2);
    let mut steps = 0;
    loop {
        let site = Site::new().await;
        for number in 1..=4 {
            site.deposit(number).await;
        }
        assert!(site.back_up().await.is_complete);
        let first = site.contents().await;
        site.remove(1).await;
        site.deposit(5).await;
        site.deposit(6).await;
        assert!(site.back_up().await.is_complete);

        site.deposit(7).await;
        let stopping = StoppingBackend::new(Arc::clone(&site.place) as _, steps);
        let options = BackupOptions::default().with_keep(keep);
        let backup = Backup::new(
            &site.database,
            &site.backend(),
            &backend(&stopping),
            options.clone(),
        );
        let done = until_stopped(&stopping, backup.run(|_| {})).await;

        // Every snapshot that is listed can be restored.
        let place = site.place().await;
        let snapshots = place.snapshots().await.unwrap();
        assert!(snapshots.len() >= 2, "after {steps} steps");
        for manifest in &snapshots {
            let restored = site.empty();
            let report = restored.restore(Some(manifest.number)).await;
            assert!(report.is_complete, "after {steps} steps: {report:?}");
            if manifest.number == 1 {
                assert_eq!(restored.contents().await, first);
            }
        }
        // The next backup continues.
        site.deposit(8).await;
        let report = site.back_up_with(options).await;
        assert!(report.is_complete, "after {steps} steps: {report:?}");
        let checked = site.verify(None, &BackupOptions::default()).await;
        assert!(
            checked.is_complete && checked.findings() == 0,
            "{checked:?}"
        );
        let restored = site.empty();
        assert!(restored.restore(None).await.is_complete);
        assert_eq!(restored.contents().await, site.contents().await);
        for number in 2..=8 {
            assert_eq!(restored.fetch(number).await, Some(bytes_of(number)));
        }
        if let Some(report) = done {
            assert!(report.is_complete, "{report:?}");
            assert!(steps > 20, "only {steps} steps");
            return;
        }
        steps += 1;
    }
}

#[tokio::test]
async fn a_restore_that_is_killed_at_any_step_is_not_served_and_is_repeated() {
    let site = Site::new().await;
    for number in 1..=5 {
        site.deposit(number).await;
    }
    site.back_up().await;
    site.deposit(6).await;
    site.back_up().await;
    let expected = site.contents().await;
    let mut steps = 0;
    loop {
        let restored = site.empty();
        let stopping = StoppingBackend::new(Arc::clone(&restored.mem) as _, steps);
        let place = site.place().await;
        let restore = Restore::new(
            &place,
            &restored.database,
            &backend(&stopping),
            BackupOptions::default(),
        );
        let done = until_stopped(&stopping, restore.run(None, |_| {})).await;

        let has_rows = !restored.contents().await.1.is_empty();
        let has_blobs = !restored.blobs().await.is_empty();
        if has_rows {
            restored.join().await.unwrap();
        } else if has_blobs {
            restored.join().await.unwrap_err();
            let other = restored.restore(Some(1)).await;
            assert!(
                !other.is_complete,
                "the restore of another snapshot has begun"
            );
        }
        let report = restored.restore(None).await;
        if done.is_none() {
            assert!(report.is_complete, "after {steps} steps: {report:?}");
        }
        assert_eq!(restored.contents().await, expected);
        assert_eq!(
            restored.blobs().await,
            site.blobs().await,
            "after {steps} steps"
        );
        restored.join().await.unwrap();
        for number in 1..=6 {
            assert_eq!(restored.fetch(number).await, Some(bytes_of(number)));
        }
        if let Some(report) = done {
            assert!(report.is_complete, "{report:?}");
            assert!(steps > 12, "only {steps} steps");
            return;
        }
        steps += 1;
    }
}

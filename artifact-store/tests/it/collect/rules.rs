//! What a collection removes and reports.

use std::sync::atomic::Ordering;
use std::time::Duration;

use artifact_store::{
    ArtifactId, Catalog as _, CatalogInventory as _, CollectEvent, CollectOptions, CollectReport,
    CollectStep, ErrorKind, Hold, Removal, StoreConfig,
};
use tokio::time::Instant;

use super::site::{ALMOST_A_DAY, DAY, Site};
use crate::support::{row, time, worker};

/// Returns the ids of the orphans in these events.
fn orphans(events: &[CollectEvent]) -> Vec<ArtifactId> {
    let orphan = |event: &CollectEvent| match event {
        CollectEvent::Orphan { id, .. } => Some(*id),
        _ => None,
    };
    events.iter().filter_map(orphan).collect()
}

fn failed(events: &[CollectEvent]) -> Vec<ArtifactId> {
    let failed = |event: &CollectEvent| match event {
        CollectEvent::Failed { id, .. } => Some(*id),
        _ => None,
    };
    events.iter().filter_map(failed).collect()
}

fn unfinished(report: &CollectReport) -> Vec<(CollectStep, ErrorKind)> {
    let unfinished = report.unfinished.iter();
    unfinished
        .map(|(step, error)| (*step, error.kind()))
        .collect()
}

#[tokio::test]
async fn orphans_are_deleted_after_the_grace_period_and_artifacts_stay() {
    let site = Site::new().await;
    let orphan = site.orphan(b"lost").await;
    let artifact = site.deposit(b"kept").await.id;
    site.clock.advance(ALMOST_A_DAY);
    let young = site.orphan(b"young").await;
    let (report, events) = site.collect().await;
    assert_eq!((report.orphans, report.blobs), (0, 3));
    assert!(report.is_good() && orphans(&events).is_empty());
    assert!(site.has_blob(orphan).await);

    site.clock.advance(Duration::from_secs(1));
    let (report, events) = site.collect().await;
    assert_eq!(orphans(&events), [orphan]);
    assert_eq!((report.orphans, report.orphan_bytes), (1, 4));
    assert_eq!((report.rows, report.missing), (1, 0));
    assert!(report.is_good(), "{report:?}");
    assert!(!site.has_blob(orphan).await);
    assert!(site.has_blob(young).await && site.has_blob(artifact).await);
    assert!(site.has_row(artifact).await);
}

#[tokio::test]
async fn the_id_of_a_collected_orphan_never_gets_a_row() {
    let site = Site::new().await;
    let orphan = site.orphan(b"lost").await;
    site.clock.advance(DAY);
    site.collect().await;
    let mut late = row(1);
    late.id = orphan;
    let error = site.catalog.insert(&late).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
}

#[test]
fn a_grace_period_that_is_shorter_than_the_stores_has_no_effect() {
    let config = StoreConfig::default().with_grace_period(DAY * 2);
    let options = CollectOptions::new(&config);
    assert_eq!(options.grace_period(), DAY * 2);
    let shorter = options.clone().with_grace_period(DAY);
    assert_eq!(shorter.grace_period(), DAY * 2);
    assert_eq!(options.with_grace_period(DAY * 3).grace_period(), DAY * 3);
}

#[tokio::test]
async fn a_dry_run_reports_the_same_and_changes_nothing() {
    let site = Site::new().await;
    let orphan = site.orphan(b"lost").await;
    let expired = site.deposit(b"expired").await.id;
    site.keep_for(Duration::from_hours(1)).await;
    site.clock.advance(DAY);
    let before = site.catalog.last_removal().await.unwrap();
    let (report, events) = site.collect_with(site.options().with_dry_run(true)).await;
    assert_eq!((report.expired, report.orphans), (1, 1));
    assert_eq!(orphans(&events), [orphan]);
    assert!(report.leftovers.is_none());
    assert!(site.has_blob(orphan).await && site.has_row(expired).await);
    assert_eq!(site.catalog.last_removal().await.unwrap(), before);

    let (report, _) = site.collect().await;
    assert_eq!((report.expired, report.orphans), (1, 1));
    assert!(report.leftovers.is_some());
}

#[tokio::test]
async fn expired_artifacts_lose_row_and_blob_unless_they_are_held() {
    let site = Site::new().await;
    let (expired, held) = (site.deposit(b"a").await.id, site.deposit(b"b").await.id);
    let placed = Hold::new(held, worker().id(), time(1_700_000_000));
    site.catalog.place_hold(&placed).await.unwrap();
    site.keep_for(Duration::from_hours(1)).await;
    site.clock.advance(Duration::from_hours(1));
    let (report, events) = site.collect().await;
    assert_eq!((report.expired, report.orphans), (1, 0));
    let is_expired =
        |event: &CollectEvent| matches!(event, CollectEvent::Expired { id } if *id == expired);
    assert_eq!(events.iter().filter(|event| is_expired(event)).count(), 1);
    assert!(!site.has_row(expired).await && !site.has_blob(expired).await);
    assert!(site.has_row(held).await && site.has_blob(held).await);
}

#[tokio::test]
async fn the_blob_of_a_removed_artifact_is_collected() {
    let site = Site::new().await;
    let removed = site.deposit(b"removed").await.id;
    // As if the process had been killed before it deleted the blob.
    let removal = site.catalog.remove(removed).await.unwrap();
    assert_eq!(removal, Removal::Removed);
    site.clock.advance(DAY);
    let (report, events) = site.collect().await;
    assert_eq!(orphans(&events), [removed]);
    assert!(report.is_good());
    assert!(!site.has_blob(removed).await);
}

#[tokio::test]
async fn many_orphans_are_kept_unless_that_is_allowed() {
    // Up to 10 are kept without an error: a new store with one crashed deposit has nothing else.
    for (artifacts, lost, is_kept, is_refused) in [
        (0, 1, true, false),
        (1, 1, false, false),
        (10, 10, false, false),
        (9, 10, true, false),
        (0, 11, true, true),
        (89, 11, true, true),
        (99, 11, false, false),
    ] {
        let site = Site::new().await;
        for _ in 0..artifacts {
            site.deposit(b"kept").await;
        }
        for _ in 0..lost {
            site.orphan(b"lost").await;
        }
        site.clock.advance(DAY);
        let default = site.options().with_many_orphans(false);
        let (report, events) = site.collect_with(default).await;
        let step = (CollectStep::Orphans, ErrorKind::Misconfigured);
        let expected = if is_refused { vec![step] } else { vec![] };
        assert_eq!(unfinished(&report), expected, "{lost} of {artifacts}");
        let deleted = if is_kept { 0 } else { lost };
        assert_eq!(
            (report.orphans, report.orphans_left),
            (deleted, lost - deleted)
        );
        assert_eq!(orphans(&events).len() as u64, deleted);
        assert_eq!(report.rows, artifacts, "the other steps are done");
        assert_eq!(site.storage.mem.len() as u64, artifacts + lost - deleted);

        let (report, _) = site.collect().await;
        assert_eq!((report.orphans, report.orphans_left), (lost - deleted, 0));
        assert!(report.is_good());
    }
}

#[tokio::test]
async fn a_row_without_its_blob_is_reported_and_stays() {
    let site = Site::new().await;
    let lost = site.deposit(b"lost").await.id;
    site.deposit(b"kept").await;
    artifact_backend::ArtifactInventory::delete(&site.storage.mem, lost)
        .await
        .unwrap();
    let (report, events) = site.collect().await;
    assert_eq!((report.rows, report.missing), (2, 1));
    assert!(!report.is_good());
    let is_lost =
        |event: &CollectEvent| matches!(event, CollectEvent::MissingBlob { id } if *id == lost);
    assert_eq!(events.iter().filter(|event| is_lost(event)).count(), 1);
    assert!(site.has_row(lost).await);
}

#[tokio::test]
async fn damaged_blobs_are_reported_and_left_alone() {
    let site = Site::new().await;
    let damaged = site.orphan(b"half").await;
    site.storage.damaged.lock().unwrap().push(damaged);
    let (report, events) = site.collect().await;
    assert_eq!((report.damaged, report.orphans), (1, 0));
    assert!(!report.is_good());
    let is_damaged =
        |event: &CollectEvent| matches!(event, CollectEvent::Damaged { id, .. } if *id == damaged);
    assert_eq!(events.iter().filter(|event| is_damaged(event)).count(), 1);
    assert!(site.has_blob(damaged).await);
}

#[tokio::test]
async fn the_failure_of_one_id_is_reported_and_the_others_are_deleted() {
    let site = Site::new().await;
    let (stuck, other) = (site.orphan(b"stuck").await, site.orphan(b"other").await);
    site.storage.kept.lock().unwrap().insert(stuck);
    site.clock.advance(DAY);
    let (report, events) = site.collect().await;
    assert_eq!(orphans(&events), [other]);
    assert_eq!(failed(&events), [stuck]);
    assert_eq!((report.orphans, report.failed), (1, 1));
    assert!(!report.is_good());

    site.storage.kept.lock().unwrap().clear();
    let (report, events) = site.collect().await;
    assert_eq!(orphans(&events), [stuck]);
    assert!(report.is_good());
}

#[tokio::test]
async fn a_failed_list_deletes_no_orphan_and_the_other_steps_are_done() {
    let site = Site::new().await;
    let orphan = site.orphan(b"lost").await;
    let expired = site.deposit(b"expired").await.id;
    site.keep_for(Duration::from_hours(1)).await;
    site.clock.advance(DAY);
    site.storage.list_fails.store(true, Ordering::Relaxed);
    let (report, _) = site.collect().await;
    let step = (CollectStep::Orphans, ErrorKind::Unavailable);
    assert_eq!(unfinished(&report), [step]);
    assert_eq!((report.expired, report.orphans, report.rows), (1, 0, 0));
    assert!(report.leftovers.is_some());
    assert!(site.has_blob(orphan).await && !site.has_row(expired).await);
}

#[tokio::test(start_paused = true)]
async fn removals_per_second_are_limited() {
    let site = Site::new().await;
    for _ in 0..10 {
        site.orphan(b"lost").await;
    }
    site.clock.advance(DAY);
    let start = Instant::now();
    let limited = site.options().with_removals_per_second(2);
    let (report, _) = site.collect_with(limited).await;
    assert_eq!(report.orphans, 10);
    let took = start.elapsed().as_millis();
    assert!((4500..4600).contains(&took), "{took} ms");
}

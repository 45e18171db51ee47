//! The scheduled scrub: when it is due, who does it, and where it continues.

use std::pin::pin;
use std::time::Duration;

use artifact_backend::ArtifactInventory as _;
use artifact_store::{
    CatalogInventory as _, ErrorKind, RowPosition, ScrubEvent, ScrubOptions, ScrubRecord,
    ScrubReport, ScrubTurn, Scrubber,
};
use tokio::time::sleep;

use crate::collect::site::{DAY, Site};
use crate::support::poll_once;

const A: [u8; 16] = [1; 16];
const B: [u8; 16] = [2; 16];
/// The bytes of each artifact: what a small one counts as.
const SIZE: usize = 16 << 10;

fn scrubber(site: &Site) -> Scrubber {
    scrubber_with(site, ScrubOptions::new(&site.config))
}

fn scrubber_with(site: &Site, options: ScrubOptions) -> Scrubber {
    Scrubber::new(site.catalog.clone(), site.storage.clone(), options)
}

fn scrubbed(turn: ScrubTurn) -> ScrubReport {
    match turn {
        ScrubTurn::Scrubbed(report) => report,
        other => panic!("{other:?}"),
    }
}

async fn last(site: &Site) -> ScrubRecord {
    site.catalog.last_scrub().await.unwrap().unwrap()
}

#[tokio::test]
async fn the_interval_counts_from_the_beginning_of_the_last_scrub() {
    let site = Site::new().await;
    site.deposit(b"sound").await;
    let scrubber = scrubber(&site);
    let report = scrubbed(scrubber.run_due(DAY, A, |_| ()).await.unwrap());
    assert_eq!((report.artifacts, report.bytes), (1, 5));
    let record = last(&site).await;
    assert_eq!((record.number, record.is_finished), (1, true));
    assert_eq!((record.artifacts, record.bytes), (1, 5));

    site.clock.advance(Duration::from_hours(5));
    let turn = scrubber.run_due(DAY, B, |_| ()).await.unwrap();
    let ScrubTurn::NotDue(left) = turn else {
        panic!("{turn:?}");
    };
    assert_eq!(left, Duration::from_hours(19));
    assert_eq!(last(&site).await.number, 1);

    site.clock.advance(left);
    scrubbed(scrubber.run_due(DAY, B, |_| ()).await.unwrap());
    assert_eq!(last(&site).await.number, 2);
}

#[tokio::test]
async fn only_one_process_scrubs() {
    let site = Site::new().await;
    site.deposit(b"sound").await;
    let scrubber = scrubber(&site);
    let mut first = pin!(scrubber.run_due(DAY, A, |_| ()));
    assert!(poll_once(first.as_mut()).is_pending());
    let second = scrubber.run_due(DAY, B, |_| ()).await.unwrap();
    assert!(matches!(second, ScrubTurn::Busy), "{second:?}");
    scrubbed(first.await.unwrap());
    assert_eq!(last(&site).await.number, 1);
}

/// Makes a site with 200 artifacts, and a clock that moves with that of the runtime. One of the first and one of the last
/// artifacts have no blob.
async fn long_site() -> Site {
    let site = Site::new().await;
    for number in 0..200 {
        let row = site.deposit(&[7; SIZE]).await;
        if [10, 190].contains(&number) {
            site.storage.mem.delete(row.id).await.unwrap();
        }
    }
    let clock = site.clock.clone();
    tokio::spawn(async move {
        loop {
            sleep(Duration::from_secs(1)).await;
            clock.advance(Duration::from_secs(1));
        }
    });
    site
}

#[tokio::test(start_paused = true)]
async fn after_a_crash_another_process_continues_and_reports_the_whole_scrub() {
    let site = long_site().await;
    let slow = ScrubOptions::new(&site.config).with_bytes_per_second(SIZE as u64);
    let scrubber = scrubber_with(&site, slow);
    // 64 artifacts take as many seconds, and the position is kept every 30 seconds.
    let crashed = scrubber.run_due(DAY, A, |_| ());
    tokio::time::timeout(Duration::from_secs(100), crashed)
        .await
        .unwrap_err();
    let record = last(&site).await;
    assert_eq!((record.artifacts, record.is_finished), (64, false));
    assert_eq!((record.missing, record.bytes), (1, 63 * SIZE as u64));

    site.clock.advance(Duration::from_mins(2));
    let mut read = 0;
    let observe = |event| {
        if let ScrubEvent::Progress { .. } = event {
            read += 1;
        }
    };
    let report = scrubbed(scrubber.run_due(DAY, B, observe).await.unwrap());
    // An event for each chunk, and one for each artifact.
    assert_eq!(read, 136 + 135, "the first 64 are not read again");
    assert_eq!((report.artifacts, report.missing), (200, 2));
    assert_eq!(report.bytes, 198 * SIZE as u64);
    let record = last(&site).await;
    assert_eq!((record.number, record.is_finished), (1, true));
    assert_eq!((record.artifacts, record.missing), (200, 2));
}

#[tokio::test(start_paused = true)]
async fn a_scrub_that_lost_its_lease_stops() {
    let site = long_site().await;
    let slow = ScrubOptions::new(&site.config).with_bytes_per_second(SIZE as u64);
    let scrubber = scrubber_with(&site, slow);
    let first = tokio::spawn(async move { scrubber.run_due(DAY, A, |_| ()).await });
    sleep(Duration::from_secs(10)).await;
    // As if this machine had slept for an hour.
    site.clock.advance(Duration::from_hours(1));
    let period = Duration::from_mins(2);
    assert!(site.catalog.take_lease("scrub", B, period).await.unwrap());
    let lost = first.await.unwrap().unwrap_err();
    assert_eq!(lost.kind(), ErrorKind::Unavailable);
    assert!(lost.detail().contains("another scrubber"), "{lost}");
    assert!(!last(&site).await.is_finished);
}

#[tokio::test]
async fn a_scrub_that_could_not_list_the_blobs_is_continued_at_once() {
    let site = Site::new().await;
    for _ in 0..100 {
        site.deposit(b"sound").await;
    }
    site.storage
        .list_fails
        .store(true, std::sync::atomic::Ordering::Relaxed);
    let scrubber = scrubber(&site);
    let report = scrubbed(scrubber.run_due(DAY, A, |_| ()).await.unwrap());
    assert!(report.unfinished.is_some());
    let record = last(&site).await;
    assert_eq!((record.artifacts, record.is_finished), (64, false));
    site.storage
        .list_fails
        .store(false, std::sync::atomic::Ordering::Relaxed);
    let report = scrubbed(scrubber.run_due(DAY, A, |_| ()).await.unwrap());
    assert_eq!((report.artifacts, report.is_complete()), (100, true));
    assert_eq!(last(&site).await.number, 1);
    assert!(last(&site).await.is_finished);
}

#[tokio::test]
async fn a_whole_scrub_by_hand_is_recorded() {
    let site = Site::new().await;
    let row = site.deposit(b"sound").await;
    let scrubber = scrubber(&site);
    scrubbed(scrubber.run_due(DAY, A, |_| ()).await.unwrap());
    site.storage.mem.delete(row.id).await.unwrap();
    let report = scrubber.run(RowPosition::START, |_| ()).await;
    assert!(scrubber.record(&report).await.unwrap());
    let record = last(&site).await;
    assert_eq!((record.number, record.is_finished), (2, true));
    assert_eq!((record.missing, record.known_damaged), (1, 1));

    // The next scheduled one knows of it from its beginning on.
    site.clock.advance(DAY);
    site.storage
        .list_fails
        .store(true, std::sync::atomic::Ordering::Relaxed);
    scrubbed(scrubber.run_due(DAY, A, |_| ()).await.unwrap());
    assert_eq!(last(&site).await.known_damaged, 1);
    let unfinished = scrubber.run(RowPosition::START, |_| ()).await;
    assert!(!scrubber.record(&unfinished).await.unwrap());
    site.storage
        .list_fails
        .store(false, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(last(&site).await.number, 3);
    assert!(!last(&site).await.is_finished);
}

#[tokio::test(start_paused = true)]
async fn a_scheduled_scrub_that_ends_after_one_by_hand_is_the_newest() {
    let site = long_site().await;
    let slow = ScrubOptions::new(&site.config).with_bytes_per_second(SIZE as u64);
    let scheduled = scrubber_with(&site, slow);
    let scheduled = tokio::spawn(async move { scheduled.run_due(DAY, A, |_| ()).await });
    sleep(Duration::from_secs(100)).await;
    let by_hand = scrubber(&site);
    let mut report = by_hand.run(RowPosition::START, |_| ()).await;
    assert_eq!(report.missing, 2);
    report.missing = 0;
    assert!(by_hand.record(&report).await.unwrap());
    let record = last(&site).await;
    assert_eq!((record.number, record.known_damaged), (2, 0));
    scrubbed(scheduled.await.unwrap().unwrap());
    let record = last(&site).await;
    assert_eq!((record.number, record.is_finished), (3, true));
    assert_eq!((record.missing, record.known_damaged), (2, 2));
}

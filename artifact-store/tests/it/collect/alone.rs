//! The lease of the scheduled collector.

use std::pin::pin;
use std::time::Duration;

use artifact_store::{CatalogInventory as _, ErrorKind};
use tokio::time::sleep;

use super::site::{DAY, Site};
use crate::support::poll_once;

const A: [u8; 16] = [1; 16];
const B: [u8; 16] = [2; 16];

#[tokio::test]
async fn only_one_collection_runs_and_the_lease_is_given_back() {
    let site = Site::new().await;
    let collector = site.collector(site.options());
    let mut first = pin!(collector.run_alone(A, |_| ()));
    assert!(poll_once(first.as_mut()).is_pending());
    let second = collector.run_alone(B, |_| ()).await.unwrap();
    assert!(second.is_none(), "another one runs");
    assert!(first.await.unwrap().is_some());
    assert!(collector.run_alone(B, |_| ()).await.unwrap().is_some());
}

#[tokio::test]
async fn a_dropped_collection_keeps_its_lease_for_two_minutes() {
    let site = Site::new().await;
    let collector = site.collector(site.options());
    {
        let mut dropped = pin!(collector.run_alone(A, |_| ()));
        assert!(poll_once(dropped.as_mut()).is_pending());
    }
    assert!(collector.run_alone(B, |_| ()).await.unwrap().is_none());
    site.clock.advance(Duration::from_mins(2));
    assert!(collector.run_alone(B, |_| ()).await.unwrap().is_some());
}

/// Makes a site with work for 200 seconds at one removal per second, and a clock that moves with the runtime's.
async fn busy_site() -> Site {
    let site = Site::new().await;
    for _ in 0..200 {
        site.orphan(b"lost").await;
    }
    site.clock.advance(DAY);
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
async fn a_collection_that_takes_longer_than_its_lease_prolongs_it() {
    let site = busy_site().await;
    let collector = site.collector(site.options().with_removals_per_second(1));
    let first = tokio::spawn(async move { collector.run_alone(A, |_| ()).await });
    let other = site.collector(site.options());
    for _ in 0..19 {
        sleep(Duration::from_secs(10)).await;
        assert!(other.run_alone(B, |_| ()).await.unwrap().is_none());
    }
    let report = first.await.unwrap().unwrap().unwrap();
    assert_eq!(report.orphans, 200);
    assert!(other.run_alone(B, |_| ()).await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_collection_that_lost_its_lease_stops() {
    let site = busy_site().await;
    let collector = site.collector(site.options().with_removals_per_second(1));
    let first = tokio::spawn(async move { collector.run_alone(A, |_| ()).await });
    sleep(Duration::from_secs(10)).await;
    // As if this machine had slept for an hour.
    site.clock.advance(Duration::from_hours(1));
    let period = Duration::from_mins(2);
    assert!(site.catalog.take_lease("collect", B, period).await.unwrap());
    let lost = first.await.unwrap().unwrap_err();
    assert_eq!(lost.kind(), ErrorKind::Unavailable);
    assert!(lost.detail().contains("another collector"), "{lost}");
    let left = site.storage.mem.len();
    assert!((165..=171).contains(&left), "{left} orphans left");
    // The lease of the other one is untouched.
    assert!(!site.catalog.take_lease("collect", A, period).await.unwrap());
}

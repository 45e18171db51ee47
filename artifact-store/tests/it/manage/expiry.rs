//! Periods that depositors and experiments set.

use std::time::Duration;

use artifact_store::{ArtifactId, CatalogInventory as _, ExpiryPosition, NewArtifact, Principal};
use jiff::Timestamp;

use super::{Server, Site};
use crate::support::{experiment, worker};

const HOUR: Duration = Duration::from_hours(1);

fn new() -> NewArtifact {
    NewArtifact::new(experiment(), &worker())
}

async fn expired(server: &Server) -> Vec<ArtifactId> {
    let expired = server.catalog.expired(&ExpiryPosition::START, 100).await;
    expired.unwrap().ids
}

#[tokio::test]
async fn the_time_of_expiry_is_the_time_of_creation_and_the_period() {
    let (_site, server) = Site::with_one_server().await;
    for (period, seconds) in [
        (Some(Duration::ZERO), Some(0)),
        (Some(HOUR), Some(3600)),
        (None, None),
    ] {
        let row = server.deposit_new(new().with_expires_in(period)).await;
        let expected = seconds.map(|seconds: i64| {
            let created_at = row.created_at.as_second();
            Timestamp::from_second(created_at + seconds).unwrap()
        });
        assert_eq!(row.expires_at, expected);
        assert!(server.finds(&row).await, "the database has the same row");
    }
    let for_ever = new().with_expires_in(Duration::MAX);
    let row = server.deposit_new(for_ever).await;
    assert_eq!(
        row.expires_at.unwrap().as_second(),
        Timestamp::MAX.as_second()
    );
    assert!(server.finds(&row).await);
}

#[tokio::test]
async fn periods_of_depositors_count_before_the_retention() {
    let (site, server) = Site::with_one_server().await;
    let (admin, home) = (Principal::admin(), experiment());
    let short = server.deposit_new(new().with_expires_in(HOUR)).await;
    let long = server.deposit_new(new().with_expires_in(10 * HOUR)).await;
    let without = server.deposit_new(new()).await;
    assert_eq!(expired(&server).await, []);
    site.clock.advance(HOUR);
    assert_eq!(expired(&server).await, [short.id]);
    let keep = Some(HOUR);
    let set = server.managed.set_retention(&admin, &home, keep).await;
    set.unwrap();
    let found = server.managed.retention(&worker(), &home).await.unwrap();
    assert_eq!(found, keep);
    assert_eq!(expired(&server).await, [short.id, without.id]);
    let set = server.managed.set_retention(&admin, &home, None).await;
    set.unwrap();
    assert_eq!(expired(&server).await, [short.id]);
    site.clock.advance(9 * HOUR);
    assert_eq!(expired(&server).await, [short.id, long.id]);
    // Expired artifacts are read until they are removed.
    assert!(server.finds(&short).await);
}

#[tokio::test]
async fn held_artifacts_do_not_expire() {
    let (_site, server) = Site::with_one_server().await;
    let (admin, home) = (Principal::admin(), experiment());
    let row = server
        .deposit_new(new().with_expires_in(Duration::ZERO))
        .await;
    let held = server.managed.place_hold(&admin, &home, row.id).await;
    held.unwrap();
    assert_eq!(expired(&server).await, []);
    let released = server.managed.release_hold(&admin, &home, row.id).await;
    assert!(released.unwrap());
    assert_eq!(expired(&server).await, [row.id]);
}

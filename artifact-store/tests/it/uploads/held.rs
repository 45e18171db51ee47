//! Appends on hold, of which nothing counts before their end.

use std::time::Duration;

use artifact_store::ErrorKind;

use super::site::{PART, Site};
use crate::support::bytes;

/// Three full parts and a bit.
const SIZE: usize = 3 * 4 + 1;

#[tokio::test]
async fn nothing_of_an_append_on_hold_counts_before_it_is_finished() {
    let file = bytes(SIZE);
    for written in 0..=SIZE {
        let site = Site::new().await;
        let id = site.create(SIZE as u64).await;
        let mut append = site.begin(id, 0).await.unwrap().hold();
        append.write(file[..written].to_vec().into()).await.unwrap();
        assert_eq!(append.offset(), written as u64);
        assert_eq!(site.find(id).await.unwrap().offset, 0, "{written}");
        let full = written as u64 / PART;
        assert_eq!(site.blobs.len() as u64, full, "full parts are stored");
        let session = append.finish().await.unwrap();
        assert_eq!(session.offset, written as u64);
        let parts = written.div_ceil(4) as u64;
        assert_eq!((session.parts, site.blobs.len() as u64), (parts, parts));
        site.append(id, written as u64, &file[written..])
            .await
            .unwrap();
        let row = site.complete(id).await.unwrap();
        assert_eq!(site.bytes_of(row.id).await, file);
    }
}

#[tokio::test]
async fn a_discarded_append_leaves_neither_bytes_nor_blobs() {
    let file = bytes(SIZE);
    for written in 0..=SIZE {
        let site = Site::new().await;
        let id = site.create(SIZE as u64).await;
        site.append(id, 0, &file[..1]).await.unwrap();
        let mut append = site.begin(id, 1).await.unwrap().hold();
        let end = written.max(1);
        append.write(file[1..end].to_vec().into()).await.unwrap();
        append.discard().await;
        assert_eq!(site.blobs.len(), 1, "{written}");
        assert_eq!(site.find(id).await.unwrap().offset, 1);
        site.append(id, 1, &file[1..]).await.unwrap();
        let row = site.complete(id).await.unwrap();
        assert_eq!(site.bytes_of(row.id).await, file);
    }
}

#[tokio::test]
async fn the_bytes_of_a_dropped_append_on_hold_are_collected() {
    let site = Site::new().await;
    let id = site.create(SIZE as u64).await;
    let mut append = site.begin(id, 0).await.unwrap().hold();
    append.write(bytes(SIZE).into()).await.unwrap();
    drop(append);
    assert_eq!(site.blobs.len(), 3);
    assert_eq!(site.find(id).await.unwrap().offset, 0);
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let report = site.collect_at(now + Duration::from_hours(48)).await;
    assert_eq!(report.orphans, 3);
    assert_eq!(site.blobs.len(), 0);
}

#[tokio::test]
async fn an_append_on_hold_that_lost_the_race_leaves_no_blob() {
    let site = Site::new().await;
    let id = site.create(SIZE as u64).await;
    let mut slow = site.begin(id, 0).await.unwrap().hold();
    slow.write(bytes(SIZE).into()).await.unwrap();
    site.append(id, 0, b"xy").await.unwrap();
    let error = slow.finish().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OffsetMismatch);
    assert_eq!(error.blob_size(), Some(2));
    assert_eq!(site.blobs.len(), 1, "the part of the other append");
    assert_eq!(site.find(id).await.unwrap().offset, 2);
}

#[tokio::test]
async fn an_append_on_hold_ends_within_half_the_grace_period() {
    let site = Site::new().await;
    let id = site.create(SIZE as u64).await;
    let mut append = site.begin(id, 0).await.unwrap().hold();
    append.write(bytes(8).into()).await.unwrap();
    let half = site.config.grace_period() / 2;
    site.clock.advance(half + Duration::from_secs(1));
    // The part of these bytes is new, but those before it are too old.
    append.write(bytes(1).into()).await.unwrap();
    let error = append.finish().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(site.blobs.len(), 0);
    assert_eq!(site.find(id).await.unwrap().offset, 0);
}

#[tokio::test]
async fn bytes_beyond_the_declared_length_are_counted_with_those_on_hold() {
    let site = Site::new().await;
    let id = site.create(9).await;
    let mut append = site.begin(id, 0).await.unwrap().hold();
    append.write(bytes(8).into()).await.unwrap();
    let error = append.write(bytes(2).into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LengthMismatch);
    append.write(bytes(1).into()).await.unwrap();
    assert_eq!(append.finish().await.unwrap().offset, 9);
}

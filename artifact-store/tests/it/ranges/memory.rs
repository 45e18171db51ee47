//! What verified ranges read and hold.

use std::sync::atomic::Ordering;

use artifact_store::{Catalog as _, Row, StoreConfig};

use super::site::{Site, open, read, usizes};
use crate::support::{bytes, chunk_digests, digest, experiment, time, worker_id};

#[tokio::test]
async fn a_small_range_reads_its_chunk_once_and_then_only_pieces() {
    let site = Site::new().await;
    let content = bytes(1_000_000);
    let id = site.deposit(&content).await;
    let read_by = async |range: std::ops::Range<u64>| {
        let before = site.read_bytes();
        let outcome = read(&site.store, id, range.clone()).await;
        assert!(outcome.bytes == content[usizes(&range)] && outcome.error.is_none());
        site.read_bytes() - before
    };
    assert_eq!(read_by(70_000..74_000).await, 65_536);
    // The pieces of 8 KiB that hold the range.
    assert_eq!(read_by(70_000..74_000).await, 16_384);
    assert_eq!(read_by(65_536..73_728).await, 8192);
    assert_eq!(read_by(131_071..131_072).await, 8192);
    assert_eq!(
        read_by(131_071..131_073).await,
        8192 + 65_536,
        "another chunk"
    );
    assert_eq!(read_by(131_071..131_073).await, 2 * 8192);
    assert_eq!(site.catalog.digest_gets(), 1);
}

#[tokio::test]
async fn the_digests_of_an_artifact_are_looked_up_once() {
    let site = Site::new().await;
    let one_chunk = site.deposit(&bytes(65_536)).await;
    for _ in 0..3 {
        assert_eq!(read(&site.store, one_chunk, 1..2).await.error, None);
    }
    assert_eq!(site.catalog.digest_gets(), 0);
    let (large, old) = (
        site.deposit(&bytes(65_537)).await,
        old_row(&site, &bytes(90_000)).await,
    );
    for _ in 0..3 {
        assert_eq!(read(&site.store, large, 1..2).await.error, None);
        assert_eq!(read(&site.store, old, 1..2).await.error, None);
    }
    assert_eq!(site.catalog.digest_gets(), 2);
}

/// Stores an artifact as an older version does: its row has no chunk digests.
pub(super) async fn old_row(site: &Site, content: &[u8]) -> artifact_store::ArtifactId {
    use artifact_backend::ArtifactBackend as _;

    let id = artifact_store::ArtifactId::mint();
    site.blobs.store(id, content.to_vec().into()).await.unwrap();
    let length = content.len() as u64;
    let by = worker_id().into();
    let row = Row::new(id, experiment(), by, length, digest(content), time(1));
    site.catalog.insert(&row).await.unwrap();
    id
}

#[tokio::test]
async fn readers_without_memory_hold_16_kib_each() {
    const READERS: usize = 50;
    for size in [60_000, 500_000] {
        let config = StoreConfig::default()
            .with_verified_cache_bytes(0)
            .with_read_memory_bytes(0);
        let site = Site::with(config, true).await;
        let content = bytes(size);
        let id = site.deposit(&content).await;
        let live = || site.blobs.live.load(Ordering::Relaxed);
        let mut readers = Vec::new();
        for _ in 0..READERS {
            let mut download = open(&site.store, id, 1..size as u64).await.unwrap();
            let chunk = download.next().await.unwrap().unwrap();
            readers.push((download, chunk));
        }
        assert!(live() <= READERS * (16 << 10), "{}", live());
        for (mut download, first) in readers {
            let mut all = first.to_vec();
            drop(first);
            while let Some(chunk) = download.next().await {
                all.extend_from_slice(&chunk.unwrap());
            }
            assert!(all == content[1..]);
        }
        assert_eq!(live(), 0);
    }
}

#[tokio::test]
async fn chunks_of_more_than_64_kib_are_verified_too() {
    use artifact_backend::ArtifactBackend as _;

    const SIZE: usize = (256 << 20) + 100_000;
    let mut content = bytes(1 << 20).repeat(257);
    content.truncate(SIZE);
    let digests = chunk_digests(&content).unwrap();
    assert_eq!(digests.chunk_bytes(), 128 << 10);
    for memory in [64 << 20, 0] {
        let config = StoreConfig::default()
            .with_verified_cache_bytes(0)
            .with_read_memory_bytes(memory);
        let site = Site::with(config, true).await;
        let id = artifact_store::ArtifactId::mint();
        site.blobs.store(id, content.clone().into()).await.unwrap();
        let by = worker_id().into();
        let sha256 = artifact_store::Sha256Digest::from_bytes([0; 32]);
        let row = Row::new(id, experiment(), by, SIZE as u64, sha256, time(1));
        site.catalog
            .insert_with(&row, Some(&digests), None)
            .await
            .unwrap();
        let chunk = 128 << 10;
        let ranges = [
            1..2,
            chunk - 1..chunk + 1,
            SIZE as u64 - 1..SIZE as u64,
            100..300_000,
        ];
        for range in ranges.clone() {
            let outcome = read(&site.store, id, range.clone()).await;
            assert!(outcome.bytes == content[usizes(&range)] && outcome.error.is_none());
        }
        for range in ranges {
            site.flip(id, usize::try_from(range.end - 1).unwrap());
            let outcome = read(&site.restarted(), id, range).await;
            assert_eq!(outcome.error, Some(artifact_store::ErrorKind::Corrupt));
        }
    }
}

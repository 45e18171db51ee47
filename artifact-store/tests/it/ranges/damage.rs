//! Damaged blobs: a range ends before the first chunk that is not as it was deposited.

use artifact_backend::ByteRange;
use artifact_store::{ErrorKind, StoreConfig};

use super::site::{Outcome, Site, read, usizes};
use crate::support::bytes;

const CHUNK: u64 = 64 << 10;
const SIZE: u64 = 300_000;

fn corrupt(bytes: &[u8]) -> Outcome {
    Outcome {
        bytes: bytes.to_vec(),
        error: Some(ErrorKind::Corrupt),
    }
}

fn sound(bytes: &[u8]) -> Outcome {
    Outcome {
        bytes: bytes.to_vec(),
        error: None,
    }
}

/// With memory for whole chunks, and without; for backends that let the reader choose the size of chunks, and others.
fn variants() -> impl Iterator<Item = (StoreConfig, bool)> {
    let memory = [64 << 20, 0];
    let variants = memory.map(|bytes| [true, false].map(|adapts| (bytes, adapts)));
    variants.into_iter().flatten().map(|(bytes, adapts)| {
        let config = StoreConfig::default().with_verified_cache_bytes(0);
        (config.with_read_memory_bytes(bytes), adapts)
    })
}

#[tokio::test]
async fn a_range_ends_before_the_chunk_with_a_flipped_byte_and_other_ranges_are_sound() {
    for (config, adapts) in variants() {
        let site = Site::with(config, adapts).await;
        let content = bytes(usize::try_from(SIZE).unwrap());
        let id = site.deposit(&content).await;
        for chunk in 0..SIZE.div_ceil(CHUNK) {
            let (start, end) = (chunk * CHUNK, SIZE.min((chunk + 1) * CHUNK));
            for flipped in [start, start + 30_000, end - 1] {
                site.flip(id, usize::try_from(flipped).unwrap());
                let cases = [
                    start..end,
                    start..start + 1,
                    end - 1..end,
                    start.saturating_sub(1)..start + 1,
                    start + 5..SIZE.min(end + 1),
                    start.saturating_sub(70_000).max(1)..SIZE,
                    1..SIZE,
                    0..SIZE - 1,
                ];
                for range in cases {
                    let sound_until = start.clamp(range.start, range.end);
                    let outcome = read(&site.restarted(), id, range.clone()).await;
                    let before = &content[usizes(&(range.start..sound_until))];
                    let is_damaged = range.start < end && range.end > start;
                    assert!(is_damaged);
                    assert_eq!(
                        outcome.error,
                        Some(ErrorKind::Corrupt),
                        "{flipped} {range:?}"
                    );
                    assert!(before == outcome.bytes, "{flipped} {range:?}");
                }
                let suffix = ByteRange::Suffix((SIZE - start).min(SIZE - 1));
                let suffix = read(&site.restarted(), id, suffix).await;
                assert_eq!(suffix.error, Some(ErrorKind::Corrupt));
                for range in [0..start, end..SIZE] {
                    if !range.is_empty() {
                        let outcome = read(&site.restarted(), id, range.clone()).await;
                        assert_eq!(outcome, sound(&content[usizes(&range)]), "{flipped}");
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn damage_that_a_range_finds_is_known_to_every_later_reader() {
    let site = Site::new().await;
    let content = bytes(300_000);
    let id = site.deposit(&content).await;
    site.flip(id, 70_000);
    assert_eq!(read(&site.store, id, 0..10).await, sound(&content[..10]));
    assert_eq!(read(&site.store, id, 70_001..70_002).await, corrupt(b""));
    for range in [
        ByteRange::Full,
        ByteRange::from(0..10),
        ByteRange::Suffix(1),
    ] {
        assert_eq!(read(&site.store, id, range).await, corrupt(b""));
    }
}

#[tokio::test]
async fn a_flipped_byte_of_an_artifact_of_one_chunk_is_found_by_every_range() {
    for (config, adapts) in variants() {
        let site = Site::with(config, adapts).await;
        for size in [2, 5000, 16_384, 30_000, 65_536] {
            let content = bytes(size);
            let id = site.deposit(&content).await;
            let all = size as u64;
            for range in [0..1, 1..all, all - 1..all] {
                let outcome = read(&site.store, id, range.clone()).await;
                assert_eq!(outcome, sound(&content[usizes(&range)]));
            }
            site.flip(id, size / 2);
            for range in [0..1, 1..all, all - 1..all] {
                let outcome = read(&site.restarted(), id, range.clone()).await;
                assert_eq!(outcome, corrupt(b""), "{size} {range:?}");
            }
        }
    }
}

#[tokio::test]
async fn longer_and_shorter_blobs_are_found() {
    for (config, adapts) in variants() {
        let site = Site::with(config, adapts).await;
        for size in [1000, 65_536, 200_000] {
            let id = site.deposit(&bytes(size)).await;
            site.change(id, |_, bytes| bytes.push(0));
            assert_eq!(read(&site.restarted(), id, 0..1).await, corrupt(b""));
            site.change(id, |_, bytes| bytes.truncate(bytes.len() - 1));
            assert_eq!(read(&site.restarted(), id, 0..1).await, corrupt(b""));
            site.change(id, |_, bytes| bytes.clear());
            assert_eq!(read(&site.restarted(), id, 1..3).await, corrupt(b""));
        }
    }
}

#[tokio::test]
async fn swapped_chunks_are_found() {
    let site = Site::new().await;
    let id = site.deposit(&bytes(300_000)).await;
    site.change(id, |_, bytes| {
        let (first, second) = bytes.split_at_mut(65_536);
        first.swap_with_slice(&mut second[..65_536]);
    });
    for range in [0..10, 65_536..65_546] {
        assert_eq!(read(&site.restarted(), id, range).await, corrupt(b""));
    }
}

#[tokio::test]
async fn bytes_that_change_between_two_passes_are_not_delivered() {
    let config = StoreConfig::default()
        .with_verified_cache_bytes(0)
        .with_read_memory_bytes(0);
    let site = Site::with(config, true).await;
    let content = bytes(300_000);
    let id = site.deposit(&content).await;
    let wanted = 1..290_000;
    let before = site.downloads();
    assert_eq!(
        read(&site.store, id, wanted.clone()).await,
        sound(&content[1..290_000])
    );
    // Each chunk is read once to verify it, and once more to deliver it.
    let passes = site.downloads() - before;
    assert_eq!(passes, 10);
    for changed in 0..passes {
        let began = site.downloads();
        site.change(id, move |before, bytes| {
            if before - began >= changed {
                bytes[..].reverse();
            }
        });
        let outcome = read(&site.restarted(), id, wanted.clone()).await;
        assert_eq!(outcome.error, Some(ErrorKind::Corrupt), "{changed}");
        assert!(content[1..].starts_with(&outcome.bytes));
        // Each pair of passes delivers a chunk.
        let chunk = changed / 2;
        assert_eq!(
            outcome.bytes.len(),
            (chunk * 65_536).saturating_sub(1),
            "{changed}"
        );
    }
}

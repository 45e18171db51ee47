//! Deletes, holes, compaction, sweep and scrub.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use artifact_backend::{ArtifactBackend, ArtifactId, ArtifactInventory, ErrorKind};
use artifact_backend_pack::PackBackend;
use bytes::Bytes;
use futures_util::TryStreamExt;

use crate::world::World;

const BLOB: usize = 60_000;

/// Stores blobs that fill more than two segments.
async fn fill(backend: &PackBackend) -> Vec<(ArtifactId, Bytes)> {
    let mut blobs = Vec::new();
    for number in 0..160_u8 {
        let (id, bytes) = (ArtifactId::mint(), Bytes::from(vec![number; BLOB]));
        backend.store(id, bytes.clone()).await.unwrap();
        blobs.push((id, bytes));
    }
    blobs
}

async fn check(backend: &PackBackend, blobs: &[(ArtifactId, Bytes)], deleted: &[ArtifactId]) {
    for (id, bytes) in blobs {
        assert_eq!(backend.load(*id).await.unwrap(), bytes);
    }
    for id in deleted {
        let error = backend.load(*id).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let error = backend.store(*id, "again".into()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists, "ids are used once");
    }
    let listed: Vec<_> = backend.list().await.unwrap().try_collect().await.unwrap();
    let mut ids: Vec<_> = blobs.iter().map(|(id, _)| *id).collect();
    ids.sort_unstable();
    assert_eq!(listed.iter().map(|blob| blob.id).collect::<Vec<_>>(), ids);
}

#[tokio::test]
async fn a_delete_gives_the_blocks_of_a_sealed_segment_back() {
    let world = World::new();
    let backend = world.open().await;
    let mut blobs = fill(&backend).await;
    let first = world.segments().join("00000001");
    let before = fs::metadata(&first).unwrap();
    let (deleted, _) = blobs.remove(0);
    backend.delete(deleted).await.unwrap();
    let after = fs::metadata(&first).unwrap();
    assert_eq!(after.len(), before.len());
    let freed = (before.blocks() - after.blocks()) * 512;
    assert!(freed > 50_000, "{freed} bytes were freed");
    check(&backend, &blobs, &[deleted]).await;
    drop(backend);
    check(&world.open().await, &blobs, &[deleted]).await;
}

#[tokio::test]
async fn a_segment_of_deleted_blobs_is_compacted_and_removed() {
    let world = World::new();
    let backend = world.open().await;
    let mut blobs = fill(&backend).await;
    let deleted: Vec<_> = blobs.drain(..40).map(|(id, _)| id).collect();
    for id in &deleted {
        backend.delete(*id).await.unwrap();
    }
    let times: Vec<_> = blobs.iter().map(|(id, _)| backend.stat(*id)).collect();
    let mut before = Vec::new();
    for time in times {
        before.push(time.await.unwrap());
    }
    assert!(world.segments().join("00000001").exists());
    let report = backend.sweep(Duration::ZERO).await.unwrap();
    assert_eq!((report.removed, report.kept), (0, 0));
    assert!(!world.segments().join("00000001").exists());
    assert!(world.segments().join("00000002").exists());
    for stat in before {
        assert_eq!(
            backend.stat(stat.id).await.unwrap(),
            stat,
            "a move keeps the time"
        );
    }
    check(&backend, &blobs, &deleted).await;
    drop(backend);
    check(&world.open().await, &blobs, &deleted).await;
}

#[tokio::test]
async fn deletes_of_an_earlier_process_count_for_compaction() {
    let world = World::new();
    let backend = world.open().await;
    let mut blobs = fill(&backend).await;
    let deleted: Vec<_> = blobs.drain(..40).map(|(id, _)| id).collect();
    for id in &deleted {
        backend.delete(*id).await.unwrap();
    }
    // The tombstones are in a sealed segment too.
    for (id, bytes) in fill(&backend).await {
        blobs.push((id, bytes));
    }
    drop(backend);
    let backend = world.open().await;
    backend.sweep(Duration::ZERO).await.unwrap();
    assert!(!world.segments().join("00000001").exists());
    check(&backend, &blobs, &deleted).await;
}

#[tokio::test]
async fn a_tombstone_outlives_its_segment_while_an_older_segment_has_the_blob() {
    let world = World::new();
    let backend = world.open().await;
    let mut blobs = fill(&backend).await;
    let (deleted, _) = blobs.remove(0);
    backend.delete(deleted).await.unwrap();
    let middle = fill(&backend).await;
    // All blobs of the segments in the middle go, and with them the segment of the tombstone.
    for (id, _) in &middle {
        backend.delete(*id).await.unwrap();
    }
    let tail = fill(&backend).await;
    blobs.extend(tail);
    let names = world.segment_names();
    backend.sweep(Duration::ZERO).await.unwrap();
    let left = world.segment_names();
    assert!(
        left.len() < names.len() && left.contains(&"00000001".to_owned()),
        "{left:?}"
    );
    check(&backend, &blobs, &[deleted]).await;
    drop(backend);
    check(&world.open().await, &blobs, &[deleted]).await;
}

#[tokio::test]
async fn a_file_without_a_record_is_a_leftover_and_no_blob() {
    let world = World::new();
    let backend = world.open().await;
    let (kept, orphan) = (ArtifactId::mint(), ArtifactId::mint());
    let bytes = Bytes::from(vec![3; 100_000]);
    backend.store(kept, bytes.clone()).await.unwrap();
    // As a crash leaves it between the file and its record.
    fs::copy(world.large(kept), world.large(orphan)).unwrap();
    let error = backend.load(orphan).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let young = backend.sweep(Duration::from_secs(3_600)).await.unwrap();
    assert_eq!((young.removed, young.kept), (0, 1));
    let report = backend.sweep(Duration::ZERO).await.unwrap();
    assert_eq!(
        (report.removed, report.removed_bytes, report.kept),
        (1, 100_000, 0)
    );
    assert!(!world.large(orphan).exists());
    assert_eq!(backend.load(kept).await.unwrap(), bytes);
    // A new store under its id takes the place of such a file.
    fs::copy(world.large(kept), world.large(orphan)).unwrap();
    let other = Bytes::from(vec![4; 100_001]);
    backend.store(orphan, other.clone()).await.unwrap();
    assert_eq!(backend.load(orphan).await.unwrap(), other);
}

#[tokio::test]
async fn a_scrub_finds_the_damaged_blob_and_no_other() {
    let world = World::new();
    let backend = world.open().await;
    let marked = ArtifactId::mint();
    let bytes = Bytes::from_static(b"the one blob whose bytes are changed");
    backend.store(marked, bytes.clone()).await.unwrap();
    let mut blobs = fill(&backend).await;
    let (deleted, _) = blobs.remove(3);
    backend.delete(deleted).await.unwrap();
    let clean = backend.scrub().await.unwrap();
    assert!(clean.segments >= 2, "{clean:?}");
    assert_eq!(clean.damaged, []);
    assert_eq!(clean.damaged_segments, [] as [&str; 0]);
    assert_eq!(world.damage(&bytes), 1);
    let damaged = backend.scrub().await.unwrap();
    assert_eq!(damaged.damaged, [marked]);
    assert_eq!(damaged.blobs, clean.blobs - 1);
    let error = backend.load(marked).await.unwrap_err();
    assert_eq!(error.damaged_blob(), Some(marked));
    // The header of the first frame: its blobs are found by the index.
    assert!(world.damage(b"ARTFRAME") > 0);
    let frames = backend.scrub().await.unwrap();
    assert_eq!(frames.damaged, [marked]);
    assert_eq!(frames.damaged_segments[0], "00000001");
}

//! Deletes, holes, compaction, sweep and scrub.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use artifact_backend::{ArtifactBackend, ArtifactId, ArtifactInventory, ErrorKind};
use artifact_backend_pack::PackBackend;
use bytes::Bytes;
use futures_util::TryStreamExt;
use futures_util::future::try_join_all;

use crate::world::{World, names};

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
    // Only whole blocks are freed, and the file system may need some for its map of the file, which has a hole more.
    assert!(freed > 40_000, "{freed} bytes were freed");
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

/// Stores blobs that fill a segment and more. None has a whole block of its own, so a delete leaves no hole.
async fn fill_small(backend: &PackBackend) -> Vec<(ArtifactId, Bytes)> {
    let blobs = (0..1_100_u16).map(|number| {
        let bytes = Bytes::from(vec![number.to_le_bytes()[0]; 4_000]);
        (ArtifactId::mint(), bytes)
    });
    let blobs: Vec<_> = blobs.collect();
    for group in blobs.chunks(32) {
        let stores = group
            .iter()
            .map(|(id, bytes)| backend.store(*id, bytes.clone()));
        try_join_all(stores).await.unwrap();
    }
    blobs
}

/// Deletes all blobs of the first segment but few, and compacts it.
async fn free_first(backend: &PackBackend, blobs: &mut Vec<(ArtifactId, Bytes)>) {
    for (id, _) in blobs.drain(..900) {
        backend.delete(id).await.unwrap();
    }
    backend.sweep(Duration::ZERO).await.unwrap();
}

#[tokio::test]
async fn a_segment_is_compacted_once_a_third_of_it_is_deleted_and_not_at_a_fifth() {
    for (every, is_compacted) in [(3, true), (5, false)] {
        let world = World::new();
        let backend = world.open().await;
        let mut blobs = fill_small(&backend).await;
        let deleted: Vec<_> = blobs.iter().step_by(every).map(|(id, _)| *id).collect();
        for id in &deleted {
            backend.delete(*id).await.unwrap();
        }
        backend.sweep(Duration::ZERO).await.unwrap();
        let is_left = world.segments().join("00000001").exists();
        assert_eq!(is_left, !is_compacted, "one of {every} was deleted");
        blobs.retain(|(id, _)| !deleted.contains(id));
        check(&backend, &blobs, &deleted).await;
    }
}

#[tokio::test]
async fn the_file_of_a_compacted_segment_becomes_a_later_segment() {
    let world = World::new();
    let backend = world.open().await;
    let mut blobs = fill_small(&backend).await;
    let inode = |name: &str| fs::metadata(world.segments().join(name)).map(|file| file.ino());
    let first = inode("00000001").unwrap();
    free_first(&backend, &mut blobs).await;
    let before = world.segment_names();
    assert!(!before.contains(&"00000001".to_owned()), "{before:?}");
    assert_eq!(inode("spare-00000001").unwrap(), first);
    drop(backend);
    // Found again by the next process.
    let backend = world.open().await;
    blobs.extend(fill_small(&backend).await);
    let after = world.segment_names();
    let next = after.iter().find(|name| !before.contains(name)).unwrap();
    assert_eq!(inode(next).unwrap(), first);
    assert!(inode("spare-00000001").is_err());
    check(&backend, &blobs, &[]).await;
    drop(backend);
    let backend = world.open().await;
    check(&backend, &blobs, &[]).await;
    blobs.extend(fill_small(&backend).await);
    let scrubbed = backend.scrub().await.unwrap();
    assert!(scrubbed.segments >= 2, "{scrubbed:?}");
    assert_eq!(scrubbed.damaged, []);
    assert_eq!(scrubbed.damaged_segments, [""; 0]);
    check(&backend, &blobs, &[]).await;
}

#[tokio::test]
async fn a_file_with_holes_is_removed_and_not_kept() {
    let world = World::new();
    let backend = world.open().await;
    let mut blobs = fill(&backend).await;
    for (id, _) in blobs.drain(..70) {
        backend.delete(id).await.unwrap();
    }
    backend.sweep(Duration::ZERO).await.unwrap();
    let left = names(&world.segments());
    assert!(!left.contains(&"00000001".to_owned()), "{left:?}");
    assert!(
        !left.iter().any(|name| name.starts_with("spare")),
        "{left:?}"
    );
}

#[tokio::test]
async fn a_compacted_file_is_not_overwritten_while_a_list_reads_it() {
    let world = World::new();
    let backend = world.open().await;
    let mut blobs = fill_small(&backend).await;
    let mut list = backend.list().await.unwrap();
    let mut listed = vec![list.try_next().await.unwrap().unwrap().id];
    free_first(&backend, &mut blobs).await;
    blobs.extend(fill_small(&backend).await);
    assert!(world.segments().join("spare-00000001").exists());
    while let Some(blob) = list.try_next().await.unwrap() {
        listed.push(blob.id);
    }
    drop(list);
    let kept = blobs[..200].iter().map(|(id, _)| id);
    assert!(kept.clone().all(|id| listed.contains(id)));
    blobs.extend(fill_small(&backend).await);
    assert!(!world.segments().join("spare-00000001").exists());
    check(&backend, &blobs, &[]).await;
}

#[tokio::test]
async fn a_spare_file_that_is_also_a_segment_is_not_used() {
    let world = World::new();
    let mut blobs = fill_small(&world.open().await).await;
    // A crash in the middle of a rename.
    for name in world.segment_names() {
        let spare = world.segments().join(format!("spare-{name}"));
        fs::hard_link(world.segments().join(name), spare).unwrap();
    }
    let backend = world.open().await;
    for _ in 0..3 {
        blobs.extend(fill_small(&backend).await);
    }
    check(&backend, &blobs, &[]).await;
}

#[tokio::test]
async fn a_deleted_or_moved_blob_is_not_found_in_the_cache_of_entries() {
    let world = World::new();
    let backend = world.open().await;
    let mut blobs = fill_small(&backend).await;
    // Now the entries of the first segment are cached.
    check(&backend, &blobs, &[]).await;
    let deleted: Vec<_> = blobs[..900].iter().map(|(id, _)| *id).collect();
    free_first(&backend, &mut blobs).await;
    check(&backend, &blobs, &deleted).await;
    blobs.extend(fill_small(&backend).await);
    check(&backend, &blobs, &deleted).await;
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

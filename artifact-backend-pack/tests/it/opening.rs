//! Opening a root: the lock, the marker, and what is found again.

use std::fs;

use artifact_backend::{ArtifactBackend, ArtifactId, ArtifactInventory, ErrorKind};
use artifact_backend_fs::{FsBackend, FsConfig, FsProfile};
use artifact_backend_pack::format::segment::Footer;
use artifact_backend_pack::{PackBackend, PackConfig};
use futures_util::TryStreamExt;

use crate::world::{World, small_segments};

#[tokio::test]
async fn a_second_open_of_a_root_is_refused_until_the_first_is_dropped() {
    let world = World::new();
    let first = world.open().await;
    let refused = PackBackend::open(world.root(), PackConfig::default()).await;
    let error = refused.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("only one process"), "{error}");
    let clone = first.clone();
    drop(first);
    let refused = PackBackend::open(world.root(), PackConfig::default()).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unavailable);
    drop(clone);
    world.open().await;
}

#[tokio::test]
async fn roots_of_folders_and_of_segments_are_not_mixed_up() {
    let world = World::new();
    drop(world.open().await);
    let error = FsBackend::open(world.root(), FsConfig::default())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error}");
    let other = World::new();
    drop(
        FsBackend::open(other.root(), FsConfig::default())
            .await
            .unwrap(),
    );
    let error = PackBackend::open(other.root(), PackConfig::default())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error}");
    assert!(
        error.to_string().contains("names another layout"),
        "{error}"
    );
}

#[tokio::test]
async fn foreign_folders_and_lost_markers_are_refused() {
    let world = World::new();
    fs::create_dir(world.root()).unwrap();
    fs::write(world.root().join("notes.txt"), "mine").unwrap();
    let error = PackBackend::open(world.root(), PackConfig::default())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error}");
    assert!(error.to_string().contains("notes.txt"), "{error}");
    fs::remove_file(world.root().join("notes.txt")).unwrap();
    let backend = world.open().await;
    backend
        .store(ArtifactId::mint(), "one".into())
        .await
        .unwrap();
    drop(backend);
    fs::remove_file(world.root().join("artifact-format")).unwrap();
    let error = PackBackend::open(world.root(), PackConfig::default())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error}");
    assert!(error.to_string().contains("from a backup"), "{error}");
}

#[tokio::test]
async fn a_root_without_one_of_its_folders_is_refused() {
    let world = World::new();
    drop(world.open().await);
    for folder in ["large", "segments"] {
        let path = world.root().join(folder);
        fs::rename(&path, world.root().join("kept")).unwrap();
        let refused = PackBackend::open(world.root(), PackConfig::default()).await;
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error}");
        assert!(error.to_string().contains("restore it"), "{error}");
        assert!(!path.exists(), "{folder} was created");
        fs::rename(world.root().join("kept"), &path).unwrap();
    }
    world.open().await;
}

#[tokio::test]
async fn many_segments_are_found_again() {
    let world = World::new();
    let backend = world.open().await;
    let mut blobs = Vec::new();
    for number in 0..300_u32 {
        let bytes = vec![u8::try_from(number % 251).unwrap(); 60_000];
        let id = ArtifactId::mint();
        backend.store(id, bytes.clone().into()).await.unwrap();
        blobs.push((id, bytes));
    }
    let (deleted, _) = blobs.swap_remove(17);
    backend.delete(deleted).await.unwrap();
    let mut opened = backend;
    for _ in 0..2 {
        assert!(
            world.segment_names().len() >= 4,
            "{:?}",
            world.segment_names()
        );
        for (id, bytes) in &blobs {
            assert_eq!(opened.load(*id).await.unwrap(), bytes);
            assert_eq!(opened.stat(*id).await.unwrap().size, bytes.len() as u64);
            let again = opened.store(*id, "other".into()).await.unwrap_err();
            assert_eq!(again.kind(), ErrorKind::AlreadyExists);
        }
        assert_eq!(
            opened.load(deleted).await.unwrap_err().kind(),
            ErrorKind::NotFound
        );
        let listed: Vec<_> = opened.list().await.unwrap().try_collect().await.unwrap();
        let mut ids: Vec<_> = blobs.iter().map(|(id, _)| *id).collect();
        ids.sort_unstable();
        assert_eq!(listed.iter().map(|blob| blob.id).collect::<Vec<_>>(), ids);
        drop(opened);
        opened = world.open().await;
    }
}

#[tokio::test]
async fn a_root_of_one_profile_opens_with_the_other() {
    let world = World::new();
    let mut stored: Vec<(ArtifactId, Vec<u8>)> = Vec::new();
    for round in 0..4_u8 {
        let profile = if round % 2 == 0 {
            FsProfile::Portable
        } else {
            FsProfile::Native
        };
        let config = small_segments().with_fs(FsConfig::default().with_profile(profile));
        let backend = world.open_with(config).await;
        for number in 0..50_u8 {
            let (id, bytes) = (
                ArtifactId::mint(),
                vec![number; 60_000 + usize::from(round)],
            );
            backend.store(id, bytes.clone().into()).await.unwrap();
            stored.push((id, bytes));
        }
        let (deleted, _) = stored.swap_remove(0);
        backend.delete(deleted).await.unwrap();
        for (id, bytes) in &stored {
            assert_eq!(backend.load(*id).await.unwrap(), bytes);
        }
        let gone = backend.load(deleted).await.unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::NotFound);
        let stats = backend.stats();
        assert_eq!(stats.records, 51);
        assert!((1..=51).contains(&stats.syncs), "{stats:?}");
    }
}

#[tokio::test]
async fn segments_without_fences_or_with_damaged_ones_are_read() {
    let world = World::new();
    let backend = world.open().await;
    let mut blobs = Vec::new();
    for number in 0..80_u8 {
        let (id, bytes) = (ArtifactId::mint(), vec![number; 60_000]);
        backend.store(id, bytes.clone().into()).await.unwrap();
        blobs.push((id, bytes));
    }
    drop(backend);
    let path = world.segments().join("00000001");
    let whole = fs::read(&path).unwrap();
    let (frames, footer) = whole.split_last_chunk::<4096>().unwrap();
    let footer = Footer::decode(footer, 1, whole.len() as u64).unwrap();
    assert!(footer.fences_bytes > 0);
    let older = Footer {
        fences_at: 0,
        fences_bytes: 0,
        fences_checksum: 0,
        ..footer
    };
    let mut damaged = whole.clone();
    damaged[usize::try_from(footer.fences_at).unwrap()] ^= 1;
    for bytes in [[frames, &older.encode()].concat(), damaged] {
        fs::write(&path, bytes).unwrap();
        let backend = world.open().await;
        for (id, bytes) in &blobs {
            assert_eq!(backend.load(*id).await.unwrap(), bytes);
        }
        let absent = backend.load(ArtifactId::mint()).await.unwrap_err();
        assert_eq!(absent.kind(), ErrorKind::NotFound);
    }
}

#[tokio::test]
async fn a_torn_last_frame_is_the_end() {
    let world = World::new();
    let backend = world.open().await;
    let (first, second) = (ArtifactId::mint(), ArtifactId::mint());
    backend.store(first, "the first blob".into()).await.unwrap();
    backend
        .store(second, "the second blob".into())
        .await
        .unwrap();
    drop(backend);
    assert_eq!(world.damage(b"the second blob"), 1);
    // A crash right after the write: there is no mark.
    assert_eq!(world.damage(b"ARTFRMRK"), 1);
    let backend = world.open().await;
    assert_eq!(backend.load(first).await.unwrap(), "the first blob");
    let lost = backend.load(second).await.unwrap_err();
    assert_eq!(lost.kind(), ErrorKind::NotFound);
    // The place of the torn frame is used again.
    backend
        .store(second, "the third blob".into())
        .await
        .unwrap();
    drop(backend);
    let backend = world.open().await;
    assert_eq!(backend.load(first).await.unwrap(), "the first blob");
    assert_eq!(backend.load(second).await.unwrap(), "the third blob");
}

#[tokio::test]
async fn a_sealed_segment_without_its_footer_is_corrupt() {
    let world = World::new();
    let backend = world.open().await;
    for _ in 0..100 {
        backend
            .store(ArtifactId::mint(), vec![1; 60_000].into())
            .await
            .unwrap();
    }
    drop(backend);
    let path = world.segments().join(&world.segment_names()[0]);
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    let size = file.metadata().unwrap().len();
    file.set_len(size - 1).unwrap();
    let error = PackBackend::open(world.root(), small_segments())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(error.to_string().contains("00000001"), "{error}");
    assert!(error.to_string().contains("from a backup"), "{error}");
}

#[tokio::test]
async fn a_segment_that_was_never_used_is_removed() {
    let world = World::new();
    let backend = world.open().await;
    backend
        .store(ArtifactId::mint(), "one".into())
        .await
        .unwrap();
    drop(backend);
    // A crash while the file was created: zeros, no header, and no record that it was written to.
    fs::remove_file(world.segments().join("head-00000001")).unwrap();
    fs::rename(world.segments().join("00000001"), world.root().join("kept")).unwrap();
    fs::write(world.segments().join("00000001"), vec![0; 70_000]).unwrap();
    let backend = world.open().await;
    backend
        .store(ArtifactId::mint(), "two".into())
        .await
        .unwrap();
    drop(backend);
    // With a frame in it, the lost header is damage.
    let mut bytes = fs::read(world.root().join("kept")).unwrap();
    bytes[..4096].fill(0);
    fs::write(world.segments().join("00000001"), bytes).unwrap();
    let error = PackBackend::open(world.root(), PackConfig::default())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
}

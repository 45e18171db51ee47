//! The check of a root that no process uses.

use std::fs;
use std::os::unix::fs::{FileExt, symlink};
use std::path::PathBuf;
use std::time::Duration;

use artifact_backend::{ArtifactBackend, ArtifactId, ArtifactInventory, ErrorKind};
use artifact_backend_pack::format::BLOCK;
use artifact_backend_pack::format::index;
use artifact_backend_pack::format::segment::{Footer, Header};
use artifact_backend_pack::{PackBackend, PackFinding, PackProblem, RootReport, check_root};
use futures_util::future::try_join_all;

use crate::world::{World, names};

/// The bytes of a blob that is followed by others in the newest segment.
const EARLY: &[u8] = b"an early blob of the newest segment";

/// Makes a root with sealed segments, a newest one with several frames, and a larger blob. Returns the id of the first blob.
async fn filled() -> (World, ArtifactId) {
    let world = World::new();
    let backend = world.open().await;
    let mut ids = Vec::new();
    for number in 0..160_u8 {
        let id = ArtifactId::mint();
        backend
            .store(id, vec![number; 60_000].into())
            .await
            .unwrap();
        ids.push(id);
    }
    for bytes in [EARLY.to_vec(), vec![7; 200_000], b"the last blob".to_vec()] {
        backend
            .store(ArtifactId::mint(), bytes.into())
            .await
            .unwrap();
    }
    assert!(world.segment_names().len() >= 3);
    (world, ids[0])
}

fn check(world: &World) -> (RootReport, Vec<PackFinding>) {
    let mut findings = Vec::new();
    let report = check_root(&world.root(), |finding| findings.push(finding)).unwrap();
    assert_eq!(report.findings, findings.len() as u64);
    assert_eq!(report.is_good(), findings.is_empty());
    (report, findings)
}

/// Inverts a byte of the first segment: from its beginning, or from its end.
fn flip(world: &World, at: u64, from_end: bool) {
    let path = world.segments().join("00000001");
    let mut options = fs::OpenOptions::new();
    let file = options.read(true).write(true).open(path).unwrap();
    let at = if from_end {
        file.metadata().unwrap().len() - at
    } else {
        at
    };
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[!byte[0]], at).unwrap();
}

#[tokio::test]
async fn a_root_at_rest_is_good_and_nothing_in_it_is_changed() {
    let (world, first) = filled().await;
    let before = names(&world.segments());
    let (report, findings) = check(&world);
    assert_eq!(findings, []);
    assert_eq!(report.segments, world.segment_names().len() as u64);
    assert_eq!(report.checked, 3 + before.len() as u64);
    assert_eq!(names(&world.segments()), before);
    let backend = world.open().await;
    assert_eq!(backend.load(first).await.unwrap(), vec![0; 60_000]);
}

#[tokio::test]
async fn deleted_and_moved_blobs_are_no_findings() {
    let world = World::new();
    let backend = world.open().await;
    let mut ids = Vec::new();
    for number in 0..160_u8 {
        let id = ArtifactId::mint();
        backend
            .store(id, vec![number; 60_000].into())
            .await
            .unwrap();
        ids.push(id);
    }
    for id in &ids[..50] {
        backend.delete(*id).await.unwrap();
    }
    drop(backend);
    assert_eq!(check(&world).1, []);
    let backend = world.open().await;
    backend.sweep(Duration::ZERO).await.unwrap();
    assert!(!world.segments().join("00000001").exists());
    drop(backend);
    assert_eq!(check(&world).1, []);
}

#[tokio::test]
async fn a_root_that_a_process_has_open_is_refused() {
    let world = World::new();
    let backend = world.open().await;
    let error = check_root(&world.root(), |_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    drop(backend);
    assert_eq!(check(&world).1, []);
    // The lock of the check ends with it.
    world.open().await;
}

#[tokio::test]
async fn damage_of_each_part_of_a_sealed_segment_is_found() {
    let block = BLOCK as u64;
    for (at, from_end, expected) in [
        (0, false, &["header"][..]),
        (1, true, &["seal"]),
        (2 * block, true, &["filter"]),
        (3 * block, true, &["index"]),
        // The first entry of the first frame.
        (block + 64, false, &["frame"]),
        // The bytes of blobs are for a scrub.
        (block + 60_000, false, &[]),
    ] {
        let (world, _) = filled().await;
        flip(&world, at, from_end);
        let (_, findings) = check(&world);
        let kinds: Vec<_> = findings
            .iter()
            .map(|found| found.problem.as_str())
            .collect();
        assert_eq!(kinds, expected, "{at} {findings:?}");
        for finding in &findings {
            assert_eq!(finding.path, PathBuf::from("segments/00000001"));
            let text = finding.problem.to_string();
            assert!(text.contains("from a backup"), "{text}");
        }
    }
}

/// Returns the header and the footer of the first segment.
fn seal_of_first(world: &World) -> (Header, Footer) {
    let bytes = fs::read(world.segments().join("00000001")).unwrap();
    let block = |at: usize| bytes[at..at + BLOCK].first_chunk::<BLOCK>().unwrap();
    let header = Header::decode(block(0), 1).unwrap();
    let footer = Footer::decode(block(bytes.len() - BLOCK), 1, bytes.len() as u64);
    (header, footer.unwrap())
}

#[tokio::test]
async fn damaged_fences_are_found_and_missing_ones_are_not() {
    let (world, _) = filled().await;
    let (_, footer) = seal_of_first(&world);
    assert!(footer.fences_bytes > 0);
    flip(&world, footer.fences_at, false);
    let (_, findings) = check(&world);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].problem, PackProblem::Fences);
    // As an older version wrote it.
    let path = world.segments().join("00000001");
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    let without = Footer {
        fences_at: 0,
        fences_bytes: 0,
        fences_checksum: 0,
        ..footer
    };
    let at = file.metadata().unwrap().len() - BLOCK as u64;
    file.write_all_at(&without.encode(), at).unwrap();
    assert_eq!(check(&world).1, []);
}

/// Stores blobs without a block of their own, so that a delete leaves no hole. They fill more than a segment.
async fn fill_small(backend: &PackBackend) -> Vec<ArtifactId> {
    let ids: Vec<_> = (0..1_100).map(|_| ArtifactId::mint()).collect();
    for group in ids.chunks(32) {
        let stores = group
            .iter()
            .map(|id| backend.store(*id, id.as_bytes().repeat(250).into()));
        try_join_all(stores).await.unwrap();
    }
    ids
}

#[tokio::test]
async fn a_root_with_spare_and_recycled_files_is_good() {
    let world = World::new();
    let backend = world.open().await;
    for id in &fill_small(&backend).await[..900] {
        backend.delete(*id).await.unwrap();
    }
    backend.sweep(Duration::ZERO).await.unwrap();
    let spare = world.segments().join("spare-00000001");
    assert!(spare.exists());
    drop(backend);
    assert_eq!(check(&world).1, []);
    let backend = world.open().await;
    fill_small(&backend).await;
    assert!(!spare.exists());
    drop(backend);
    // The newest segment has frames of the former one behind its end.
    assert_eq!(check(&world).1, []);
    let backend = world.open().await;
    let damaged = ArtifactId::mint();
    let bytes = damaged.as_bytes().repeat(250);
    backend.store(damaged, bytes.clone().into()).await.unwrap();
    let after = backend.store(ArtifactId::mint(), "behind it".into()).await;
    after.unwrap();
    drop(backend);
    assert_eq!(world.damage(&bytes), 1);
    let (_, findings) = check(&world);
    assert!(matches!(findings[0].problem, PackProblem::Blobs(_)));
    // It is sealed behind the frames of the former segment then.
    let backend = world.open().await;
    let stored = backend.store(ArtifactId::mint(), "new".into()).await;
    stored.unwrap();
    drop(backend);
    assert_eq!(check(&world).1, []);
}

#[tokio::test]
async fn an_index_of_other_entries_than_those_of_the_frames_is_found() {
    let (world, _) = filled().await;
    let path = world.segments().join("00000001");
    let (header, footer) = seal_of_first(&world);
    let at = usize::try_from(footer.frames_end).unwrap();
    let bytes = fs::read(&path).unwrap();
    let block = bytes[at..].first_chunk::<BLOCK>().unwrap();
    let mut entries = index::decode(header.epoch, 0, block).unwrap();
    entries[0].modified += 1;
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    let changed = index::encode(header.epoch, &entries);
    file.write_all_at(&changed, footer.frames_end).unwrap();
    let (_, findings) = check(&world);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].problem, PackProblem::IndexDiffers);
}

#[tokio::test]
async fn damage_of_the_newest_segment_is_found() {
    let (world, _) = filled().await;
    assert_eq!(world.damage(EARLY), 1);
    let (_, findings) = check(&world);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(matches!(findings[0].problem, PackProblem::Blobs(_)));
    // Opened and written to, the segment is sealed behind what it had. That is no further damage.
    let backend = world.open().await;
    let stored = backend.store(ArtifactId::mint(), "new".into()).await;
    stored.unwrap();
    drop(backend);
    assert_eq!(check(&world).1, []);
    let (world, _) = filled().await;
    let newest = world.segment_names().pop().unwrap();
    fs::remove_file(world.segments().join(&newest)).unwrap();
    let (_, findings) = check(&world);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].problem, PackProblem::Missing);
    assert_eq!(findings[0].path, PathBuf::from("segments").join(newest));
}

#[tokio::test]
async fn foreign_missing_and_replaced_names_are_found() {
    let (world, _) = filled().await;
    fs::write(world.root().join("notes"), "mine").unwrap();
    fs::write(world.segments().join("notes"), "mine").unwrap();
    let record = world.segments().join("00000001.damaged-00001000");
    fs::write(record, "").unwrap();
    let second = world.segments().join("00000002");
    fs::rename(&second, world.outside().join("moved")).unwrap();
    symlink(world.outside().join("moved"), &second).unwrap();
    fs::rename(world.root().join("large"), world.outside().join("large")).unwrap();
    fs::remove_file(world.root().join("artifact-format")).unwrap();
    let (_, findings) = check(&world);
    let mut found: Vec<_> = findings
        .iter()
        .map(|finding| (finding.path.to_str().unwrap(), finding.problem.as_str()))
        .collect();
    found.sort_unstable();
    let expected = [
        ("artifact-format", "missing"),
        ("large", "missing"),
        ("notes", "unexpected"),
        ("segments/00000001.damaged-00001000", "recorded-loss"),
        ("segments/00000002", "type"),
        ("segments/notes", "unexpected"),
    ];
    assert_eq!(found, expected);
}

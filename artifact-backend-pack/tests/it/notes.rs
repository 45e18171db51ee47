//! Notes on the disk: the layout version, compaction, damage.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

use artifact_backend::{
    ArtifactBackend, ArtifactId, ArtifactInventory, ErrorKind, NoteEvent, NoteLog, NotePosition,
    NotedBackend,
};
use artifact_backend_pack::{PackBackend, PackFinding, PackProblem, RootReport, check_root};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::try_join_all;

use crate::world::World;

/// What a replay says of an id at its end.
#[derive(Debug, PartialEq, Eq)]
enum Last {
    /// With its note.
    Stored(Option<Bytes>),
    Deleted,
}

#[derive(Debug, Default)]
struct Replayed {
    last: HashMap<ArtifactId, Last>,
    from_beginning: bool,
    /// The ids of damaged notes.
    damaged: Vec<ArtifactId>,
    lost: usize,
}

async fn replay(backend: &PackBackend, after: Option<NotePosition>) -> Replayed {
    let replay = backend.replay(after).await.unwrap();
    let mut replayed = Replayed {
        from_beginning: replay.from_beginning,
        ..Replayed::default()
    };
    let mut events = replay.events;
    while let Some(event) = events.next().await {
        match event {
            Ok(NoteEvent::Stored { id, note, .. }) => {
                replayed.last.insert(id, Last::Stored(note));
            }
            Ok(NoteEvent::Deleted { id }) => {
                replayed.last.insert(id, Last::Deleted);
            }
            Ok(other) => panic!("{other:?}"),
            Err(error) => {
                if let Some(id) = error.damaged_blob() {
                    replayed.damaged.push(id);
                } else {
                    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
                    replayed.lost += 1;
                }
            }
        }
    }
    replayed
}

fn note(number: u8) -> Bytes {
    format!("the note {number:03}; ").repeat(20).into()
}

/// Stores blobs of 60,000 bytes with notes, which fill more than two segments.
async fn fill(backend: &PackBackend) -> Vec<(ArtifactId, Bytes)> {
    let mut stored = Vec::new();
    for number in 0..160_u8 {
        let id = ArtifactId::mint();
        let bytes = Bytes::from(vec![number; 60_000]);
        backend.store_noted(id, bytes, note(number)).await.unwrap();
        stored.push((id, note(number)));
    }
    stored
}

fn marker(world: &World) -> String {
    fs::read_to_string(world.root().join("artifact-format")).unwrap()
}

#[tokio::test]
async fn the_first_note_raises_the_layout_version_and_older_blobs_stay() {
    let world = World::new();
    let backend = world.open().await;
    let (plain, noted) = (ArtifactId::mint(), ArtifactId::mint());
    backend.store(plain, "plain".into()).await.unwrap();
    backend.delete(ArtifactId::mint()).await.unwrap();
    assert_eq!(marker(&world), "artifact-backend-pack 1\n");
    backend
        .store_noted(noted, "noted".into(), note(1))
        .await
        .unwrap();
    assert_eq!(marker(&world), "artifact-backend-pack 2\n");
    drop(backend);
    let backend = world.open().await;
    assert_eq!(backend.load(plain).await.unwrap(), "plain");
    assert_eq!(backend.load(noted).await.unwrap(), "noted");
    let found = replay(&backend, None).await;
    assert_eq!(found.last[&plain], Last::Stored(None));
    assert_eq!(found.last[&noted], Last::Stored(Some(note(1))));
}

#[tokio::test]
async fn a_layout_version_of_a_newer_release_is_refused() {
    let world = World::new();
    drop(world.open().await);
    fs::write(
        world.root().join("artifact-format"),
        "artifact-backend-pack 3\n",
    )
    .unwrap();
    let refused = PackBackend::open(world.root(), crate::world::small_segments()).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Misconfigured);
}

#[tokio::test]
async fn compaction_keeps_notes_and_never_drops_a_deletion() {
    let world = World::new();
    let backend = world.open().await;
    let first = ArtifactId::mint();
    backend.store(first, "first".into()).await.unwrap();
    let before = backend.position().await.unwrap();
    let mut stored = fill(&backend).await;
    let mut deleted: Vec<_> = stored.drain(..100).map(|(id, _)| id).collect();
    for id in &deleted {
        backend.delete(*id).await.unwrap();
    }
    // The tombstones are in a sealed segment, which becomes the oldest one.
    let more = fill(&backend).await;
    for (id, _) in &more {
        backend.delete(*id).await.unwrap();
        deleted.push(*id);
    }
    stored.extend(fill(&backend).await);
    for _ in 0..3 {
        backend.sweep(Duration::ZERO).await.unwrap();
    }
    let names = world.segment_names();
    assert!(!names.contains(&"00000001".to_owned()), "{names:?}");
    check_kept(&backend, before, &stored, &deleted).await;
    drop(backend);
    check_kept(&world.open().await, before, &stored, &deleted).await;
}

async fn check_kept(
    backend: &PackBackend,
    before: NotePosition,
    stored: &[(ArtifactId, Bytes)],
    deleted: &[ArtifactId],
) {
    let found = replay(backend, None).await;
    for (id, note) in stored {
        assert_eq!(found.last[id], Last::Stored(Some(note.clone())));
    }
    for id in deleted {
        assert_eq!(found.last.get(id), Some(&Last::Deleted));
    }
    assert_eq!((found.lost, found.damaged.len()), (0, 0));
    let found = replay(backend, Some(before)).await;
    assert!(found.from_beginning, "its segment is gone");
}

#[tokio::test]
async fn a_position_stays_valid_while_segments_are_sealed() {
    let world = World::new();
    let backend = world.open().await;
    let first = fill(&backend).await;
    let position = backend.position().await.unwrap();
    let second = fill(&backend).await;
    drop(backend);
    let backend = world.open().await;
    let found = replay(&backend, Some(position)).await;
    assert!(!found.from_beginning);
    assert_eq!(found.last.len(), second.len());
    for (id, note) in second {
        assert_eq!(found.last[&id], Last::Stored(Some(note)));
    }
    assert!(!found.last.contains_key(&first[0].0));
}

#[tokio::test]
async fn a_damaged_note_is_reported_and_its_blob_stays() {
    let world = World::new();
    let backend = world.open().await;
    let stored = fill(&backend).await;
    let (id, damaged) = stored[3].clone();
    drop(backend);
    assert_eq!(world.damage(&damaged[..14]), 20);
    let backend = world.open().await;
    assert_eq!(backend.load(id).await.unwrap(), vec![3; 60_000]);
    let found = replay(&backend, None).await;
    assert_eq!(found.damaged, [id]);
    assert_eq!(found.lost, 0);
    assert_eq!(found.last.len(), stored.len() - 1);
    let report = backend.scrub().await.unwrap();
    assert_eq!(report.damaged, [id]);
}

#[tokio::test]
async fn a_damaged_frame_is_reported_and_the_notes_behind_it_are_read() {
    let world = World::new();
    let backend = world.open().await;
    let stored = fill(&backend).await;
    drop(backend);
    // The entries of a frame have the id.
    assert!(world.damage(stored[2].0.as_bytes()) >= 1);
    let backend = world.open().await;
    let found = replay(&backend, None).await;
    assert_eq!(found.lost, 1);
    assert_eq!(found.last.len(), stored.len() - 1);
    assert!(!found.last.contains_key(&stored[2].0));
}

/// Stores blobs with notes that share blocks, so that a delete leaves no hole. They fill more than a segment.
async fn fill_small(backend: &PackBackend) -> Vec<(ArtifactId, Bytes)> {
    let blobs: Vec<_> = (0..1_200_u16)
        .map(|number| (ArtifactId::mint(), note(number.to_le_bytes()[0])))
        .collect();
    for group in blobs.chunks(32) {
        let stores = group.iter().map(|(id, note)| {
            let bytes = Bytes::from(id.as_bytes().repeat(220));
            backend.store_noted(*id, bytes, note.clone())
        });
        try_join_all(stores).await.unwrap();
    }
    blobs
}

fn check_replayed(found: &Replayed, stored: &[(ArtifactId, Bytes)], deleted: &[ArtifactId]) {
    assert_eq!((found.lost, &*found.damaged), (0, &[][..]));
    for (id, note) in stored {
        assert_eq!(found.last[id], Last::Stored(Some(note.clone())));
    }
    for id in deleted {
        assert_eq!(found.last[id], Last::Deleted);
    }
    assert_eq!(found.last.len(), stored.len() + deleted.len());
}

#[tokio::test]
async fn notes_in_recycled_files_are_replayed_and_a_replay_keeps_its_files() {
    let world = World::new();
    let backend = world.open().await;
    let mut stored = fill_small(&backend).await;
    let before = backend.replay(None).await.unwrap();
    let begin = backend.position().await.unwrap();
    let deleted: Vec<_> = stored.drain(..950).map(|(id, _)| id).collect();
    for id in &deleted {
        backend.delete(*id).await.unwrap();
    }
    backend.sweep(Duration::ZERO).await.unwrap();
    let spare = world.segments().join("spare-00000001");
    assert!(spare.exists());
    // The replay that began before holds the file, so the next segments are new files.
    stored.extend(fill_small(&backend).await);
    assert!(spare.exists());
    let seen: Vec<_> = before.events.collect().await;
    assert_eq!(seen.len(), 1_200);
    assert!(seen.iter().all(Result::is_ok));
    drop(seen);
    stored.extend(fill_small(&backend).await);
    assert!(!spare.exists());
    check_replayed(&replay(&backend, None).await, &stored, &deleted);
    // The segment of this position is gone, or its file is another one now.
    let found = replay(&backend, Some(begin)).await;
    let is_known = world.segment_names().contains(&"00000002".to_owned());
    assert_eq!(found.from_beginning, !is_known);
    drop(backend);
    let (report, findings) = check(&world);
    assert_eq!(findings, []);
    assert!(report.is_good());
    let backend = world.open().await;
    check_replayed(&replay(&backend, None).await, &stored, &deleted);
    let scrubbed = backend.scrub().await.unwrap();
    assert_eq!(scrubbed.damaged, []);
}

fn check(world: &World) -> (RootReport, Vec<PackFinding>) {
    let mut findings = Vec::new();
    let report = check_root(&world.root(), |finding| findings.push(finding));
    (report.unwrap(), findings)
}

#[tokio::test]
async fn the_check_of_a_root_knows_notes() {
    let world = World::new();
    let backend = world.open().await;
    fill(&backend).await;
    let large = ArtifactId::mint();
    let stored = backend.store_noted(large, vec![1; 2_000_000].into(), note(9));
    stored.await.unwrap();
    let last = Bytes::from_static(b"the note of the last blob but one");
    let (id, behind) = (ArtifactId::mint(), ArtifactId::mint());
    let stored = backend.store_noted(id, "bytes".into(), last.clone());
    stored.await.unwrap();
    backend.store(behind, "behind it".into()).await.unwrap();
    drop(backend);
    // As a crash leaves it while the version is raised.
    fs::write(world.root().join("artifact-format.new"), "artifact").unwrap();
    assert_eq!(check(&world).1, []);
    // A note of the newest segment is verified, too.
    assert_eq!(world.damage(&last), 1);
    let (_, findings) = check(&world);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(matches!(findings[0].problem, PackProblem::Blobs(_)));
}

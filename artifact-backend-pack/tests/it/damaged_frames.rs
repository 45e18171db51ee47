//! Damage of the segment that is written to, found when the root is opened again.

use std::fs;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use artifact_backend::{ArtifactBackend, ArtifactId, ArtifactInventory, ErrorKind};
use artifact_backend_pack::{PackBackend, PackConfig};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::world::{World, in_memory, names, small_segments};

const BLOCK: usize = 4096;

/// A blob of each frame; the third and the sixth are larger blobs.
async fn store_frames(backend: &PackBackend) -> Vec<(ArtifactId, Vec<u8>)> {
    let mut blobs = Vec::new();
    for (number, size) in (1_u8..).zip([100, 9_000, 200_000, 0, 3_000, 150_000, 30_000]) {
        let (id, bytes) = (ArtifactId::mint(), vec![number; size]);
        backend.store(id, bytes.clone().into()).await.unwrap();
        blobs.push((id, bytes));
    }
    blobs
}

/// Returns the offset of each frame of the first segment.
fn frames(world: &World) -> Vec<usize> {
    let bytes = fs::read(world.segments().join("00000001")).unwrap();
    let blocks = bytes.chunks(BLOCK).enumerate();
    let frames = blocks.filter(|(_, block)| block.starts_with(b"ARTFRAME"));
    frames.map(|(number, _)| number * BLOCK).collect()
}

fn flip(world: &World, at: usize) {
    let path = world.segments().join("00000001");
    let file = fs::OpenOptions::new().read(true).write(true).open(path);
    let file = file.unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at as u64).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at as u64).unwrap();
}

async fn assert_kept(backend: &PackBackend, blobs: &[(ArtifactId, Vec<u8>)], but: Option<usize>) {
    for (number, (id, bytes)) in blobs.iter().enumerate() {
        let loaded = backend.load(*id).await;
        if but == Some(number) {
            assert_eq!(loaded.unwrap_err().damaged_blob(), Some(*id), "{number}");
        } else {
            assert_eq!(loaded.unwrap(), bytes, "{number}");
        }
    }
}

#[tokio::test]
async fn a_flip_in_any_frame_of_the_open_segment_loses_no_other_blob() {
    // In the magic, the epoch, the length, the checksum and the first entry.
    for in_frame in [0, 9, 33, 57, 70] {
        for damaged in 0..7 {
            let world = World::within(&in_memory());
            let backend = world.open().await;
            let mut blobs = store_frames(&backend).await;
            drop(backend);
            let at = frames(&world)[damaged];
            flip(&world, at + in_frame);
            let before = fs::read(world.segments().join("00000001")).unwrap();

            let backend = world.open().await;
            assert_kept(&backend, &blobs, Some(damaged)).await;
            drop(backend);
            let examined = fs::read(world.segments().join("00000001")).unwrap();
            assert!(examined == before, "opening alone changes nothing");

            let backend = world.open().await;
            let refused = backend.sweep(Duration::ZERO).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Corrupt, "{refused}");
            let unknown = backend.stat(ArtifactId::mint()).await.unwrap_err();
            assert_eq!(unknown.kind(), ErrorKind::Corrupt, "{unknown}");
            blobs.extend(store_frames(&backend).await);
            assert_kept(&backend, &blobs, Some(damaged)).await;
            drop(backend);
            let after = fs::read(world.segments().join("00000001")).unwrap();
            assert!(after.starts_with(&before), "what was there is overwritten");

            // The damage is known for ever, until an operator says otherwise.
            let backend = world.open().await;
            assert_kept(&backend, &blobs, Some(damaged)).await;
            backend.sweep(Duration::ZERO).await.unwrap_err();
            let report = backend.scrub().await.unwrap();
            assert_eq!(report.damaged_segments, ["00000001"]);
            assert_eq!(report.damaged, []);
            drop(backend);
            let mark = format!("00000001.damaged-{at:08x}");
            fs::remove_file(world.segments().join(mark)).unwrap();
            let backend = world.open().await;
            let (lost, _) = blobs.remove(damaged);
            assert_eq!(
                backend.load(lost).await.unwrap_err().kind(),
                ErrorKind::NotFound
            );
            backend.sweep(Duration::ZERO).await.unwrap();
            assert_kept(&backend, &blobs, None).await;
        }
    }
}

#[tokio::test]
async fn a_flip_in_the_bytes_of_a_blob_loses_no_record() {
    for damaged in [0, 1, 4, 6] {
        let world = World::new();
        let backend = world.open().await;
        let mut blobs = store_frames(&backend).await;
        drop(backend);
        flip(&world, frames(&world)[damaged] + 64 + 48 + 50);
        for _ in 0..3 {
            let backend = world.open().await;
            assert_kept(&backend, &blobs, Some(damaged)).await;
            backend.sweep(Duration::ZERO).await.unwrap();
            let unknown = backend.stat(ArtifactId::mint()).await.unwrap_err();
            assert_eq!(unknown.kind(), ErrorKind::NotFound, "{unknown}");
            blobs.extend(store_frames(&backend).await);
            assert_kept(&backend, &blobs, Some(damaged)).await;
            let report = backend.scrub().await.unwrap();
            assert_eq!(report.damaged, [blobs[damaged].0]);
        }
    }
}

#[tokio::test]
async fn while_records_are_lost_no_file_is_replaced_and_deletes_are_recorded() {
    let world = World::new();
    let backend = world.open().await;
    let blobs = store_frames(&backend).await;
    drop(backend);
    flip(&world, frames(&world)[2]);
    let backend = world.open().await;
    let large = blobs[2].0;
    let error = backend.store(large, vec![9; 100_000].into()).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Corrupt);
    assert!(
        fs::read(world.large(large))
            .unwrap()
            .starts_with(&vec![3; 200_000])
    );
    let unknown = ArtifactId::mint();
    backend.delete(unknown).await.unwrap();
    let taken = backend.store(unknown, "new".into()).await.unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AlreadyExists);
}

#[tokio::test]
async fn a_lost_or_emptied_last_segment_is_noticed_and_opening_removes_nothing() {
    let world = World::new();
    let backend = world.open().await;
    for _ in 0..100 {
        let stored = backend.store(ArtifactId::mint(), vec![1; 60_000].into());
        stored.await.unwrap();
    }
    drop(backend);
    let last = world.segment_names().pop().unwrap();
    assert_ne!(last, "00000001");
    let path = world.segments().join(&last);
    let kept = fs::read(&path).unwrap();
    let changes: [&dyn Fn(); 3] = [
        &|| fs::remove_file(&path).unwrap(),
        &|| fs::write(&path, "").unwrap(),
        &|| fs::write(&path, vec![0; 70_000]).unwrap(),
    ];
    for change in changes {
        change();
        let before = names(&world.segments());
        let refused = PackBackend::open(world.root(), small_segments()).await;
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        assert!(error.to_string().contains(&last), "{error}");
        assert_eq!(names(&world.segments()), before);
        fs::write(&path, &kept).unwrap();
        drop(world.open().await);
    }
}

#[tokio::test]
async fn an_unused_segment_is_replaced_by_the_first_store_and_not_by_opening() {
    let world = World::new();
    drop(world.open().await);
    let path = world.segments().join("00000001");
    fs::write(&path, "").unwrap();
    let backend = PackBackend::open(world.root(), PackConfig::default()).await;
    let backend = backend.unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"");
    let id = ArtifactId::mint();
    backend.store(id, "one".into()).await.unwrap();
    drop(backend);
    assert_eq!(names(&world.segments()), ["00000001", "head-00000001"]);
    assert_eq!(world.open().await.load(id).await.unwrap(), "one");
}

/// Collects the alarms of one runtime.
#[derive(Debug, Clone, Default)]
struct Alarms(Arc<Mutex<Vec<String>>>);

impl Subscriber for Alarms {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl Visit for Alarms {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "alarm" {
            self.0.lock().unwrap().push(value.to_owned());
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

#[test]
fn damage_raises_the_alarm_at_each_start_and_at_a_sweep_and_a_crash_does_not() {
    let alarms = Alarms::default();
    let of_threads = alarms.clone();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .on_thread_start(move || {
            let guard = tracing::subscriber::set_default(of_threads.clone());
            std::mem::forget(guard);
        })
        .build()
        .unwrap();
    let raised = || std::mem::take(&mut *alarms.0.lock().unwrap());
    let test = async {
        let world = World::new();
        store_frames(&world.open().await).await;
        let last = frames(&world)[6];
        // A crash in the middle of a frame: no mark, and a block that was not written.
        assert_eq!(world.damage(b"ARTFRMRK"), 1);
        flip(&world, last + BLOCK);
        store_frames(&world.open().await).await;
        assert_eq!(raised(), [""; 0]);
        flip(&world, frames(&world)[1]);
        for _ in 0..2 {
            let backend = world.open().await;
            assert_eq!(raised(), ["corrupt-segment"]);
            backend.sweep(Duration::ZERO).await.unwrap_err();
            assert_eq!(raised(), ["corrupt-segment"]);
            store_frames(&backend).await;
        }
    };
    let _guard = tracing::subscriber::set_default(alarms.clone());
    runtime.block_on(test);
}

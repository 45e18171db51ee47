//! Roots of layout version 1: opened, used and migrated at the same time.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use artifact_backend::{
    ArtifactBackend, ArtifactId, ArtifactInventory, ByteRange, ErrorKind, Shard,
};
use artifact_backend_fs::{FsBackend, FsConfig};
use futures_util::{StreamExt, TryStreamExt};

use crate::world::{World, is_root, names, skip};

/// Settings with which only a call of `migrate` moves blobs.
fn by_hand() -> FsConfig {
    FsConfig::default().with_background_migration(false)
}

/// Returns blobs whose ids begin with many different bytes.
fn blobs(count: u16) -> Vec<(ArtifactId, Vec<u8>)> {
    let blob = |number: u16| {
        let mut id = [number.to_le_bytes()[0].wrapping_mul(37); 16];
        id[14..].copy_from_slice(&number.to_be_bytes());
        (
            ArtifactId::from_bytes(id),
            format!("blob {number}").into_bytes(),
        )
    };
    (0..count).map(blob).collect()
}

fn marker(world: &World) -> String {
    fs::read_to_string(world.marker()).unwrap()
}

/// Returns the names in `blobs/` that are not fan-out folders.
fn flat_names(world: &World) -> Vec<String> {
    let mut found = names(&world.root().join("blobs"));
    found.retain(|name| name.len() != 1);
    found
}

async fn listed(backend: &FsBackend) -> Vec<ArtifactId> {
    let blobs: Vec<_> = backend.list().await.unwrap().try_collect().await.unwrap();
    let mut ids: Vec<_> = blobs.into_iter().map(|blob| blob.id).collect();
    ids.sort();
    ids
}

/// Checks that every operation finds each blob, once.
async fn finds(backend: &FsBackend, blobs: &[(ArtifactId, Vec<u8>)]) {
    for (id, bytes) in blobs {
        assert_eq!(backend.load(*id).await.unwrap(), bytes[..]);
        let download = backend.download(*id, ByteRange::Full).await.unwrap();
        let pieces: Vec<_> = download.try_collect().await.unwrap();
        assert_eq!(pieces.concat(), *bytes);
        assert_eq!(
            backend.stat(*id).await.unwrap().size,
            bytes.len() as u64,
            "{id}"
        );
        let again = backend.store(*id, "other".into()).await.unwrap_err();
        assert_eq!(again.kind(), ErrorKind::AlreadyExists, "{id}");
    }
    let mut ids: Vec<_> = blobs.iter().map(|(id, _)| *id).collect();
    ids.sort();
    assert_eq!(listed(backend).await, ids);
    let mut sharded = Vec::new();
    for shard in Shard::ALL {
        let list = backend.list_shard(shard, None).await.unwrap();
        let blobs: Vec<_> = list.try_collect().await.unwrap();
        sharded.extend(blobs.into_iter().map(|blob| blob.id));
    }
    assert_eq!(sharded, ids);
}

#[tokio::test]
async fn blobs_of_version_1_are_found_before_and_after_their_migration() {
    let world = World::new();
    let mut blobs = blobs(300);
    world.create_flat_root(&blobs);
    let backend = world.open_with(by_hand()).await;
    finds(&backend, &blobs).await;
    let (new, bytes) = (ArtifactId::mint(), b"new".to_vec());
    backend.store(new, bytes.clone().into()).await.unwrap();
    assert_eq!(world.blob_names(), [new.to_string()]);
    blobs.push((new, bytes));
    finds(&backend, &blobs).await;
    assert_eq!(flat_names(&world).len(), 300);

    backend.migrate().await.unwrap();
    assert_eq!(flat_names(&world), [""; 0]);
    assert_eq!(marker(&world), "artifact-backend-fs 2\n");
    assert_eq!(names(&world.staging()), [""; 0]);
    assert_eq!(world.blob_names().len(), 301);
    finds(&backend, &blobs).await;
    finds(&world.open().await, &blobs).await;
    backend.migrate().await.unwrap();
}

#[tokio::test]
async fn opening_starts_the_migration_of_version_1() {
    let world = World::new();
    let blobs = blobs(50);
    world.create_flat_root(&blobs);
    let backend = world.open().await;
    // Not to wait by the clock for the task in the background: this call does the rest beside it.
    backend.migrate().await.unwrap();
    finds(&backend, &blobs).await;
    assert_eq!(marker(&world), "artifact-backend-fs 2\n");
}

/// Releases of layout version 1 accept only the line `artifact-backend-fs 1`, and say of every other line
/// with their name that it is another version.
#[tokio::test]
async fn the_marker_changes_before_the_first_blob_is_in_a_fan_out_folder() {
    let world = World::new();
    world.create_flat_root(&blobs(1));
    let backend = world.open_with(by_hand()).await;
    assert_eq!(world.blob_names(), [""; 0]);
    assert_eq!(marker(&world), "artifact-backend-fs 2 migrating\n");
    backend.store(ArtifactId::mint(), "x".into()).await.unwrap();
    // The next opening goes on.
    drop(backend);
    let backend = world.open_with(by_hand()).await;
    assert_eq!(marker(&world), "artifact-backend-fs 2 migrating\n");
    backend.migrate().await.unwrap();
    assert_eq!(marker(&world), "artifact-backend-fs 2\n");
}

/// A crash can leave a blob under its old name, its new one, or both.
#[tokio::test]
async fn a_migration_that_was_cut_off_is_finished() {
    let world = World::new();
    let blobs = blobs(90);
    world.create_flat_root(&blobs);
    drop(world.open_with(by_hand()).await);
    for (number, (id, _)) in blobs.iter().enumerate() {
        let (old, new) = (world.flat_blob(*id), world.blob(*id));
        match number % 3 {
            0 => fs::rename(old, new).unwrap(),
            1 => fs::hard_link(old, new).unwrap(),
            _ => {}
        }
    }
    let backend = world.open_with(by_hand()).await;
    finds(&backend, &blobs).await;
    backend.migrate().await.unwrap();
    assert_eq!(flat_names(&world), [""; 0]);
    finds(&backend, &blobs).await;
}

#[tokio::test]
async fn a_delete_during_the_migration_removes_both_names() {
    let world = World::new();
    let blobs = blobs(3);
    world.create_flat_root(&blobs);
    let backend = world.open_with(by_hand()).await;
    fs::hard_link(world.flat_blob(blobs[0].0), world.blob(blobs[0].0)).unwrap();
    fs::rename(world.flat_blob(blobs[1].0), world.blob(blobs[1].0)).unwrap();
    for (id, _) in &blobs {
        backend.delete(*id).await.unwrap();
        backend.delete(*id).await.unwrap();
    }
    assert_eq!((flat_names(&world), world.blob_names()), (vec![], vec![]));
    backend.migrate().await.unwrap();
    for (id, _) in &blobs {
        let absent = backend.load(*id).await.unwrap_err();
        assert_eq!(absent.kind(), ErrorKind::NotFound);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_works_while_blobs_move() {
    let world = World::new();
    let blobs = blobs(2_000);
    world.create_flat_root(&blobs);
    let backend = world.open_with(by_hand()).await;
    // Another process that migrates too.
    let other = world.open_with(by_hand()).await;
    let (kept, deleted) = blobs.split_at(1_500);
    let migrations = [&backend, &other].map(|backend| {
        let backend = backend.clone();
        tokio::spawn(async move { backend.migrate().await })
    });
    let reading = {
        let (backend, kept) = (backend.clone(), kept.to_vec());
        tokio::spawn(async move {
            for (id, bytes) in kept.iter().rev() {
                assert_eq!(backend.load(*id).await.unwrap(), bytes[..], "{id}");
                backend.stat(*id).await.unwrap();
                let again = backend.store(*id, "other".into()).await.unwrap_err();
                assert_eq!(again.kind(), ErrorKind::AlreadyExists, "{id}");
            }
        })
    };
    let deleting = {
        let (backend, deleted) = (backend.clone(), deleted.to_vec());
        tokio::spawn(async move {
            for (id, _) in deleted {
                backend.delete(id).await.unwrap();
                let absent = backend.load(id).await.unwrap_err();
                assert_eq!(absent.kind(), ErrorKind::NotFound, "{id}");
            }
        })
    };
    for _ in 0..5 {
        let mut seen = BTreeMap::new();
        for id in listed(&other).await {
            *seen.entry(id).or_insert(0) += 1;
        }
        for (id, _) in kept {
            assert_eq!(seen.get(id), Some(&1), "{id}");
        }
        assert!(seen.values().all(|times| *times == 1));
    }
    for migration in migrations {
        migration.await.unwrap().unwrap();
    }
    reading.await.unwrap();
    deleting.await.unwrap();
    assert_eq!(flat_names(&world), [""; 0]);
    finds(&backend, kept).await;
    finds(&other, kept).await;
}

#[tokio::test]
async fn foreign_files_of_version_1_are_reported_after_the_migration_as_before() {
    let world = World::new();
    let blobs = blobs(5);
    world.create_flat_root(&blobs[..1]);
    std::os::unix::fs::symlink(world.secret(), world.flat_blob(blobs[1].0)).unwrap();
    fs::create_dir(world.flat_blob(blobs[2].0)).unwrap();
    let fifo = rustix::fs::FileType::Fifo;
    let (cwd, mode) = (rustix::fs::CWD, rustix::fs::Mode::RUSR);
    rustix::fs::mknodat(cwd, world.flat_blob(blobs[3].0), fifo, mode, 0).unwrap();
    fs::write(world.root().join("blobs/notes.txt"), "an operator's").unwrap();
    let backend = world.open_with(by_hand()).await;
    for migrated in [false, true] {
        if migrated {
            backend.migrate().await.unwrap();
        }
        for (id, _) in &blobs[1..4] {
            let foreign = backend.load(*id).await.unwrap_err();
            assert_eq!(foreign.kind(), ErrorKind::Corrupt, "{migrated} {foreign}");
        }
        let items: Vec<_> = backend.list().await.unwrap().collect().await;
        let (whole, damaged): (Vec<_>, Vec<_>) = items.into_iter().partition(Result::is_ok);
        let whole: Vec<_> = whole.into_iter().map(|blob| blob.unwrap().id).collect();
        assert_eq!(whole, [blobs[0].0]);
        let mut damaged: Vec<_> = damaged
            .into_iter()
            .map(|item| item.unwrap_err().damaged_blob().unwrap())
            .collect();
        damaged.sort();
        assert_eq!(damaged, [blobs[1].0, blobs[2].0, blobs[3].0]);
    }
    assert_eq!(flat_names(&world), ["notes.txt"]);
    assert_eq!(world.damage(), None);
}

/// Another file has the new name. It may be an operator's, so it is neither replaced nor removed.
#[tokio::test]
async fn a_name_that_is_taken_by_another_file_is_left() {
    let world = World::new();
    let blobs = blobs(2);
    world.create_flat_root(&blobs);
    let backend = world.open_with(by_hand()).await;
    let taken = world.blob(blobs[0].0);
    fs::copy(world.flat_blob(blobs[0].0), &taken).unwrap();
    backend.migrate().await.unwrap();
    assert_eq!(flat_names(&world), [blobs[0].0.to_string()]);
    finds(&backend, &blobs).await;
}

#[tokio::test]
async fn a_shard_can_be_listed_from_any_id_on() {
    let world = World::new();
    let backend = world.open().await;
    let id = |last| {
        let mut bytes = [0x7f; 16];
        bytes[15] = last;
        ArtifactId::from_bytes(bytes)
    };
    for last in [9, 3, 5, 7] {
        backend.store(id(last), "x".into()).await.unwrap();
    }
    backend
        .store(ArtifactId::from_bytes([0x80; 16]), "x".into())
        .await
        .unwrap();
    let rest = async |after| {
        let list = backend.list_shard(Shard::ALL[7], after).await.unwrap();
        let blobs: Vec<_> = list.try_collect().await.unwrap();
        blobs.iter().map(|blob| blob.id).collect::<Vec<_>>()
    };
    assert_eq!(rest(None).await, [id(3), id(5), id(7), id(9)]);
    assert_eq!(rest(Some(id(5))).await, [id(7), id(9)]);
    assert_eq!(rest(Some(id(4))).await, [id(5), id(7), id(9)]);
    assert_eq!(rest(Some(id(9))).await, []);

    fs::remove_file(world.blob(id(5))).unwrap();
    fs::create_dir(world.blob(id(5))).unwrap();
    let list = backend.list_shard(Shard::ALL[7], None).await.unwrap();
    let items: Vec<_> = list
        .map(|item| item.map_or_else(|error| Err(error.damaged_blob()), |blob| Ok(blob.id)))
        .collect()
        .await;
    assert_eq!(items, [Ok(id(3)), Err(Some(id(5))), Ok(id(7)), Ok(id(9))]);
}

/// Whatever replaces a fan-out folder, nothing outside is read or written, and no blob is called absent.
async fn withstands(world: &World, plant: impl FnOnce(&Path, &Path), unplant: impl FnOnce(&Path)) {
    let backend = world.open().await;
    let (old, new) = (
        [0x0a; 16],
        [0x0a, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
    );
    let (old, new) = (ArtifactId::from_bytes(old), ArtifactId::from_bytes(new));
    backend.store(old, "kept".into()).await.unwrap();
    let folder = world.root().join("blobs/0");
    plant(&folder, &world.root().join("0a-moved"));
    let unreadable = [ErrorKind::Corrupt, ErrorKind::Misconfigured];
    for id in [old, new] {
        let errors = [
            backend.load(id).await.unwrap_err(),
            backend.stat(id).await.unwrap_err(),
            backend.download(id, ByteRange::Full).await.unwrap_err(),
            backend.delete(id).await.unwrap_err(),
        ];
        for error in errors {
            assert!(unreadable.contains(&error.kind()), "{error}");
        }
        let refused = backend.store(id, "new".into()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Misconfigured, "{refused}");
        assert!(refused.to_string().contains("fan-out"), "{refused}");
    }
    let list = backend.list().await.unwrap();
    assert!(list.try_collect::<Vec<_>>().await.is_err());
    // Another folder is not concerned.
    let id = ArtifactId::from_bytes([0xb0; 16]);
    backend.store(id, "x".into()).await.unwrap();
    backend.delete(id).await.unwrap();
    unplant(&folder);
    assert_eq!(world.damage(), None);
}

#[tokio::test]
async fn links_and_files_that_replace_a_fan_out_folder_lead_nowhere() {
    use std::os::unix::fs::symlink;
    let world = World::new();
    let remove = |folder: &Path| fs::remove_file(folder).unwrap();
    let outside = world.outside();
    let plant = |folder: &Path, moved: &Path| {
        fs::rename(folder, moved).unwrap();
        symlink(outside, folder).unwrap();
    };
    withstands(&world, plant, remove).await;
    let world = World::new();
    let plant = |folder: &Path, moved: &Path| {
        fs::rename(folder, moved).unwrap();
        symlink("0b", folder).unwrap();
    };
    withstands(&world, plant, remove).await;
    let world = World::new();
    let plant = |folder: &Path, moved: &Path| {
        fs::rename(folder, moved).unwrap();
        fs::write(folder, "a file").unwrap();
    };
    withstands(&world, plant, remove).await;
    let world = World::new();
    let plant = |folder: &Path, _: &Path| fs::remove_dir_all(folder).unwrap();
    withstands(&world, plant, |_| {}).await;
}

#[tokio::test]
async fn a_mount_over_a_fan_out_folder_leads_nowhere() {
    if skip(is_root(), "a mount over a fan-out folder", "run it as root") {
        return;
    }
    let world = World::new();
    let outside = world.outside();
    let run = |program: &str, arguments: &[&Path]| {
        let done = std::process::Command::new(program).args(arguments).status();
        assert!(done.unwrap().success(), "{program}");
    };
    let plant = |folder: &Path, _: &Path| run("mount", &["--bind".as_ref(), &outside, folder]);
    withstands(&world, plant, |folder| run("umount", &[folder])).await;
}

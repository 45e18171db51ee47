//! The file of the store id.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::Duration;

use artifact_backend::{ArtifactInventory, ErrorKind, StoreId};
use artifact_backend_fs::FsConfig;
use rustix::fs::{CWD, FileType, Mode};

use crate::world::{World, names};

const NAME: &str = "artifact-store-id";

#[tokio::test]
async fn the_store_id_is_one_private_file_beside_the_marker() {
    let world = World::new();
    let backend = world.open().await;
    let id = StoreId::mint();
    assert_eq!(backend.create_store_id(id).await.unwrap(), id);
    assert_eq!(
        names(&world.root()),
        ["artifact-format", NAME, "blobs", "staging"]
    );
    assert_eq!(names(&world.root().join("blobs")), [""; 0]);
    assert_eq!(names(&world.staging()), [""; 0]);
    let file = world.root().join(NAME);
    assert_eq!(fs::read_to_string(&file).unwrap(), format!("{id}\n"));
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o400);
    backend.sweep(Duration::ZERO).await.unwrap();
    assert_eq!(world.open().await.store_id().await.unwrap(), Some(id));
}

#[tokio::test]
async fn a_killed_create_leaves_a_leftover_and_no_part_of_an_id() {
    let world = World::new();
    let backend = world.open().await;
    // What a process that is killed before the link leaves behind.
    let leftover = world.staging().join(format!("upload-{}", "0".repeat(32)));
    fs::write(leftover, "store-0").unwrap();
    assert_eq!(backend.store_id().await.unwrap(), None);
    let id = StoreId::mint();
    assert_eq!(backend.create_store_id(id).await.unwrap(), id);
    let report = backend.sweep(Duration::ZERO).await.unwrap();
    assert_eq!((report.removed, report.kept), (1, 0));
    assert_eq!(backend.store_id().await.unwrap(), Some(id));
}

#[tokio::test]
async fn other_contents_are_corrupt_and_stay() {
    let id = StoreId::mint();
    for content in ["", "store-", &id.to_string(), &"x".repeat(100_000)] {
        let world = World::new();
        let backend = world.open().await;
        fs::write(world.root().join(NAME), content).unwrap();
        let error = backend.store_id().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        assert!(error.detail().contains("restore the file"), "{error}");
        let error = backend.create_store_id(id).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        let kept = fs::read_to_string(world.root().join(NAME)).unwrap();
        assert_eq!(kept, content);
    }
}

#[tokio::test]
async fn planted_objects_are_not_followed_and_not_waited_for() {
    for kind in ["link", "dangling", "FIFO", "folder", "socket", "device"] {
        let world = World::new();
        let backend = world.open().await;
        let path = world.root().join(NAME);
        let node = |kind, device| rustix::fs::mknodat(CWD, &path, kind, Mode::RUSR, device);
        match kind {
            "link" => symlink(world.secret(), &path).unwrap(),
            "dangling" => symlink(world.outside().join("new"), &path).unwrap(),
            "FIFO" => node(FileType::Fifo, 0).unwrap(),
            "folder" => fs::create_dir(&path).unwrap(),
            "socket" => node(FileType::Socket, 0).unwrap(),
            _ => {
                if !crate::world::is_root() {
                    continue;
                }
                node(FileType::CharacterDevice, rustix::fs::makedev(1, 5)).unwrap();
            }
        }
        for error in [
            backend.store_id().await.unwrap_err(),
            backend.create_store_id(StoreId::mint()).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{kind}: {error}");
        }
        assert_eq!(world.damage(), None, "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_create_at_once_agree() {
    for _ in 0..20 {
        let world = World::new();
        let mut creates = Vec::new();
        for _ in 0..8 {
            let backend = world.open_with(FsConfig::default()).await;
            creates.push(tokio::spawn(async move {
                backend.create_store_id(StoreId::mint()).await
            }));
        }
        let found = world.open().await;
        let mut ids = Vec::new();
        for create in creates {
            ids.push(create.await.unwrap().unwrap());
        }
        ids.dedup();
        assert_eq!(ids.len(), 1, "{ids:?}");
        assert_eq!(found.store_id().await.unwrap(), Some(ids[0]));
        assert_eq!(names(&world.staging()), [""; 0]);
    }
}

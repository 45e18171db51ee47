//! Which folders can be opened, and the errors for the others.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use artifact_backend::{ArtifactBackend, ArtifactId, ErrorKind, Operation};
use artifact_backend_fs::{FsBackend, FsConfig};

use crate::world::{World, is_root, names, skip};

async fn open_error(world: &World) -> String {
    let error = FsBackend::open(world.root(), FsConfig::default())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    assert_eq!(error.operation(), Operation::Open);
    let folder = format!(
        "open: misconfigured: the folder {}: ",
        world.root().display()
    );
    let message = error.to_string();
    assert!(message.starts_with(&folder), "{message}");
    message
}

#[tokio::test]
async fn new_roots_are_private_and_have_a_marker() {
    let world = World::new();
    world.open().await;
    assert_eq!(
        names(&world.root()),
        ["artifact-format", "blobs", "staging"]
    );
    let mode = |name: &str| fs::metadata(world.root().join(name)).unwrap().mode() & 0o7777;
    assert_eq!(mode(""), 0o700);
    assert_eq!(mode("blobs"), 0o700);
    assert_eq!(mode("staging"), 0o700);
    assert_eq!(mode("artifact-format"), 0o400);
    let marker = fs::read_to_string(world.root().join("artifact-format")).unwrap();
    assert_eq!(marker, "artifact-backend-fs 2\n");
    let folders = names(&world.root().join("blobs"));
    let expected: Vec<_> = (0..16).map(|number| format!("{number:x}")).collect();
    assert_eq!(folders, expected);
    assert_eq!(mode("blobs/0"), 0o700);
    assert_eq!(names(&world.staging()), [""; 0]);
}

#[tokio::test]
async fn empty_folders_of_the_same_user_are_accepted() {
    let world = World::new();
    fs::create_dir(world.root()).unwrap();
    fs::set_permissions(world.root(), fs::Permissions::from_mode(0o755)).unwrap();
    world.open().await;
    world.open().await;
}

#[tokio::test]
async fn half_created_roots_are_accepted() {
    let world = World::new();
    fs::create_dir_all(world.root().join("blobs")).unwrap();
    fs::set_permissions(
        world.root().join("blobs"),
        fs::Permissions::from_mode(0o700),
    )
    .unwrap();
    // A power cut in the middle of the first opening.
    fs::create_dir(world.root().join("blobs/0")).unwrap();
    fs::create_dir(world.root().join("blobs/7")).unwrap();
    let backend = world.open().await;
    backend.store(ArtifactId::mint(), "x".into()).await.unwrap();
    assert_eq!(world.blob_names().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_root_can_be_opened_concurrently() {
    for _ in 0..20 {
        let world = World::new();
        let openings =
            (0..8).map(|_| tokio::spawn(FsBackend::open(world.root(), FsConfig::default())));
        for opening in openings.collect::<Vec<_>>() {
            opening.await.unwrap().unwrap();
        }
        assert_eq!(
            names(&world.root()),
            ["artifact-format", "blobs", "staging"]
        );
        assert_eq!(names(&world.staging()), [""; 0]);
    }
}

#[tokio::test]
async fn missing_parents_are_rejected_and_not_created() {
    let world = World::new();
    let root = world.root().join("deeper/still");
    let error = FsBackend::open(&root, FsConfig::default())
        .await
        .unwrap_err();
    let expected = format!(
        "open: misconfigured: the folder {}: the parent folder of the root does not exist; create it",
        root.display()
    );
    assert_eq!(error.to_string(), expected);
    assert!(!world.root().exists());
}

#[tokio::test]
async fn folders_that_others_can_write_to_are_rejected() {
    let world = World::new();
    fs::create_dir(world.root()).unwrap();
    for mode in [0o777, 0o707, 0o702] {
        fs::set_permissions(world.root(), fs::Permissions::from_mode(mode)).unwrap();
        let message = open_error(&world).await;
        assert!(
            message.contains("others can write to") && message.contains("chmod 700"),
            "{message}"
        );
    }
    assert_eq!(names(&world.root()), [""; 0]);
}

#[tokio::test]
async fn folders_of_another_user_are_rejected() {
    if skip(is_root(), "a root of another user", "run the tests as root") {
        return;
    }
    let world = World::new();
    fs::create_dir(world.root()).unwrap();
    std::os::unix::fs::chown(world.root(), Some(12_345), None).unwrap();
    let message = open_error(&world).await;
    assert!(
        message.contains("belongs to user 12345") && message.contains("chown"),
        "{message}"
    );
}

#[tokio::test]
async fn folders_with_foreign_files_are_rejected_and_not_changed() {
    let world = World::new();
    fs::create_dir(world.root()).unwrap();
    fs::write(world.root().join("thesis.tex"), "years of work").unwrap();
    let message = open_error(&world).await;
    assert!(
        message.contains("not empty") && message.contains("choose an empty folder"),
        "{message}"
    );
    assert_eq!(names(&world.root()), ["thesis.tex"]);
}

#[tokio::test]
async fn other_layouts_and_formats_are_rejected() {
    let world = World::new();
    world.open().await;
    let marker = world.root().join("artifact-format");
    for (text, word) in [
        ("artifact-backend-fs 3\n", "another version"),
        ("artifact-backend-fs 2", "another version"),
        ("something else\n", "not written by artifact-backend-fs"),
        ("", "not written by artifact-backend-fs"),
    ] {
        fs::remove_file(&marker).unwrap();
        fs::write(&marker, text).unwrap();
        let message = open_error(&world).await;
        assert!(message.contains(word), "{text:?}: {message}");
    }
}

#[tokio::test]
async fn planted_parts_of_the_layout_are_rejected() {
    for part in ["blobs", "staging"] {
        let world = World::new();
        world.open().await;
        fs::remove_dir_all(world.root().join(part)).unwrap();
        std::os::unix::fs::symlink(world.outside(), world.root().join(part)).unwrap();
        let message = open_error(&world).await;
        assert!(message.contains("symlink"), "{message}");
        assert_eq!(world.damage(), None);
    }
    let world = World::new();
    world.open().await;
    fs::remove_file(world.root().join("artifact-format")).unwrap();
    std::os::unix::fs::symlink(world.secret(), world.root().join("artifact-format")).unwrap();
    let message = open_error(&world).await;
    assert!(message.contains("format marker is a symlink"), "{message}");
}

#[tokio::test]
async fn files_are_rejected_as_root() {
    let world = World::new();
    fs::write(world.root(), "a file").unwrap();
    assert!(open_error(&world).await.contains("not a folder"));
}

#[tokio::test]
async fn a_marker_without_a_folder_of_blobs_is_an_error() {
    let world = World::new();
    let backend = world.open().await;
    backend.store(ArtifactId::mint(), "x".into()).await.unwrap();
    fs::remove_dir_all(world.root().join("blobs")).unwrap();
    assert!(open_error(&world).await.contains("no folder of blobs"));
    assert!(!world.root().join("blobs").exists());
}

#[tokio::test]
async fn a_root_without_one_of_its_fan_out_folders_is_rejected() {
    let world = World::new();
    world.open().await;
    let folder = world.root().join("blobs/7");
    fs::remove_dir(&folder).unwrap();
    assert!(open_error(&world).await.contains("fan-out"));
    assert!(!folder.exists());
    std::os::unix::fs::symlink(world.outside(), &folder).unwrap();
    assert!(open_error(&world).await.contains("fan-out"));
    assert_eq!(world.damage(), None);
}

#[tokio::test]
async fn folders_of_foreign_blobs_are_rejected() {
    let world = World::new();
    fs::create_dir_all(world.root().join("blobs")).unwrap();
    fs::write(world.root().join("blobs/theirs"), "x").unwrap();
    assert!(open_error(&world).await.contains("not empty"));
    assert_eq!(names(&world.root()), ["blobs"]);
    // A root of layout version 2 that lost its marker.
    let world = World::new();
    fs::create_dir_all(world.root().join("blobs/0")).unwrap();
    fs::write(world.root().join("blobs/0/theirs"), "x").unwrap();
    assert!(open_error(&world).await.contains("not empty"));
    assert_eq!(names(&world.root()), ["blobs"]);
}

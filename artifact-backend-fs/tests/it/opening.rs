//! Which folders are taken, which are refused, and what the refusal says.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use artifact_backend::{ArtifactBackend, ArtifactId, ErrorKind, Operation};
use artifact_backend_fs::{FsBackend, FsConfig};

use crate::world::{World, is_root, names, skip};

async fn refusal(world: &World) -> String {
    let error = FsBackend::open(world.root(), FsConfig::default())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    assert_eq!(error.operation(), Operation::Open);
    error.to_string()
}

#[tokio::test]
async fn a_new_root_is_made_private_and_marked() {
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
    assert_eq!(marker, "artifact-backend-fs 1\n");
    assert_eq!(names(&world.staging()), [""; 0]);
}

#[tokio::test]
async fn an_empty_folder_that_is_ours_is_taken() {
    let world = World::new();
    fs::create_dir(world.root()).unwrap();
    fs::set_permissions(world.root(), fs::Permissions::from_mode(0o755)).unwrap();
    world.open().await;
    world.open().await;
}

#[tokio::test]
async fn a_root_that_another_process_was_killed_while_making_is_taken() {
    let world = World::new();
    fs::create_dir_all(world.root().join("blobs")).unwrap();
    fs::set_permissions(
        world.root().join("blobs"),
        fs::Permissions::from_mode(0o700),
    )
    .unwrap();
    let backend = world.open().await;
    backend.store(ArtifactId::mint(), "x".into()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_root_can_be_opened_by_many_at_once() {
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
async fn a_missing_parent_is_refused_and_nothing_is_made() {
    let world = World::new();
    let root = world.root().join("deeper/still");
    let error = FsBackend::open(root, FsConfig::default())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "open: misconfigured: the folder that the root would be made in is not there; make it"
    );
    assert!(!world.root().exists());
}

#[tokio::test]
async fn a_folder_that_others_may_write_to_is_refused() {
    let world = World::new();
    fs::create_dir(world.root()).unwrap();
    for mode in [0o777, 0o770, 0o702] {
        fs::set_permissions(world.root(), fs::Permissions::from_mode(mode)).unwrap();
        let said = refusal(&world).await;
        assert!(
            said.contains("may be written to by others") && said.contains("chmod 700"),
            "{said}"
        );
    }
    assert_eq!(names(&world.root()), [""; 0]);
}

#[tokio::test]
async fn a_folder_of_another_user_is_refused() {
    if skip(is_root(), "a root of another user", "run the tests as root") {
        return;
    }
    let world = World::new();
    fs::create_dir(world.root()).unwrap();
    std::os::unix::fs::chown(world.root(), Some(12_345), None).unwrap();
    let said = refusal(&world).await;
    assert!(
        said.contains("belongs to user 12345") && said.contains("chown"),
        "{said}"
    );
}

#[tokio::test]
async fn a_folder_with_something_else_in_it_is_refused_and_left_alone() {
    let world = World::new();
    fs::create_dir(world.root()).unwrap();
    fs::write(world.root().join("thesis.tex"), "years of work").unwrap();
    let said = refusal(&world).await;
    assert!(
        said.contains("not empty") && said.contains("choose an empty folder"),
        "{said}"
    );
    assert_eq!(names(&world.root()), ["thesis.tex"]);
}

#[tokio::test]
async fn another_layout_and_another_format_are_refused() {
    let world = World::new();
    world.open().await;
    let marker = world.root().join("artifact-format");
    for (text, word) in [
        ("artifact-backend-fs 2\n", "another version"),
        ("artifact-backend-fs 1", "another version"),
        ("something else\n", "not one of artifact-backend-fs"),
        ("", "not one of artifact-backend-fs"),
    ] {
        fs::remove_file(&marker).unwrap();
        fs::write(&marker, text).unwrap();
        let said = refusal(&world).await;
        assert!(said.contains(word), "{text:?}: {said}");
    }
}

#[tokio::test]
async fn planted_parts_of_the_layout_are_refused() {
    for part in ["blobs", "staging"] {
        let world = World::new();
        world.open().await;
        fs::remove_dir(world.root().join(part)).unwrap();
        std::os::unix::fs::symlink(world.outside(), world.root().join(part)).unwrap();
        let said = refusal(&world).await;
        assert!(said.contains("symlink"), "{said}");
        assert_eq!(world.damage(), None);
    }
    let world = World::new();
    world.open().await;
    fs::remove_file(world.root().join("artifact-format")).unwrap();
    std::os::unix::fs::symlink(world.secret(), world.root().join("artifact-format")).unwrap();
    let said = refusal(&world).await;
    assert!(said.contains("format marker is a symlink"), "{said}");
}

#[tokio::test]
async fn a_file_is_no_root() {
    let world = World::new();
    fs::write(world.root(), "a file").unwrap();
    assert!(refusal(&world).await.contains("not a folder"));
}

#[tokio::test]
async fn a_marker_without_its_blobs_is_a_loss_and_not_an_empty_store() {
    let world = World::new();
    let backend = world.open().await;
    backend.store(ArtifactId::mint(), "x".into()).await.unwrap();
    fs::remove_dir_all(world.root().join("blobs")).unwrap();
    assert!(refusal(&world).await.contains("no folder of blobs"));
    assert!(!world.root().join("blobs").exists());
}

#[tokio::test]
async fn a_folder_of_somebody_elses_blobs_is_not_adopted() {
    let world = World::new();
    fs::create_dir_all(world.root().join("blobs")).unwrap();
    fs::write(world.root().join("blobs/theirs"), "x").unwrap();
    assert!(refusal(&world).await.contains("not empty"));
    assert_eq!(names(&world.root()), ["blobs"]);
}

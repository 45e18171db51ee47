//! The portable profile: the suite, the faults at system calls, and the roots that it shares with the Linux profile.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::time::Duration;

use artifact_backend::{
    ArtifactBackend, ArtifactId, ArtifactInventory, ByteRange, ErrorKind, StoreId,
};
use artifact_backend_fs::{FsConfig, FsProfile};

use crate::contract::keeps_the_contract;
use crate::syscalls::{Way, survives_with};
use crate::world::{World, names};

const PROFILES: [FsProfile; 2] = [FsProfile::Native, FsProfile::Portable];

fn config(profile: FsProfile) -> FsConfig {
    FsConfig::default().with_profile(profile)
}

fn portable() -> FsConfig {
    config(FsProfile::Portable)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_portable_profile_passes_the_conformance_suite() {
    keeps_the_contract(&std::env::temp_dir(), portable()).await;
}

#[test]
fn opening_survives_faults_at_every_system_call() {
    survives_with(
        Way::Portable,
        "open",
        &["mkdir", "openat", "linkat", "fsync"],
    );
}

#[test]
fn stores_survive_faults_at_every_system_call() {
    for operation in ["store", "store-again", "upload"] {
        survives_with(Way::Portable, operation, &["write", "fsync", "linkat"]);
    }
    survives_with(Way::Portable, "upload-abort", &["write", "unlink"]);
}

#[test]
fn reads_survive_faults_at_every_system_call() {
    for operation in ["load", "download"] {
        survives_with(Way::Portable, operation, &["openat", "read"]);
    }
    survives_with(Way::Portable, "load-absent", &["statx"]);
    survives_with(Way::Portable, "stat", &["statx"]);
}

#[test]
fn removals_survive_faults_at_every_system_call() {
    survives_with(Way::Portable, "delete", &["unlink", "fsync"]);
    survives_with(Way::Portable, "sweep", &["getdents64", "flock", "unlink"]);
}

#[tokio::test]
async fn a_root_of_one_profile_opens_with_the_other() {
    for [first, second] in [PROFILES, [FsProfile::Portable, FsProfile::Native]] {
        let world = World::new();
        let (id, uploaded) = (ArtifactId::mint(), ArtifactId::mint());
        let backend = world.open_with(config(first)).await;
        backend.store(id, "stored".into()).await.unwrap();
        let mut upload = backend.upload(uploaded).await.unwrap();
        upload.write("uploaded".into()).await.unwrap();
        upload.commit().await.unwrap();
        let store_id = backend.create_store_id(StoreId::mint()).await.unwrap();
        for id in [id, uploaded] {
            let metadata = fs::symlink_metadata(world.blob(id)).unwrap();
            assert_eq!((metadata.mode(), metadata.nlink()), (0o100_400, 1));
        }
        assert_eq!(names(&world.staging()), [""; 0]);
        drop(backend);

        let backend = world.open_with(config(second)).await;
        assert_eq!(backend.load(id).await.unwrap(), "stored", "{first:?}");
        assert_eq!(
            backend.load(uploaded).await.unwrap(),
            "uploaded",
            "{first:?}"
        );
        assert_eq!(backend.store_id().await.unwrap(), Some(store_id));
        let again = backend.store(id, "other".into()).await.unwrap_err();
        assert_eq!(again.kind(), ErrorKind::AlreadyExists);
        backend.delete(id).await.unwrap();
        assert_eq!(world.blob_names(), [uploaded.to_string()]);
    }
}

#[tokio::test]
async fn a_sweep_of_one_profile_spares_the_uploads_of_the_other() {
    let world = World::new();
    let native = config(FsProfile::Native).with_named_staging(true);
    let native = world.open_with(native).await;
    let portable = world.open_with(portable()).await;
    for [writer, sweeper] in [[&native, &portable], [&portable, &native]] {
        let id = ArtifactId::mint();
        let mut upload = writer.upload(id).await.unwrap();
        upload.write(vec![7; 300_000].into()).await.unwrap();
        let report = sweeper.sweep(Duration::ZERO).await.unwrap();
        assert_eq!((report.removed, report.kept), (0, 1));
        upload.commit().await.unwrap();
        assert_eq!(sweeper.load(id).await.unwrap().len(), 300_000);
    }
    fs::write(world.staging().join("upload-1"), "left over").unwrap();
    let report = portable.sweep(Duration::ZERO).await.unwrap();
    assert_eq!((report.removed, report.removed_bytes), (1, 9));
}

#[tokio::test]
async fn a_failed_sync_that_one_profile_recorded_stops_the_other() {
    for [first, second] in [PROFILES, [FsProfile::Portable, FsProfile::Native]] {
        let world = World::new();
        let backend = world.open_with(config(first)).await;
        fs::write(world.root().join("failed-sync"), "").unwrap();
        let kind = backend.probe().await.unwrap_err().kind();
        assert_eq!(kind, ErrorKind::Unexpected, "{first:?}");
        let opened = artifact_backend_fs::FsBackend::open(world.root(), config(second)).await;
        assert_eq!(
            opened.unwrap_err().kind(),
            ErrorKind::Misconfigured,
            "{second:?}"
        );
    }
}

#[tokio::test]
async fn a_root_of_layout_version_1_is_refused_and_left_unchanged() {
    let world = World::new();
    let id = ArtifactId::mint();
    world.create_flat_root(&[(id, b"old".to_vec())]);
    let opened = artifact_backend_fs::FsBackend::open(world.root(), portable()).await;
    assert_eq!(opened.unwrap_err().kind(), ErrorKind::Misconfigured);
    assert_eq!(
        fs::read(world.marker()).unwrap(),
        b"artifact-backend-fs 1\n"
    );
    assert_eq!(names(&world.root().join("blobs")), [id.to_string()]);
}

/// Between two operations every replaced folder is noticed. During one, the portable profile cannot notice
/// all of them.
#[tokio::test]
async fn a_folder_that_was_replaced_by_a_symlink_is_not_followed() {
    let id = ArtifactId::from_bytes([0xaa; 16]);
    for folder in ["", "blobs", "staging", "blobs/a"] {
        let world = World::new();
        let backend = world.open_with(portable()).await;
        backend.store(id, "stored".into()).await.unwrap();
        let path = match folder {
            "" => world.root(),
            folder => world.root().join(folder),
        };
        let moved = world.outside().join("moved");
        fs::rename(&path, &moved).unwrap();
        symlink(&moved, &path).unwrap();
        let new = ArtifactId::from_bytes([0xab; 16]);
        let kinds = [
            backend.store(new, "new".into()).await.unwrap_err().kind(),
            backend.load(id).await.unwrap_err().kind(),
            backend
                .download(id, ByteRange::Full)
                .await
                .unwrap_err()
                .kind(),
            backend.stat(id).await.unwrap_err().kind(),
            backend.delete(id).await.unwrap_err().kind(),
            backend.sweep(Duration::ZERO).await.unwrap_err().kind(),
        ];
        assert_eq!(kinds, [ErrorKind::Misconfigured; 6], "{folder:?}");
        fs::remove_file(&path).unwrap();
        fs::rename(&moved, &path).unwrap();
        assert_eq!(backend.load(id).await.unwrap(), "stored", "{folder:?}");
        assert_eq!(world.blob_names(), [id.to_string()]);
        assert_eq!(names(&world.staging()), [""; 0]);
        assert_eq!(world.damage(), None);
    }
}

#[tokio::test]
async fn a_root_that_others_can_write_to_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::new();
    fs::create_dir(world.root()).unwrap();
    fs::set_permissions(world.root(), fs::Permissions::from_mode(0o777)).unwrap();
    let opened = artifact_backend_fs::FsBackend::open(world.root(), portable()).await;
    assert_eq!(opened.unwrap_err().kind(), ErrorKind::Misconfigured);
    assert_eq!(names(&world.root()), [""; 0]);
}

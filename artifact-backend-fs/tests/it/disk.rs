//! The files on the disk, and changes to them while a store is open.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use artifact_backend::{
    ArtifactBackend, ArtifactBackendExt, ArtifactId, ArtifactInventory, ByteRange, ErrorKind,
};
use artifact_backend_fs::FsConfig;
use bytes::Bytes;

use crate::world::{World, blob_names, names};

const BOTH: [bool; 2] = [false, true];

#[tokio::test]
async fn each_blob_is_one_private_file_with_one_name() {
    for named in BOTH {
        let world = World::new();
        let backend = world
            .open_with(FsConfig::default().with_named_staging(named))
            .await;
        let stored = ArtifactId::mint();
        backend.store(stored, "stored".into()).await.unwrap();
        let uploaded = ArtifactId::mint();
        let mut upload = backend.upload(uploaded).await.unwrap();
        upload.write("up".into()).await.unwrap();
        upload.write("loaded".into()).await.unwrap();
        upload.commit().await.unwrap();
        for (id, bytes) in [(stored, "stored"), (uploaded, "uploaded")] {
            let metadata = fs::symlink_metadata(world.blob(id)).unwrap();
            assert_eq!(
                metadata.mode(),
                0o100_400,
                "a blob is a regular file that only its owner can read"
            );
            assert_eq!(metadata.nlink(), 1);
            assert_eq!(fs::read(world.blob(id)).unwrap(), bytes.as_bytes());
        }
        assert_eq!(names(&world.staging()), [""; 0]);
    }
}

#[tokio::test]
async fn space_reserved_for_an_announced_size_is_freed() {
    for (hint, real) in [
        (8 << 20, 3 << 20),
        (2 << 20, 5 << 20),
        (u64::from(u32::MAX), 10),
    ] {
        let world = World::new();
        let backend = world.open().await;
        let id = ArtifactId::mint();
        let mut upload = backend.upload(id).await.unwrap();
        upload.expect_size(hint);
        let piece = Bytes::from(vec![7; 1 << 19]);
        let mut left = real;
        while left > 0 {
            let length = left.min(piece.len());
            upload.write(piece.slice(..length)).await.unwrap();
            left -= length;
        }
        upload.commit().await.unwrap();
        let metadata = fs::metadata(world.blob(id)).unwrap();
        assert_eq!(metadata.len(), real as u64);
        // st_blocks is in units of 512 bytes (inode(7)); a file system may round up by a little.
        assert!(
            metadata.blocks() * 512 <= real as u64 + (1 << 17),
            "{} blocks",
            metadata.blocks()
        );
        assert_eq!(backend.load(id).await.unwrap().len(), real);
    }
}

#[tokio::test]
async fn operations_on_a_removed_root_are_misconfigured() {
    let world = World::new();
    let backend = world.open().await;
    let id = ArtifactId::mint();
    backend.store(id, "x".into()).await.unwrap();
    fs::remove_dir_all(world.root()).unwrap();
    fs::create_dir(world.root()).unwrap();
    let kinds = [
        backend.load(id).await.unwrap_err().kind(),
        backend
            .download(id, ByteRange::Full)
            .await
            .unwrap_err()
            .kind(),
        backend.stat(id).await.unwrap_err().kind(),
        backend.delete(id).await.unwrap_err().kind(),
        backend
            .store(ArtifactId::mint(), "y".into())
            .await
            .unwrap_err()
            .kind(),
        backend
            .upload(ArtifactId::mint())
            .await
            .err()
            .unwrap()
            .kind(),
        backend.list().await.err().unwrap().kind(),
        backend
            .sweep(std::time::Duration::ZERO)
            .await
            .unwrap_err()
            .kind(),
    ];
    assert_eq!(kinds, [ErrorKind::Misconfigured; 8]);
    assert_eq!(
        names(&world.root()),
        [""; 0],
        "nothing may be written to the folder that replaced the root"
    );
}

#[tokio::test]
async fn a_moved_root_stays_in_use_when_a_symlink_replaces_it() {
    let world = World::new();
    let backend = world.open().await;
    let before = ArtifactId::mint();
    backend.store(before, "before".into()).await.unwrap();
    let moved = world.root().with_file_name("moved");
    fs::rename(world.root(), &moved).unwrap();
    std::os::unix::fs::symlink(world.outside(), world.root()).unwrap();
    let after = ArtifactId::mint();
    backend.store(after, "after".into()).await.unwrap();
    assert_eq!(backend.load(before).await.unwrap(), "before");
    assert_eq!(backend.load(after).await.unwrap(), "after");
    assert_eq!(names(&world.outside()), ["secret"]);
    assert_eq!(blob_names(&moved).len(), 2);
}

#[tokio::test]
async fn files_that_shrink_during_a_download_are_reported_as_corrupt() {
    let world = World::new();
    let backend = world.open().await;
    let body = Bytes::from(vec![5; 2 << 20]);
    for grow in [false, true] {
        let id = ArtifactId::mint();
        backend.store(id, body.clone()).await.unwrap();
        let mut download = backend.download(id, ByteRange::Full).await.unwrap();
        let first = download.next().await.unwrap().unwrap();
        // The test runs as root or the owner, so it can change the mode.
        fs::set_permissions(world.blob(id), fs::Permissions::from_mode(0o600)).unwrap();
        let mut file = fs::OpenOptions::new()
            .append(true)
            .open(world.blob(id))
            .unwrap();
        if grow {
            file.write_all(b"more").unwrap();
            // Only the promised bytes are delivered.
            assert_eq!(
                first.len() + download.into_bytes().await.unwrap().len(),
                body.len()
            );
        } else {
            file.set_len(first.len() as u64 + 1).unwrap();
            let error = download.into_bytes().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
        }
    }
}

/// A file that only looks like a blob, by whatever mode and link count, may be returned: the digest in the
/// catalog detects it. But it is never changed, and a store never acknowledges it as its own.
#[tokio::test]
async fn foreign_files_are_not_changed_and_not_acknowledged() {
    let world = World::new();
    let backend = world.open().await;
    for mode in [0o644, 0o600, 0o404, 0o4400, 0o400] {
        let id = ArtifactId::mint();
        fs::hard_link(world.secret(), world.blob(id)).unwrap();
        fs::set_permissions(world.blob(id), fs::Permissions::from_mode(mode)).unwrap();
        let error = backend.store(id, "ours".into()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        let mut upload = backend.upload(id).await.unwrap();
        upload.write("ours".into()).await.unwrap();
        let error = upload.commit().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert_eq!(world.damage(), None);
        backend.delete(id).await.unwrap();
        assert_eq!(world.damage(), None);
    }
}

/// Reads the folder from outside: the number of bytes that the file system reserved for its temporary file.
fn reserved(world: &World) -> u64 {
    let staged = names(&world.staging());
    assert_eq!(staged.len(), 1);
    fs::metadata(world.staging().join(&staged[0]))
        .unwrap()
        .blocks()
        * 512
}

#[tokio::test]
async fn bytes_that_have_not_arrived_reserve_little_space() {
    let world = World::within(std::path::Path::new(env!("CARGO_TARGET_TMPDIR")));
    let backend = world
        .open_with(FsConfig::default().with_named_staging(true))
        .await;
    let mut upload = backend.upload(ArtifactId::mint()).await.unwrap();
    upload.expect_size(100 << 20);
    assert_eq!(reserved(&world), 0);
    let mut arrived = 0;
    for piece in [256 << 10, 256 << 10, 1 << 20, 512 << 10, 6 << 20, 3 << 20] {
        upload.write(vec![1; piece].into()).await.unwrap();
        arrived += piece as u64;
        let ahead = reserved(&world) - arrived;
        assert!(
            ahead <= arrived.min(4 << 20) + (64 << 10),
            "{ahead} of {arrived}"
        );
    }
    upload.abort().await.unwrap();
}

#[tokio::test]
async fn a_temporary_name_left_by_a_crash_does_not_affect_its_blob() {
    let world = World::new();
    let backend = world
        .open_with(FsConfig::default().with_named_staging(true))
        .await;
    let id = ArtifactId::mint();
    backend.store(id, "whole".into()).await.unwrap();
    // The state after a crash between the link and the removal of the temporary name.
    fs::hard_link(world.blob(id), world.staging().join("upload-left")).unwrap();
    assert_eq!(backend.load(id).await.unwrap(), "whole");
    let report = backend.sweep(std::time::Duration::ZERO).await.unwrap();
    assert_eq!((report.removed, report.kept), (1, 0));
    assert_eq!(backend.load(id).await.unwrap(), "whole");
    assert_eq!(fs::metadata(world.blob(id)).unwrap().nlink(), 1);
}

#[tokio::test]
async fn inline_and_blocking_reads_return_the_same_bytes() {
    let world = World::new();
    let inline = world.open().await;
    let blocking = world
        .open_with(FsConfig::default().with_inline_read_bytes(0))
        .await;
    for size in [0, 1, 4095, 4096, 65_535, 65_536, 65_537, 300_000] {
        let id = ArtifactId::mint();
        let body: Bytes = (0..size)
            .map(|at: u32| at.to_le_bytes()[0] ^ at.to_le_bytes()[1])
            .collect();
        inline.store(id, body.clone()).await.unwrap();
        assert_eq!(inline.load(id).await.unwrap(), body);
        assert_eq!(blocking.load(id).await.unwrap(), body);
        assert_eq!(
            blocking.load_range(id, ByteRange::Full).await.unwrap(),
            body
        );
    }
}

//! Sweeps: which files are removed and which are kept.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use artifact_backend::{ArtifactBackend, ArtifactId, ArtifactInventory, SweepReport};
use artifact_backend_fs::FsConfig;

use crate::world::{World, is_root, names, skip};

const DAY: Duration = Duration::from_secs(86_400);

fn counts(report: SweepReport) -> (u64, u64, u64) {
    (report.removed, report.removed_bytes, report.kept)
}

#[tokio::test]
async fn only_old_leftovers_are_removed() {
    let world = World::new();
    let backend = world.open().await;
    for (name, age) in [("upload-old", 2 * DAY), ("upload-young", DAY / 2)] {
        let path = world.staging().join(name);
        fs::write(&path, "leftover").unwrap();
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        #[expect(
            clippy::disallowed_methods,
            reason = "the age of a file is by the real clock"
        )]
        file.set_modified(SystemTime::now() - age).unwrap();
    }
    assert_eq!(counts(backend.sweep(DAY).await.unwrap()), (1, 8, 1));
    assert_eq!(names(&world.staging()), ["upload-young"]);
    assert_eq!(
        counts(backend.sweep(Duration::ZERO).await.unwrap()),
        (1, 8, 0)
    );
}

#[tokio::test]
async fn locked_files_are_kept() {
    let world = World::new();
    let backend = world.open().await;
    let path = world.staging().join("upload-in-use");
    fs::write(&path, "live").unwrap();
    // flock(2) belongs to an open file, not to a process, so this acts like another process.
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.lock().unwrap();
    assert_eq!(
        counts(backend.sweep(Duration::ZERO).await.unwrap()),
        (0, 0, 1)
    );
    drop(file);
    assert_eq!(
        counts(backend.sweep(Duration::ZERO).await.unwrap()),
        (1, 4, 0)
    );
}

#[tokio::test]
async fn aborted_uploads_leave_nothing_behind() {
    for named in [false, true] {
        let world = World::new();
        let backend = world
            .open_with(FsConfig::default().with_named_staging(named))
            .await;
        let id = ArtifactId::mint();
        let mut upload = backend.upload(id).await.unwrap();
        upload.write(vec![1; 1 << 20].into()).await.unwrap();
        assert_eq!(names(&world.staging()).len(), usize::from(named));
        upload.abort().await.unwrap();
        assert_eq!(names(&world.staging()), [""; 0]);
        assert_eq!(world.blob_names(), [""; 0]);
    }
}

#[tokio::test]
async fn foreign_files_in_the_staging_folder_are_kept() {
    let world = World::new();
    let backend = world.open().await;
    std::os::unix::fs::symlink(world.secret(), world.staging().join("upload-link")).unwrap();
    fs::create_dir(world.staging().join("upload-folder")).unwrap();
    fs::write(world.staging().join("notes"), "an operator's").unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        world.staging().join("upload-fifo"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    assert_eq!(
        counts(backend.sweep(Duration::ZERO).await.unwrap()),
        (0, 0, 3)
    );
    assert_eq!(
        names(&world.staging()),
        ["notes", "upload-fifo", "upload-folder", "upload-link"]
    );
    assert_eq!(world.damage(), None);
}

/// e2fsck left such a name in one of 6,000 crash states of ext4 without a journal.
#[tokio::test]
async fn blobs_with_repaired_names_are_counted_and_kept() {
    let world = World::new();
    let backend = world.open().await;
    let repaired = world.root().join("blobs/7").join(".".repeat(32));
    fs::write(&repaired, "never acknowledged").unwrap();
    fs::write(world.root().join("blobs/notes.txt"), "an operator's").unwrap();
    // A migration does not move such a name: its first digits may be gone.
    fs::write(
        world.root().join("blobs").join(".".repeat(32)),
        "from version 1",
    )
    .unwrap();
    assert_eq!(
        counts(backend.sweep(Duration::ZERO).await.unwrap()),
        (0, 0, 2)
    );
    assert_eq!(fs::read(&repaired).unwrap(), b"never acknowledged");
}

/// A read-only descriptor is enough for a shared lock, over NFS too. Only the user of a file holds an
/// exclusive one.
#[tokio::test]
async fn the_lock_of_another_sweep_does_not_keep_a_leftover() {
    let world = World::new();
    let backend = world.open().await;
    let path = world.staging().join("upload-left");
    fs::write(&path, "left").unwrap();
    let other = fs::File::open(&path).unwrap();
    other.lock_shared().unwrap();
    assert_eq!(
        counts(backend.sweep(Duration::ZERO).await.unwrap()),
        (1, 4, 0)
    );
}

#[tokio::test]
async fn a_leftover_that_cannot_be_removed_does_not_end_a_sweep() {
    let chattr = |flag: &str, path: &Path| {
        let ended = Command::new("chattr").arg(flag).arg(path).status();
        ended.is_ok_and(|status| status.success())
    };
    // On a disk, because a tmpfs has no such attribute.
    let world = World::within(Path::new(env!("CARGO_TARGET_TMPDIR")));
    let backend = world.open().await;
    let left = |number: u32| world.staging().join(format!("upload-{number}"));
    for number in 0..9 {
        fs::write(left(number), "left").unwrap();
    }
    let stuck = left(4);
    let set = is_root() && chattr("+i", &stuck);
    if skip(
        set,
        "a sweep past an error",
        "run it as root, on ext4 or xfs",
    ) {
        return;
    }
    let report = backend.sweep(Duration::ZERO).await;
    assert!(chattr("-i", &stuck));
    assert_eq!(counts(report.unwrap()), (8, 32, 1));
    assert_eq!(names(&world.staging()), ["upload-4"]);
}

//! What `examine_folder` says about file systems.

use std::fs;
use std::time::Duration;

use artifact_backend::ErrorKind;
use artifact_backend_fs::{FileSystemRisk, FsBackend, FsConfig, examine_folder};
use artifact_crash_test::syscalls::{self, Fault};
use rustix::io::Errno;

use crate::faults::{Mounted, cannot_mount};
use crate::syscalls::subject;
use crate::world::{World, in_memory, names, skip};

#[test]
fn an_ext4_with_its_options_is_described() {
    if cannot_mount() {
        return;
    }
    for (options, journal, stops, risks) in [
        (
            "-O ^has_journal",
            false,
            false,
            &[FileSystemRisk::ContinuesAfterErrors][..],
        ),
        ("-O ^has_journal -e remount-ro", false, true, &[]),
        ("-O has_journal,^fast_commit", true, false, &[]),
    ] {
        let mounted = Mounted::new("ext4", options);
        let folder = mounted.root().parent().unwrap().to_owned();
        let report = examine_folder(&folder).unwrap();
        assert_eq!(report.file_system, "ext4");
        assert_eq!(report.mount_point, folder);
        let options: Vec<_> = report.mount_options.split(',').collect();
        assert!(options.contains(&"rw"), "{options:?}");
        let ext4 = report.ext4.unwrap();
        assert_eq!((ext4.journal, ext4.stops_after_errors), (journal, stops));
        assert!(!ext4.fast_commit);
        assert_eq!(report.risks, risks);
        assert_eq!(report.journals_links, journal);
        assert!(report.is_local && !report.is_memory && !report.is_read_only);
        assert!(report.unnamed_files && report.openat2);
        assert_eq!(report.creation_error, None);
        // The image has 24 MiB.
        assert!(
            (1 << 20..24 << 20).contains(&report.free_bytes),
            "{report:?}"
        );
        assert!(
            (1 << 20..24 << 20).contains(&report.total_bytes),
            "{report:?}"
        );
        assert!(report.free_files.unwrap() > 100, "{report:?}");
        let syncs = report.syncs.unwrap();
        assert_eq!(syncs.syncs, 16);
        assert!(Duration::ZERO < syncs.median && syncs.median <= syncs.longest);
        assert_eq!(names(&folder), ["lost+found"]);

        mounted.remount("ro");
        let report = examine_folder(&folder).unwrap();
        let error = std::io::ErrorKind::ReadOnlyFilesystem;
        assert_eq!(report.creation_error, Some(error));
        assert!(report.is_read_only && report.syncs.is_none(), "{report:?}");
    }
}

#[test]
fn a_file_system_in_memory_is_recognised() {
    if cannot_mount() {
        return;
    }
    let mounted = Mounted::new("tmpfs", "size=1m,nr_inodes=40");
    let folder = mounted.root().parent().unwrap().to_owned();
    let report = examine_folder(&folder).unwrap();
    assert_eq!((&*report.file_system, report.is_memory), ("tmpfs", true));
    assert_eq!((report.total_bytes, report.ext4), (1 << 20, None));
    assert!(report.free_files.unwrap() < 40, "{report:?}");
}

#[tokio::test]
async fn a_root_with_a_failed_sync_is_recognised_and_nothing_is_left_behind() {
    let world = World::new();
    drop(world.open().await);
    let before = names(&world.root());
    assert!(!examine_folder(&world.root()).unwrap().has_failed_sync);
    assert_eq!(names(&world.root()), before);
    fs::write(world.root().join("failed-sync"), "").unwrap();
    assert!(examine_folder(&world.root()).unwrap().has_failed_sync);
    let absent = examine_folder(&world.root().join("absent")).unwrap_err();
    assert_eq!(absent.kind(), std::io::ErrorKind::NotFound);
}

#[tokio::test]
async fn a_sync_of_a_root_that_fails_while_it_is_examined_is_kept() {
    if skip(
        syscalls::available().is_ok(),
        "failed syncs",
        "allow ptrace(2)",
    ) {
        return;
    }
    for number in [1, 16] {
        let folder = tempfile::tempdir_in(in_memory()).unwrap();
        let root = folder.path().join("root");
        let mut seen = 0;
        let run = syscalls::trace(&subject(false, "examine"), &root, |call| {
            seen += usize::from(call.name == "fsync");
            (call.name == "fsync" && seen == number).then_some(Fault::Fail(Errno::IO))
        });
        run.unwrap();
        assert!(seen >= number, "{seen}");
        let refused = FsBackend::open(&root, FsConfig::default()).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Misconfigured);
        assert!(root.join("failed-sync").exists(), "fsync number {number}");
    }
}

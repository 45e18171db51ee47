//! A failed sync of any file stops every later acknowledgement: in the process, in other processes, and
//! after a restart.

use std::fs;
use std::path::Path;

use artifact_backend::{ArtifactBackend, ArtifactId, ArtifactInventory, ErrorKind};
use artifact_backend_fs::{FsBackend, FsConfig};
use artifact_crash_test::Line;
use artifact_crash_test::syscalls::{self, Fault, TracedRun};
use rustix::io::Errno;

use crate::syscalls::subject;
use crate::world::{World, in_memory, skip};

/// Runs an operation whose `number`th call named `name` fails. Returns nothing if there is no such call.
fn run_with_failure(
    root: &Path,
    (named, operation): (bool, &str),
    (name, number): (&str, usize),
    errno: Errno,
) -> Option<TracedRun> {
    let mut seen = 0;
    let run = syscalls::trace(&subject(named, operation), root, |call| {
        seen += usize::from(call.name == name);
        (call.name == name && seen == number).then_some(Fault::Fail(errno))
    });
    (seen >= number).then_some(run.unwrap())
}

fn acknowledged(run: &TracedRun) -> Vec<&str> {
    let lines = run.lines.iter().filter_map(|line| match line {
        Line::Ack(id, _) | Line::Exists(id) => Some(&id[..2]),
        _ => None,
    });
    lines.collect()
}

#[tokio::test]
async fn a_failed_sync_stops_every_later_store() {
    let traced = syscalls::available().is_ok();
    if skip(traced, "failed syncs", "allow ptrace(2)") {
        return;
    }
    let cases = [
        ((false, "store-twice"), "fsync", Errno::IO),
        ((true, "store-twice"), "fsync", Errno::IO),
        ((false, "store-twice"), "fsync", Errno::ROFS),
        ((false, "store-twice"), "linkat", Errno::IO),
        ((false, "store-twice"), "linkat", Errno::UCLEAN),
        ((false, "delete-store"), "unlinkat", Errno::IO),
        ((false, "delete-store"), "fsync", Errno::IO),
    ];
    for (operation, name, errno) in cases {
        let mut failures = 0;
        for number in 1.. {
            let label = format!("{operation:?}, {name} number {number}: {errno}");
            let folder = tempfile::tempdir_in(in_memory()).unwrap();
            let root = folder.path().join("root");
            let Some(run) = run_with_failure(&root, operation, (name, number), errno) else {
                break;
            };
            failures += 1;
            let stored = acknowledged(&run);
            // A call of the second store fails after the first was acknowledged.
            assert!(
                stored == ["0a"] || stored == ["0a", "0b"],
                "{label}: {stored:?}"
            );
            assert!(
                stored.len() == 1 || operation.1 == "store-twice" && number > 1,
                "{label}"
            );
            let refused = FsBackend::open(&root, FsConfig::default())
                .await
                .unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Misconfigured, "{label}");
            let text = refused.to_string();
            assert!(
                text.contains("fsck") && text.contains("remove the file failed-sync"),
                "{text}"
            );
            let text = fs::read_to_string(root.join("failed-sync")).unwrap();
            assert!(text.contains("fsck"), "{label}: {text}");
            fs::remove_file(root.join("failed-sync")).unwrap();
            let backend = FsBackend::open(&root, FsConfig::default()).await.unwrap();
            backend
                .store(ArtifactId::mint(), "new".into())
                .await
                .unwrap();
        }
        assert!(failures > 0, "{operation:?}: no call {name}");
    }
}

#[test]
fn a_full_disk_does_not_count_as_a_failed_sync_of_the_bytes() {
    let traced = syscalls::available().is_ok();
    if skip(traced, "failed syncs", "allow ptrace(2)") {
        return;
    }
    for errno in [Errno::NOSPC, Errno::DQUOT] {
        let folder = tempfile::tempdir_in(in_memory()).unwrap();
        let root = folder.path().join("root");
        let run = run_with_failure(&root, (false, "store-twice"), ("fsync", 1), errno).unwrap();
        assert_eq!(acknowledged(&run), ["0a", "0c"], "{errno}");
        assert!(!root.join("failed-sync").exists());
    }
}

#[tokio::test]
async fn a_failed_sync_while_a_new_root_is_opened_is_kept() {
    let traced = syscalls::available().is_ok();
    if skip(traced, "failed syncs", "allow ptrace(2)") {
        return;
    }
    for number in 1..=4 {
        let folder = tempfile::tempdir_in(in_memory()).unwrap();
        let root = folder.path().join("root");
        run_with_failure(&root, (false, "open"), ("fsync", number), Errno::IO).unwrap();
        let refused = FsBackend::open(&root, FsConfig::default())
            .await
            .unwrap_err();
        assert_eq!(
            refused.kind(),
            ErrorKind::Misconfigured,
            "fsync number {number}"
        );
        fs::remove_file(root.join("failed-sync")).unwrap();
        FsBackend::open(&root, FsConfig::default()).await.unwrap();
    }
}

#[tokio::test]
async fn a_sync_that_failed_in_another_process_stops_stores_and_deletes_but_not_loads() {
    let world = World::new();
    let backend = world.open().await;
    let (old, new) = (ArtifactId::mint(), ArtifactId::mint());
    backend.store(old, "old".into()).await.unwrap();
    fs::write(world.root().join("failed-sync"), "").unwrap();
    let error = backend.store(new, "new".into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Ambiguous, "{error}");
    for id in [old, ArtifactId::mint()] {
        let error = backend.store(id, "more".into()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unexpected, "{error}");
        assert!(error.to_string().contains("earlier sync"), "{error}");
    }
    let refused = backend.upload(ArtifactId::mint()).await.err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::Unexpected, "{refused}");
    let kept = backend.delete(old).await.unwrap_err();
    assert_eq!(kept.kind(), ErrorKind::Unexpected, "{kept}");
    assert_eq!(
        backend.probe().await.unwrap_err().kind(),
        ErrorKind::Unexpected
    );
    assert_eq!(backend.load(old).await.unwrap(), "old");
    assert_eq!(world.blob_names().len(), 2);
}

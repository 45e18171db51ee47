//! Power cuts on the strict file system, and faults at system calls.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use artifact_backend::{ArtifactBackend, ArtifactId, ArtifactInventory, ErrorKind};
use artifact_backend_pack::PackBackend;
use artifact_crash_test::strict::{
    Exploration, OpKind, Options, Survival, SweepOptions, explore, record, sweep,
};
use artifact_crash_test::syscalls::{self, Fault, TracedRun};
use artifact_crash_test::{Line, RunOutcome, Subject, available};
use rustix::io::Errno;

use crate::world::{World, in_memory, names, small_segments};

/// Returns whether to skip a test that this machine cannot run, and prints why.
#[expect(clippy::print_stderr, reason = "a skip prints one line")]
fn skip(unless: bool, what: &str, how: &str) -> bool {
    if unless {
        return false;
    }
    assert!(
        std::env::var_os("ARTIFACT_TEST_REQUIRE").is_none_or(|value| value != "all"),
        "{what} was not tested; {how}"
    );
    eprintln!("skipped: {what}; {how}");
    true
}

fn subject(operation: &str) -> Subject {
    let mut program: PathBuf = std::env::current_exe().unwrap();
    program.pop();
    program.pop();
    let program = program.join("examples/pack_subject");
    assert!(
        program.exists(),
        "{} is not built; run: cargo build -p artifact-backend-pack --examples",
        program.display()
    );
    Subject::new(program)
        .with_time_limit(Duration::from_secs(60))
        .with_arg(operation)
}

#[test]
fn no_power_cut_loses_or_invents_a_blob() {
    if skip(
        available().is_ok(),
        "power cuts",
        "run as root with /dev/fuse",
    ) {
        return;
    }
    let subject = subject("mixed");
    let recording = record(&subject, Options::default()).unwrap();
    assert_eq!(recording.outcome, RunOutcome::Success);
    let exploration = Exploration::default()
        .with_survivals(Survival::ALL)
        .with_trials(2)
        .with_max_states(40);
    let report = explore(&recording, &subject.clone().into(), &exploration).unwrap();
    assert!(report.is_clean(), "{report}");
    assert!(report.states >= 25, "{report}");
}

#[test]
fn no_power_cut_loses_or_invents_a_blob_when_a_file_is_recycled() {
    if skip(
        available().is_ok(),
        "power cuts of recycled files",
        "run as root with /dev/fuse",
    ) {
        return;
    }
    let subject = subject("recycle");
    let recording = record(&subject, Options::default()).unwrap();
    assert_eq!(recording.outcome, RunOutcome::Success);
    let exploration = Exploration::default()
        .with_survivals(Survival::ALL)
        .with_trials(1)
        .with_max_states(30);
    let report = explore(&recording, &subject.clone().into(), &exploration).unwrap();
    assert!(report.is_clean(), "{report}");
    assert!(report.states >= 20, "{report}");
}

#[test]
fn no_error_of_the_file_system_loses_or_invents_a_blob() {
    if skip(
        available().is_ok(),
        "errors of a file system",
        "run as root with /dev/fuse",
    ) {
        return;
    }
    let cases = [
        ("mixed", [OpKind::Fsync, OpKind::Write]),
        ("recycle", [OpKind::Fsync, OpKind::Rename]),
    ];
    for (operation, kinds) in cases {
        let subject = subject(operation);
        let options = SweepOptions::default()
            .with_kinds(kinds)
            .with_max_runs(4)
            .with_max_states(6);
        let report = sweep(&subject, &subject.clone().into(), &options).unwrap();
        assert!(report.is_clean(), "{operation}: {report}");
    }
}

/// Runs an operation whose `number`th call named `name` fails. Returns nothing if there is no such call.
fn run_with_failure(
    root: &Path,
    operation: &str,
    (name, number): (&str, usize),
    errno: Errno,
) -> Option<TracedRun> {
    let mut seen = 0;
    let subject = subject(operation).with_begin_signal();
    let run = syscalls::trace(&subject, root, |call| {
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
async fn a_failed_sync_stops_every_later_store_also_after_a_restart() {
    let traced = syscalls::available().is_ok();
    if skip(traced, "failed syncs", "allow ptrace(2)") {
        return;
    }
    let cases = [
        ("store-twice", "fdatasync", Errno::IO, "0a"),
        ("store-twice", "fdatasync", Errno::NOSPC, "0a"),
        ("store-twice", "pwrite64", Errno::IO, "0a"),
        ("delete-store", "fdatasync", Errno::IO, "0a"),
        // The sync of a larger blob stops the segments too.
        ("store-large", "fsync", Errno::IO, "0a"),
        ("seal", "fsync", Errno::IO, "23"),
    ];
    for (operation, name, errno, last) in cases {
        let label = format!("{operation}, {name}: {errno}");
        let folder = tempfile::tempdir_in(in_memory()).unwrap();
        let root = folder.path().join("root");
        let run = run_with_failure(&root, operation, (name, 1), errno).unwrap();
        assert_eq!(acknowledged(&run).last(), Some(&last), "{label}");
        let refused = PackBackend::open(&root, small_segments()).await;
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{label}");
        assert!(
            error.to_string().contains("failed-sync"),
            "{label}: {error}"
        );
        // After the repair: what was not acknowledged is not there, whatever the kernel shows.
        fs::remove_file(root.join("large/failed-sync")).unwrap();
        let backend = PackBackend::open(&root, small_segments()).await.unwrap();
        let left = names(&root.join("segments"));
        assert!(
            !left.iter().any(|name| name.contains("cut")),
            "{label}: {left:?}"
        );
        let old = ArtifactId::from_bytes([0x0a; 16]);
        assert_eq!(backend.load(old).await.unwrap().len(), 5_000, "{label}");
        for absent in [0x0b, 0x0c] {
            let id = ArtifactId::from_bytes([absent; 16]);
            let error = backend.load(id).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound, "{label}");
            backend.store(id, "new".into()).await.unwrap();
        }
        drop(backend);
        let backend = PackBackend::open(&root, small_segments()).await.unwrap();
        assert_eq!(backend.load(old).await.unwrap().len(), 5_000, "{label}");
        let id = ArtifactId::from_bytes([0x0b; 16]);
        assert_eq!(backend.load(id).await.unwrap(), "new", "{label}");
    }
}

#[tokio::test]
async fn a_full_disk_fails_one_group_and_no_other() {
    let traced = syscalls::available().is_ok();
    if skip(traced, "a full disk", "allow ptrace(2)") {
        return;
    }
    for errno in [Errno::NOSPC, Errno::DQUOT] {
        let folder = tempfile::tempdir_in(in_memory()).unwrap();
        let root = folder.path().join("root");
        let run = run_with_failure(&root, "store-twice", ("pwrite64", 1), errno).unwrap();
        assert_eq!(acknowledged(&run), ["0a", "0c"], "{errno}");
        let backend = PackBackend::open(&root, small_segments()).await.unwrap();
        let failed = backend.load(ArtifactId::from_bytes([0x0b; 16])).await;
        assert_eq!(failed.unwrap_err().kind(), ErrorKind::NotFound);
        let stored = backend.load(ArtifactId::from_bytes([0x0c; 16])).await;
        assert_eq!(stored.unwrap().len(), 5_000);
    }
}

#[tokio::test]
async fn a_sync_that_failed_elsewhere_stops_stores_and_deletes_but_not_loads() {
    let world = World::new();
    let backend = world.open().await;
    let (old, large) = (ArtifactId::mint(), ArtifactId::mint());
    backend.store(old, "old".into()).await.unwrap();
    backend.store(large, vec![5; 100_000].into()).await.unwrap();
    fs::write(world.root().join("large/failed-sync"), "").unwrap();
    for bytes in [vec![1; 10], vec![1; 100_000]] {
        let stored = backend.store(ArtifactId::mint(), bytes.into()).await;
        let error = stored.unwrap_err();
        let kinds = [ErrorKind::Unexpected, ErrorKind::Ambiguous];
        assert!(kinds.contains(&error.kind()), "{error}");
    }
    let kept = backend.delete(old).await.unwrap_err();
    assert_eq!(kept.kind(), ErrorKind::Unexpected, "{kept}");
    let probed = backend.probe().await.unwrap_err();
    assert_eq!(probed.kind(), ErrorKind::Unexpected, "{probed}");
    assert_eq!(backend.load(old).await.unwrap(), "old");
    assert_eq!(backend.load(large).await.unwrap().len(), 100_000);
}

//! Faults at every system call of every operation: the process is killed, the call fails, or it is cut
//! short. Then the store is opened again and checked.

use std::path::PathBuf;
use std::time::Duration;

use artifact_crash_test::syscalls::{self, Call, Fault, SyscallSweep};
use artifact_crash_test::{Checker, Layout, RunOutcome, Subject};

use crate::world::{in_memory, skip};

/// Returns the path of an example program of this crate.
pub(crate) fn example(name: &str) -> PathBuf {
    let mut program = std::env::current_exe().unwrap();
    program.pop();
    program.pop();
    let program = program.join("examples").join(name);
    assert!(
        program.exists(),
        "{} is not built; run: cargo build -p artifact-backend-fs --examples",
        program.display()
    );
    program
}

/// How the subject uses the file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Unnamed,
    Named,
    Portable,
}

impl From<bool> for Way {
    fn from(named: bool) -> Self {
        if named { Self::Named } else { Self::Unnamed }
    }
}

/// Returns the program that runs one operation.
pub(crate) fn subject(way: impl Into<Way>, operation: &str) -> Subject {
    let program = example("syscall_subject");
    let subject = Subject::new(program)
        .with_time_limit(Duration::from_secs(20))
        .with_begin_signal();
    let subject = match way.into() {
        Way::Unnamed => subject,
        Way::Named => subject.with_arg("--named"),
        Way::Portable => subject.with_arg("--portable"),
    };
    subject.with_arg(operation)
}

/// Returns where the files of a root are. A migration has blobs in both places.
pub(crate) fn layout() -> Layout {
    let blobs = ["blobs/{hex1}/{hex32}", "blobs/{hex32}"];
    Layout::new(blobs, ["staging/*", "artifact-format", "failed-sync"]).unwrap()
}

/// Returns whether faults or attacks are tried at a call. Each fan-out folder is created, read and synced by the same
/// calls, so two of the 16 are enough.
pub(crate) fn is_wanted(call: &Call) -> bool {
    let folder = call.target.split_once("/blobs/").map(|(_, path)| path);
    folder.is_none_or(|path| path.len() != 1 || ["0", "f"].contains(&path))
}

/// Returns whether faults are injected at a call of the portable profile.
///
/// It inspects the same four folders before and after each step, so faults at the fan-out folder are enough. `std` asserts
/// that the close of a folder that was read succeeds (`Drop for Dir` in library/std/src/sys/fs/unix.rs), so that fault would
/// end the process.
fn is_wanted_of_portable(call: &Call) -> bool {
    let folder = call.target.rsplit('/').next().unwrap_or_default();
    let is_root = folder == "root" || folder.starts_with("root-");
    let is_folder = folder.len() == 1 || is_root || ["blobs", "staging"].contains(&folder);
    match call.name {
        "close" => !is_folder,
        "statx" => is_wanted(call) && !["root", "blobs", "staging"].contains(&folder),
        _ => is_wanted(call),
    }
}

fn sweep(way: Way, operation: &str) -> Option<SyscallSweep> {
    let available = syscalls::available();
    let remedy = "allow ptrace(2), for example outside a container";
    if skip(available.is_ok(), "faults at system calls", remedy) {
        return None;
    }
    let subject = subject(way, operation);
    let parent = tempfile::tempdir_in(in_memory()).unwrap();
    let layout = layout();
    let wanted = if way == Way::Portable {
        is_wanted_of_portable
    } else {
        is_wanted
    };
    // The path check comes first, because the library may remove leftovers.
    let checkers = [Checker::from(layout), Checker::from(subject.clone())];
    Some(syscalls::sweep_where(&subject, parent.path(), &checkers, wanted).unwrap())
}

/// Checks an operation with unnamed and with named temporary files.
fn survives(operation: &str, wanted: &[&str]) {
    for way in [Way::Unnamed, Way::Named] {
        survives_with(way, operation, wanted);
    }
}

#[expect(clippy::print_stdout, reason = "the counts are shown with --nocapture")]
pub(crate) fn survives_with(way: Way, operation: &str, wanted: &[&str]) {
    let Some(swept) = sweep(way, operation) else {
        return;
    };
    let calls: Vec<_> = swept.calls.iter().map(|call| call.name).collect();
    let report = &swept.report;
    let label = format!("{operation}, {way:?}");
    println!("{label}: {} calls, {} faults", calls.len(), report.faults);
    assert!(report.is_clean(), "{label}:\n{report}");
    // preadv2 starts to read uncached bytes ahead, and sometimes the disk is fast enough that it returns them itself.
    // The read on a blocking thread is then missing from that run; "load-waits" always has it.
    if !operation.ends_with("-cold") {
        assert_eq!(swept.not_reached, 0, "{label}: {calls:?}");
    }
    for name in wanted {
        assert!(calls.contains(name), "{label}: {name} is not in {calls:?}");
    }
}

#[test]
fn opening_survives_faults_at_every_system_call() {
    survives_with(
        Way::Unnamed,
        "open",
        &["mkdirat", "openat2", "linkat", "fsync"],
    );
}

#[test]
fn a_store_survives_faults_at_every_system_call() {
    survives("store", &["write", "fsync", "linkat"]);
}

#[test]
fn a_store_of_an_empty_blob_survives_faults_at_every_system_call() {
    survives("store-empty", &["fsync", "linkat"]);
}

#[test]
fn a_store_of_a_taken_id_survives_faults_at_every_system_call() {
    survives("store-again", &["write", "fsync", "linkat"]);
}

#[test]
fn an_upload_survives_faults_at_every_system_call() {
    let wanted = [
        "fallocate",
        "write",
        "fadvise64",
        "ftruncate",
        "fsync",
        "linkat",
    ];
    survives("upload", &wanted);
}

#[test]
fn an_aborted_or_dropped_upload_survives_faults_at_every_system_call() {
    survives("upload-abort", &["write"]);
    survives("upload-drop", &["write"]);
}

#[test]
fn a_load_survives_faults_at_every_system_call() {
    survives_with(Way::Unnamed, "load", &["openat2", "fstat", "preadv2"]);
    survives_with(Way::Unnamed, "load-waits", &["openat2", "fstat", "pread64"]);
    survives_with(Way::Unnamed, "load-absent", &["openat2", "newfstatat"]);
    survives_with(Way::Unnamed, "load-cold", &["openat2", "fstat", "preadv2"]);
    survives_with(Way::Unnamed, "download", &["openat2", "fstat", "preadv2"]);
}

/// If `RWF_NOWAIT` cannot return the bytes at once, a blocking thread reads them.
#[test]
fn loads_of_uncached_blobs_never_block_an_async_thread() {
    let available = syscalls::available();
    let remedy = "allow ptrace(2), for example outside a container";
    if skip(available.is_ok(), "which thread waits for the disk", remedy) {
        return;
    }
    // On a disk, because a tmpfs cannot drop its pages.
    let parent = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let reads = |operation: &str, cached: bool| {
        let root = parent.path().join(operation);
        // The disk is sometimes fast enough that preadv2 returns what it has just begun to read, so the tracer
        // answers in its place.
        let answer = |call: &Call| {
            let refused = call.name == "preadv2" && !cached;
            refused.then_some(Fault::Fail(rustix::io::Errno::AGAIN))
        };
        let run = syscalls::trace(&subject(Way::Unnamed, operation), &root, answer).unwrap();
        assert_eq!(run.outcome, RunOutcome::Success, "{operation}");
        let calls = run
            .calls
            .iter()
            .filter(|call| call.name.starts_with("pread"));
        calls
            .map(|call| (call.name, call.first_thread))
            .collect::<Vec<_>>()
    };
    let handed_over = [("preadv2", true), ("pread64", false)];
    for operation in ["load", "load-cold", "download-cold"] {
        let seen = reads(operation, false);
        assert_eq!(seen, handed_over, "{operation}");
    }
    assert_eq!(reads("load", true), [("preadv2", true)]);
    assert_eq!(reads("load-waits", true), [("pread64", false)]);
    // Without the tracer's answer, the disk decides whether the blocking thread has to read.
    for operation in ["load-cold", "download-cold"] {
        let seen = reads(operation, true);
        assert!(
            !seen.is_empty() && handed_over.starts_with(&seen),
            "{operation}: {seen:?}"
        );
    }
}

#[test]
fn a_delete_survives_faults_at_every_system_call() {
    survives_with(Way::Unnamed, "delete", &["newfstatat", "unlinkat", "fsync"]);
}

/// Otherwise a size could count as written that only a later store gave the folder.
#[test]
fn a_store_reads_the_size_of_its_folder_between_link_and_sync() {
    let available = syscalls::available();
    let remedy = "allow ptrace(2), for example outside a container";
    if skip(available.is_ok(), "the order of a store", remedy) {
        return;
    }
    let parent = tempfile::tempdir_in(in_memory()).unwrap();
    let root = parent.path().join("root");
    let run = syscalls::trace(&subject(Way::Unnamed, "store"), &root, |_| None).unwrap();
    assert_eq!(run.outcome, RunOutcome::Success);
    let last = |name: &str| {
        let of = |call: &Call| call.name == name && call.target.ends_with("blobs/0");
        run.calls.iter().rposition(of)
    };
    let linked = run.calls.iter().rposition(|call| call.name == "linkat");
    let (inspected, synced) = (last("fstat"), last("fsync"));
    assert!(
        linked.is_some() && linked < inspected && inspected < synced,
        "{linked:?}, {inspected:?}, {synced:?}"
    );
}

/// Otherwise another blob could get the blocks of a deleted one before its name is gone from the disk.
#[test]
fn a_deleted_blob_stays_open_until_its_folder_is_synced() {
    let available = syscalls::available();
    let remedy = "allow ptrace(2), for example outside a container";
    if skip(available.is_ok(), "the order of a delete", remedy) {
        return;
    }
    let parent = tempfile::tempdir_in(in_memory()).unwrap();
    let root = parent.path().join("root");
    let run = syscalls::trace(&subject(Way::Unnamed, "delete"), &root, |_| None).unwrap();
    assert_eq!(run.outcome, RunOutcome::Success);
    let last = |name: &str, part: &str| {
        let of = |call: &Call| call.name == name && call.target.contains(part);
        run.calls.iter().rposition(of)
    };
    let (unlinked, synced) = (last("unlinkat", "0a0a"), last("fsync", "blobs/0"));
    assert!(
        unlinked.is_some() && unlinked < synced,
        "{unlinked:?}, {synced:?}"
    );
    let closed = last("close", "0a0a");
    assert!(synced < closed, "{synced:?}, {closed:?}");
}

#[test]
fn stat_and_list_survive_faults_at_every_system_call() {
    survives_with(Way::Unnamed, "stat", &["newfstatat"]);
    survives_with(Way::Unnamed, "list", &["getdents64", "newfstatat"]);
}

#[test]
fn a_migration_survives_faults_at_every_system_call() {
    survives_with(
        Way::Unnamed,
        "migrate",
        &["linkat", "fsync", "unlinkat", "renameat"],
    );
    survives_with(
        Way::Unnamed,
        "migrate-open",
        &["mkdirat", "fsync", "renameat"],
    );
}

#[test]
fn operations_before_the_migration_survive_faults_at_every_system_call() {
    survives("migrate-store", &["write", "fsync", "linkat"]);
    survives("migrate-store-again", &["write", "fsync"]);
    survives_with(
        Way::Unnamed,
        "migrate-load",
        &["openat2", "fstat", "pread64"],
    );
    survives_with(Way::Unnamed, "migrate-delete", &["unlinkat", "fsync"]);
}

/// After the migration an absent blob costs no second look-up.
#[test]
fn a_blob_is_looked_for_in_blobs_itself_only_before_the_migration() {
    let available = syscalls::available();
    let remedy = "allow ptrace(2), for example outside a container";
    if skip(available.is_ok(), "which places are searched", remedy) {
        return;
    }
    let searched = |operation: &str| {
        let parent = tempfile::tempdir_in(in_memory()).unwrap();
        let root = parent.path().join("root");
        let run = syscalls::trace(&subject(Way::Unnamed, operation), &root, |_| None).unwrap();
        assert_eq!(run.outcome, RunOutcome::Success, "{operation}");
        let flat = |call: &&Call| {
            let path = call.target.split_once("/blobs/").map(|(_, path)| path);
            path.is_some_and(|path| path.len() == 32)
        };
        run.calls
            .iter()
            .filter(flat)
            .filter(|call| call.name == "openat2")
            .count()
    };
    assert_eq!(searched("load-absent"), 0);
    assert_eq!(searched("migrate-load"), 1);
}

#[test]
fn a_sweep_survives_faults_at_every_system_call() {
    survives_with(Way::Named, "sweep", &["getdents64", "flock", "unlinkat"]);
}

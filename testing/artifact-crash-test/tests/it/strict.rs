//! The strict file system: what it keeps, what it finds, and what it leaves behind.

use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::time::Duration;

use artifact_crash_test::strict::{
    Disk, Edit, Effect, Event, Exploration, Fault, FaultPoint, Image, OpKind, Options, StrictMount,
    Survival, SweepOptions, explore, record, sweep,
};
use artifact_crash_test::{
    Checker, Digest, Layout, Random, Report, RunOutcome, Subject, available,
};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags, open, renameat_with};
use rustix::io::Errno;

use crate::harness::{is_mounted, kinds, layout, ready, store};

fn crashes(kind: &str, survivals: &[Survival]) -> Report {
    let recording = record(&store(kind, 9), Options::default()).unwrap();
    assert_eq!(recording.outcome, RunOutcome::Success);
    let exploration = Exploration::default().with_survivals(survivals);
    explore(&recording, &layout().into(), &exploration).unwrap()
}

fn faults(kind: &str, kinds: &[OpKind], runs: usize) -> Report {
    let options = SweepOptions::default()
        .with_kinds(kinds)
        .with_max_runs(runs)
        .with_max_states(400);
    sweep(&store(kind, 3), &layout().into(), &options).unwrap()
}

#[test]
fn every_wrong_store_is_caught_for_what_it_does() {
    if !ready(available()) {
        return;
    }
    let (nothing, names_only, everything) =
        (Survival::Nothing, Survival::NamesOnly, Survival::Everything);
    for (kind, survival, finding) in [
        ("no-file-sync", names_only, "partial"),
        ("no-file-sync", nothing, "changed"),
        ("no-folder-sync", nothing, "lost"),
        ("in-place", everything, "partial"),
        ("sync-after-publish", names_only, "partial"),
        ("early-acknowledgement", nothing, "lost"),
        ("overwrite", everything, "acked-twice"),
        ("overwrite", nothing, "changed"),
        ("stray-names", everything, "stray"),
        ("unsynced-fan-out-parent", nothing, "lost"),
        ("unsynced-deletion", nothing, "resurrected"),
    ] {
        let report = crashes(kind, &[survival]);
        assert!(
            kinds(&report).contains(finding),
            "{kind}, {survival:?}: {report}"
        );
    }
}

#[test]
fn every_store_that_takes_errors_wrongly_is_caught() {
    if !ready(available()) {
        return;
    }
    for (kind, operations, runs, finding) in [
        ("retried-sync", [OpKind::FsyncDir], 40, "lost"),
        ("ignored-sync-error", [OpKind::FsyncDir], 40, "lost"),
        ("ignored-short-write", [OpKind::Write], 40, "partial"),
    ] {
        let report = faults(kind, &operations, runs);
        assert!(kinds(&report).contains(finding), "{kind}: {report}");
    }
}

/// A store of one blob in seven lines of shell; the last words of it are `then`.
fn script(then: &str) -> Subject {
    let digest = Digest::of(b"bytes\n");
    let script = format!(
        "set -e; cd \"$2\"; echo TRY a {digest}; mkdir staging blobs; sync .
         echo bytes > staging/1; sync staging/1; ln staging/1 blobs/a; {then}"
    );
    Subject::new("sh")
        .with_arg("-c")
        .with_arg(script)
        .with_arg("store")
}

#[test]
fn any_program_can_be_a_subject() {
    if !ready(available()) {
        return;
    }
    let layout = || Layout::new(["blobs/{id}"], ["staging/*"]).unwrap().into();
    let strictest = Exploration::default().with_survivals([Survival::Nothing]);
    for (then, findings) in [
        ("sync blobs; echo EXISTS a", vec![]),
        // The other thread's sync, which the answer did not wait for.
        ("echo EXISTS a; sync blobs", vec!["exists-lost"]),
    ] {
        let recording = record(&script(then), Options::default()).unwrap();
        assert_eq!(recording.outcome, RunOutcome::Success);
        let report = explore(&recording, &layout(), &strictest).unwrap();
        assert_eq!(
            kinds(&report),
            findings.into_iter().collect(),
            "{then}: {report}"
        );
    }
}

#[test]
fn no_right_store_is_accused() {
    if !ready(available()) {
        return;
    }
    for kind in ["named-staging", "fan-out"] {
        let report = crashes(kind, &Survival::ALL);
        assert!(
            report.is_clean() && report.states > 1_000,
            "{kind}: {report}"
        );
        let every = [
            OpKind::Write,
            OpKind::Fsync,
            OpKind::FsyncDir,
            OpKind::Link,
            OpKind::Create,
        ];
        let report = faults(kind, &every, 30);
        assert!(report.is_clean() && report.faults == 30, "{kind}: {report}");
    }
}

#[test]
fn a_store_that_cannot_work_here_says_so() {
    if !ready(available()) {
        return;
    }
    let report = crashes("tmpfile-two-syncs", &[Survival::Nothing]);
    assert_eq!(
        report.unsupported.as_deref(),
        Some("this file system has no O_TMPFILE")
    );
    assert_eq!(report.cell(), "n/a");
}

#[test]
fn a_program_can_be_the_checker() {
    if !ready(available()) {
        return;
    }
    let exploration = Exploration::default().with_max_states(60);
    for (kind, clean) in [("named-staging", true), ("no-folder-sync", false)] {
        let subject = store(kind, 6);
        let recording = record(&subject, Options::default()).unwrap();
        let report = explore(&recording, &Checker::from(subject), &exploration).unwrap();
        assert_eq!(report.is_clean(), clean, "{kind}: {report}");
    }
}

#[test]
fn a_power_cut_in_a_running_subject_is_its_end() {
    if !ready(available()) {
        return;
    }
    let subject = store("named-staging", 9);
    let whole = record(&subject, Options::default()).unwrap();
    let middle = u64::try_from(whole.operations.len() / 2).unwrap();
    let cut = record(&subject, Options::default().with_crash_at(middle)).unwrap();
    // It hears EIO everywhere; whether it ends by that or is killed first is a race that it may win.
    assert!(
        matches!(cut.outcome, RunOutcome::Killed | RunOutcome::Failure(_)),
        "{:?}",
        cut.outcome
    );
    assert_eq!(cut.operations.len() as u64, middle);
    let promised = cut.claims().acknowledged();
    assert!(
        promised > 0 && promised < whole.claims().acknowledged(),
        "{promised} promised"
    );
    for checker in [Checker::from(layout()), Checker::from(subject)] {
        let report = explore(&cut, &checker, &Exploration::default().with_only_end()).unwrap();
        assert!(
            report.states == 8 && kinds(&report).is_subset(&["unusable"].into()),
            "{report}"
        );
    }
}

#[test]
fn an_error_strikes_the_subject_and_not_the_harness() {
    if !ready(available()) {
        return;
    }
    let effect = Effect::Errno(Errno::IO.raw_os_error());
    for at in [
        FaultPoint::Operation(0),
        FaultPoint::Nth(OpKind::OpenDir, 0),
    ] {
        let options = Options::default().with_fault(Fault::new(at, effect));
        let recording = record(&store("named-staging", 3), options).unwrap();
        assert_eq!(recording.faults_hit, 1, "{at:?}");
        assert!(
            matches!(recording.outcome, RunOutcome::Failure(_)),
            "{:?}",
            recording.outcome
        );
        assert_eq!(recording.claims().acknowledged(), 0);
    }
}

#[test]
fn a_subject_that_does_not_end_is_killed_and_found() {
    if !ready(available()) {
        return;
    }
    let subject = Subject::new("sh")
        .with_arg("-c")
        .with_arg("sleep 1000")
        .with_time_limit(Duration::from_millis(50));
    let recording = record(&subject, Options::default()).unwrap();
    assert_eq!(recording.outcome, RunOutcome::TimedOut);
    let report = explore(&recording, &layout().into(), &Exploration::default()).unwrap();
    assert_eq!(kinds(&report), ["unusable"].into());
}

#[test]
fn the_file_system_does_what_the_manuals_say() {
    if !ready(available()) {
        return;
    }
    let mount = StrictMount::new(Options::default()).unwrap();
    let path = |name: &str| mount.root().join(name);
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true);
    let mut file = options
        .clone()
        .create_new(true)
        .mode(0o400)
        .open(path("a"))
        .unwrap();
    file.write_all(b"hello").unwrap();
    file.write_at(b"J", 0).unwrap();
    assert_eq!(
        options
            .create_new(true)
            .open(path("a"))
            .unwrap_err()
            .raw_os_error(),
        Some(17)
    );
    std::fs::hard_link(path("a"), path("b")).unwrap();
    assert_eq!(
        (
            file.metadata().unwrap().nlink(),
            file.metadata().unwrap().mode()
        ),
        (2, 0o100_400)
    );
    let renamed = |to: &str, flags| renameat_with(CWD, path("b"), CWD, path(to), flags);
    assert_eq!(renamed("a", RenameFlags::NOREPLACE), Err(Errno::EXIST));
    std::fs::create_dir(path("folder")).unwrap();
    renamed("folder/c", RenameFlags::NOREPLACE).unwrap();
    assert_eq!(rustix::fs::rmdir(path("folder")), Err(Errno::NOTEMPTY));
    rustix::fs::unlink(path("a")).unwrap();
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(
        (text.as_str(), file.metadata().unwrap().nlink()),
        ("Jello", 1)
    );
    file.set_len(2).unwrap();
    assert_eq!(file.metadata().unwrap().len(), 2);
    let tmpfile = OFlags::TMPFILE | OFlags::WRONLY;
    assert_eq!(
        open(mount.root(), tmpfile, Mode::RUSR).unwrap_err(),
        Errno::OPNOTSUPP
    );
    let mut names: Vec<_> = std::fs::read_dir(mount.root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["folder"]);
    assert_eq!(
        rustix::fs::statat(CWD, path("absent"), AtFlags::empty()).unwrap_err(),
        Errno::NOENT
    );
}

/// What a crash after `act` leaves of the store, nothing unsynced.
fn left_after(act: impl Fn(&std::path::Path)) -> Vec<(String, Vec<u8>)> {
    let mount = StrictMount::new(Options::default()).unwrap();
    act(mount.root());
    let mut disk = Disk::new(&Image::default());
    for event in mount.events() {
        disk.play(&event);
    }
    let image = disk.crash(Survival::Nothing, Random::new(0));
    let again = StrictMount::new(Options::default().with_image(image)).unwrap();
    let mut left: Vec<_> = std::fs::read_dir(again.root())
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let mut bytes = Vec::new();
            let mut options = std::fs::OpenOptions::new();
            options
                .read(true)
                .open(entry.path())
                .unwrap()
                .read_to_end(&mut bytes)
                .unwrap();
            (entry.file_name().into_string().unwrap(), bytes)
        })
        .collect();
    left.sort_unstable();
    left
}

fn sync_folder(folder: &std::path::Path) {
    let folder = open(folder, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
    rustix::fs::fsync(folder).unwrap();
}

#[test]
fn only_what_was_synced_is_there_after_a_crash() {
    if !ready(available()) {
        return;
    }
    let create = |root: &std::path::Path, flags: i32| {
        let mut options = std::fs::OpenOptions::new();
        options
            .write(true)
            .create_new(true)
            .custom_flags(flags)
            .open(root.join("a"))
            .unwrap()
    };
    let left = left_after(|root| {
        let mut file = create(root, 0);
        file.write_all(b"one").unwrap();
        file.sync_data().unwrap();
        file.write_all(b"two").unwrap();
    });
    assert_eq!(left, []);
    let left = left_after(|root| {
        let mut file = create(root, 0);
        file.write_all(b"one").unwrap();
        file.sync_data().unwrap();
        file.write_all(b"two").unwrap();
        sync_folder(root);
    });
    assert_eq!(left, [("a".to_owned(), b"one".to_vec())]);
    let left = left_after(|root| {
        let o_sync = OFlags::SYNC.bits().cast_signed();
        create(root, o_sync).write_all(b"one").unwrap();
        sync_folder(root);
        rustix::fs::unlink(root.join("a")).unwrap();
    });
    assert_eq!(left, [("a".to_owned(), b"one".to_vec())]);
}

#[test]
fn what_a_subject_says_stands_where_it_was_said() {
    if !ready(available()) {
        return;
    }
    let mount = StrictMount::new(Options::default()).unwrap();
    let mut stdout = mount.stdout().unwrap();
    std::fs::create_dir(mount.root().join("one")).unwrap();
    stdout.write_all(b"EXISTS a\nEXI").unwrap();
    std::fs::create_dir(mount.root().join("two")).unwrap();
    stdout.write_all(b"STS b\n").unwrap();
    drop(stdout);
    let order: Vec<_> = mount
        .events()
        .iter()
        .filter_map(|event| match event {
            Event::Printed(line) => Some(format!("{line:?}")),
            Event::Edit(_, Edit::Names(names)) => Some(format!("{:?}", names[0].0)),
            _ => None,
        })
        .collect();
    assert_eq!(
        order,
        ["\"one\"", "Exists(\"a\")", "\"two\"", "Exists(\"b\")"]
    );
}

#[test]
fn nothing_is_left_behind_not_even_by_a_panic() {
    if !ready(available()) {
        return;
    }
    let path = std::sync::Mutex::new(std::path::PathBuf::new());
    let panicked = std::panic::catch_unwind(|| {
        let mount = StrictMount::new(Options::default()).unwrap();
        mount.root().clone_into(&mut path.lock().unwrap());
        // In use, so that only a lazy unmount can succeed.
        let _file = open(mount.root(), OFlags::RDONLY, Mode::empty()).unwrap();
        assert!(is_mounted(mount.root().parent().unwrap()));
        panic!("on purpose");
    });
    assert!(panicked.is_err());
    let path = path
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let point = path.parent().unwrap();
    assert!(
        !is_mounted(point) && !point.exists(),
        "{} is still there",
        point.display()
    );
}

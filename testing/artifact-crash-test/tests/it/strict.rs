//! Crashes, faults and power cuts on the strict file system.

use std::time::Duration;

use artifact_crash_test::strict::{
    Effect, Exploration, Fault, FaultPoint, OpKind, Options, Survival, SweepOptions, explore,
    record, sweep,
};
use artifact_crash_test::{Checker, Digest, Layout, Report, RunOutcome, Subject, available};
use rustix::io::Errno;

use crate::harness::{kinds, layout, ready, store};

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
fn each_broken_store_is_reported_with_the_expected_finding() {
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
fn stores_that_mishandle_errors_are_detected() {
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

/// Returns a shell script that stores one blob and ends with the commands `last_steps`.
fn script(last_steps: &str) -> Subject {
    let digest = Digest::of(b"bytes\n");
    let script = format!(
        "set -e; cd \"$2\"; echo TRY a {digest}; mkdir staging blobs; sync .
         echo bytes > staging/1; sync staging/1; ln staging/1 blobs/a; {last_steps}"
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
    for (last_steps, findings) in [
        ("sync blobs; echo EXISTS a", vec![]),
        // The line is printed before the sync.
        ("echo EXISTS a; sync blobs", vec!["exists-lost"]),
    ] {
        let recording = record(&script(last_steps), Options::default()).unwrap();
        assert_eq!(recording.outcome, RunOutcome::Success);
        let report = explore(&recording, &layout(), &strictest).unwrap();
        assert_eq!(
            kinds(&report),
            findings.into_iter().collect(),
            "{last_steps}: {report}"
        );
    }
}

#[test]
fn correct_stores_have_no_findings() {
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
fn an_unsupported_subject_is_reported_as_such() {
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
fn a_program_can_check_the_states() {
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
fn a_power_cut_ends_a_running_subject() {
    if !ready(available()) {
        return;
    }
    let subject = store("named-staging", 9);
    let whole = record(&subject, Options::default()).unwrap();
    let middle = u64::try_from(whole.operations.len() / 2).unwrap();
    let cut = record(&subject, Options::default().with_crash_at(middle)).unwrap();
    // Every operation returns EIO. The subject may exit because of that before it is killed.
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
fn faults_affect_the_subject_and_not_the_harness() {
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
fn a_subject_that_hangs_is_killed_and_reported() {
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

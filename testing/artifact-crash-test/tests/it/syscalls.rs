//! The sweep over system calls.

use artifact_crash_test::syscalls::{Fault, SyscallSweep, available, sweep, trace};
use artifact_crash_test::{ErrorKind, Line, RunOutcome, Subject};

use crate::harness::{kinds, layout, ready, store};

fn swept(kind: &str) -> SyscallSweep {
    let parent = tempfile::tempdir().unwrap();
    let subject = store(kind, 1).with_arg("--threads").with_arg("1");
    sweep(&subject, parent.path(), &[layout().into()]).unwrap()
}

#[test]
fn correct_stores_have_no_findings() {
    if !ready(available()) {
        return;
    }
    for kind in ["named-staging", "fan-out", "tmpfile-two-syncs"] {
        let swept = swept(kind);
        assert!(swept.report.is_clean(), "{kind}: {}", swept.report);
        assert!(swept.report.faults > 100, "{kind}: {}", swept.report);
        assert_eq!(swept.not_reached, 0, "{kind}");
    }
}

#[test]
fn stores_that_mishandle_a_system_call_are_detected() {
    if !ready(available()) {
        return;
    }
    let broken = [
        ("in-place", "partial"),
        ("ignored-short-write", "changed"),
        ("ignored-sync-error", "acked-unsynced"),
        ("retried-sync", "acked-unsynced"),
        ("stray-names", "stray"),
    ];
    for (kind, finding) in broken {
        let swept = swept(kind);
        let kinds = kinds(&swept.report);
        assert!(kinds.contains(finding), "{kind}: {}", swept.report);
    }
}

fn shell(script: &str) -> Subject {
    Subject::new("/bin/sh").with_arg("-c").with_arg(script)
}

/// libc reads `/proc/sys/vm/overcommit_memory` before it shrinks a heap, in some runs and not in others.
#[test]
fn settings_of_the_kernel_are_not_traced() {
    if !ready(available()) {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let script = "echo BEGIN; read word < /proc/sys/vm/overcommit_memory; read word < /proc/self/comm; echo END";
    let run = trace(&shell(script), root.path(), |_| None).unwrap();
    assert_eq!(run.outcome, RunOutcome::Success);
    let targets: Vec<_> = run.calls.iter().map(|call| call.target.as_str()).collect();
    let of_kernel = |target: &&str| target.starts_with("/proc/sys/");
    assert!(!targets.iter().any(of_kernel), "{targets:?}");
    assert!(targets.contains(&"/proc/self/comm"), "{targets:?}");
}

#[test]
fn sockets_are_traced_only_on_request() {
    if !ready(available()) {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // Says a word to each of the two runs.
    let server = std::thread::spawn(move || {
        for _ in 0..2 {
            let mut connection = listener.accept().unwrap().0;
            std::io::Write::write_all(&mut connection, b"word\n").unwrap();
        }
    });
    // A feature of bash: it connects a descriptor to the address. Calls on the standard streams are not traced.
    let script = format!(
        "echo BEGIN; exec 3<>/dev/tcp/127.0.0.1/{port}; read -u 3 word; [ $word = word ]; echo END"
    );
    let subject = Subject::new("/bin/bash").with_arg("-c").with_arg(script);
    let on_sockets = |subject: &Subject| -> Vec<_> {
        let run = trace(subject, root.path(), |_| None).unwrap();
        assert_eq!(run.outcome, RunOutcome::Success);
        let calls = run.calls.into_iter();
        let on_sockets = calls.filter(|call| call.target.starts_with("socket:"));
        on_sockets.map(|call| call.name).collect()
    };
    assert_eq!(on_sockets(&subject), [""; 0]);
    let calls = on_sockets(&subject.with_sockets());
    for name in ["connect", "read"] {
        assert!(calls.contains(&name), "{calls:?}");
    }
    server.join().unwrap();
}

#[test]
fn a_fault_is_injected_only_at_the_chosen_call() {
    if !ready(available()) {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, b"word\n").unwrap();
    let script = format!(
        "echo BEGIN; read word < {} || exit 3; echo END",
        file.path().display()
    );
    let reads = |fault: Option<Fault>| {
        let run = trace(&shell(&script), root.path(), |call| {
            fault.filter(|_| call.name == "openat" && call.target.ends_with("/gone"))
        });
        run.unwrap()
    };
    let run = reads(None);
    assert_eq!(run.outcome, RunOutcome::Success);
    let opened = file.path().display().to_string();
    let names: Vec<_> = run.calls.iter().map(|call| call.name).collect();
    assert!(
        run.calls
            .iter()
            .any(|call| call.name == "openat" && call.target == opened),
        "{names:?}"
    );
    assert_eq!(run.lines, Vec::<Line>::new());
    // A fault for another path has no effect.
    assert_eq!(reads(Some(Fault::KillBefore)).outcome, RunOutcome::Success);

    let killed = trace(&shell(&script), root.path(), |call| {
        (call.target == opened).then_some(Fault::KillBefore)
    });
    assert_eq!(killed.unwrap().outcome, RunOutcome::Killed);
    let failed = trace(&shell(&script), root.path(), |call| {
        (call.target == opened).then_some(Fault::Fail(rustix::io::Errno::ACCESS))
    });
    assert!(matches!(failed.unwrap().outcome, RunOutcome::Failure(how) if how.contains(", 3)")));
}

#[test]
fn a_subject_without_a_begin_line_is_an_error() {
    if !ready(available()) {
        return;
    }
    let parent = tempfile::tempdir().unwrap();
    let error = sweep(&shell("echo END"), parent.path(), &[layout().into()]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Subject);
    assert!(
        error.to_string().contains("between BEGIN and END"),
        "{error}"
    );
}

#[test]
fn a_subject_that_hangs_times_out() {
    if !ready(available()) {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let limit = std::time::Duration::from_millis(300);
    let subject = shell("echo BEGIN; exec sleep 1000").with_time_limit(limit);
    assert_eq!(
        trace(&subject, root.path(), |_| None).unwrap().outcome,
        RunOutcome::TimedOut
    );
}

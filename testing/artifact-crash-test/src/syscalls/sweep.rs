//! Runs a subject once per system call and fault, and judges what each run leaves.

use std::path::Path;

use rustix::io::Errno;
use tempfile::TempDir;

use super::call::Call;
use super::fault::Fault;
use super::trace::{TracedRun, trace};
use crate::checker::Checker;
use crate::claims::Claims;
use crate::clock;
use crate::error::{Error, ErrorKind, Result};
use crate::finding::Finding;
use crate::protocol::Line;
use crate::report::Report;
use crate::subject::{RunOutcome, Subject};

/// The result of a sweep.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct SyscallSweep {
    /// The report. It counts each run as a state.
    pub report: Report,
    /// The calls of the run without a fault, in order.
    pub calls: Vec<Call>,
    /// The number of faults that no run reached, because each ended before the call with the fault.
    pub not_reached: u64,
}

/// How often a run is tried for one fault.
const ATTEMPTS: usize = 3;

/// Runs `subject` once for each traced system call and each fault that is plausible there. Each run uses a
/// new folder in `parent`, and all checkers judge the folder afterwards. A run that ends before the call with the fault is
/// repeated up to twice.
///
/// After a fault the subject may return an error and exit with a failure. It must not die of a signal, panic
/// (exit code 101), hang, leave a partial blob visible, lose a blob that it acknowledged, or acknowledge
/// anything after a sync failed with an error other than EINTR.
///
/// # Errors
///
/// The errors of [`trace`], and [`ErrorKind::Subject`] if the run without a fault fails or has no system
/// call between BEGIN and END.
pub fn sweep(subject: &Subject, parent: &Path, checkers: &[Checker]) -> Result<SyscallSweep> {
    sweep_where(subject, parent, checkers, |_| true)
}

/// Does what [`sweep`] does, but injects faults only at the calls that `wanted` selects. For an operation that
/// makes the same calls for each of many files.
///
/// # Errors
///
/// The errors of [`sweep`].
pub fn sweep_where(
    subject: &Subject,
    parent: &Path,
    checkers: &[Checker],
    wanted: impl Fn(&Call) -> bool,
) -> Result<SyscallSweep> {
    let began = clock::now();
    let root = new_folder(parent)?;
    let baseline = trace(subject, root.path(), |_| None)?;
    let mut report = Report::default();
    judge(&baseline, None, root.path(), checkers, &mut report)?;
    if baseline.outcome != RunOutcome::Success || baseline.calls.is_empty() {
        let why = format!(
            "the run without a fault had outcome {:?} and {} system calls on files between BEGIN and END; \
             it must succeed and make at least one",
            baseline.outcome,
            baseline.calls.len()
        );
        return Err(Error::new(ErrorKind::Subject, why));
    }
    let mut not_reached = 0;
    for call in baseline.calls.iter().filter(|call| wanted(call)) {
        for fault in Fault::plausible(call) {
            // Threads make their calls in another order in each run, so it may be another call, and a run may make
            // fewer calls. Each run is judged, also one that ends before the fault.
            let mut is_reached = false;
            for _ in 0..ATTEMPTS {
                let root = new_folder(parent)?;
                let mut injected = None;
                let run = trace(subject, root.path(), |current| {
                    let inject = injected.is_none() && current.index == call.index;
                    if inject {
                        injected = Some(current.clone());
                    }
                    inject.then_some(fault)
                })?;
                is_reached = injected.is_some();
                let injected = injected.as_ref().map(|call| (call, fault));
                judge(&run, injected, root.path(), checkers, &mut report)?;
                if is_reached {
                    break;
                }
            }
            if is_reached {
                report.faults += 1;
            } else {
                not_reached += 1;
            }
        }
    }
    report.elapsed = began.elapsed();
    Ok(SyscallSweep {
        report,
        calls: baseline.calls,
        not_reached,
    })
}

fn new_folder(parent: &Path) -> Result<TempDir> {
    tempfile::Builder::new()
        .prefix("root-")
        .tempdir_in(parent)
        .map_err(Error::io(format!(
            "create a folder in {}",
            parent.display()
        )))
}

fn judge(
    run: &TracedRun,
    injected: Option<(&Call, Fault)>,
    root: &Path,
    checkers: &[Checker],
    report: &mut Report,
) -> Result<()> {
    let mut findings = Vec::new();
    match &run.outcome {
        RunOutcome::Success | RunOutcome::Killed => {}
        // After a fault, an exit with a failure is allowed unless it is a panic.
        RunOutcome::Failure(status)
            if injected.is_some()
                && status.starts_with("Exited(")
                && !status.contains(", 101)") => {}
        RunOutcome::Failure(status) => findings.push(Finding::Died(status.clone())),
        RunOutcome::TimedOut => {
            findings.push(Finding::Died("it exceeded the time limit".to_owned()));
        }
    }
    let mut claims = Claims::default();
    for line in &run.lines {
        claims.record(line);
    }
    if let Some((call, fault)) = injected {
        findings.extend(acknowledged_after_failed_sync(run, call, fault));
    }
    for checker in checkers {
        match checker.inspect(root)? {
            Ok(visible) => findings.extend(claims.judge(&visible)),
            Err(why) => findings.push(Finding::Unusable(why)),
        }
    }
    report.states += 1;
    report.add(findings, || match injected {
        Some((call, fault)) => format!("{fault:?} at {call}"),
        None => "no fault".to_owned(),
    });
    Ok(())
}

/// Finds an acknowledgement after a failed sync. The kernel may have dropped the data that the sync should
/// have written (fsync(2), "Errors"). EINTR is allowed: it means that the sync was not done.
fn acknowledged_after_failed_sync(run: &TracedRun, call: &Call, fault: Fault) -> Option<Finding> {
    let failed = match fault {
        Fault::Fail(errno) | Fault::FailAfter(errno) => errno != Errno::INTR,
        _ => false,
    };
    if !failed || !call.is_sync() {
        return None;
    }
    run.lines[run.lines_before_fault..]
        .iter()
        .find_map(|line| match line {
            Line::Ack(id, _) | Line::Exists(id) | Line::Deleted(id) => {
                Some(Finding::AckedUnsynced(id.clone()))
            }
            _ => None,
        })
}

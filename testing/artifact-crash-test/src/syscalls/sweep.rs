//! One fault a run, at every system call in turn, and what is there after it.

use std::path::Path;

use rustix::io::Errno;
use tempfile::TempDir;

use super::call::Call;
use super::fault::Fault;
use super::trace::{Traced, trace};
use crate::checker::Checker;
use crate::claims::Claims;
use crate::clock;
use crate::error::{Error, ErrorKind, Result};
use crate::finding::Finding;
use crate::protocol::Line;
use crate::report::Report;
use crate::subject::{Ended, Subject};

/// What a sweep did and found.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct SyscallSweep {
    /// What it found; a state is a run.
    pub report: Report,
    /// The calls of the run without a fault, in order.
    pub calls: Vec<Call>,
    /// Runs that ended before they reached the call that was to fail.
    pub not_reached: u64,
}

/// Runs `subject` once for each system call of its window and each fault that is plausible there, each
/// time on a new folder in `parent`, and judges what is there by each checker in turn.
///
/// A subject may answer a fault by an error and end with a failure. It may not be killed by it, panic
/// (exit code 101), hang, leave a part of a blob visible, lose what it acknowledged before or after, or
/// acknowledge anything once a sync was answered by another error than EINTR.
///
/// # Errors
///
/// As [`trace`]; [`ErrorKind::Subject`] when the run without a fault fails, or has no system call in its
/// window.
pub fn sweep(subject: &Subject, parent: &Path, checkers: &[Checker]) -> Result<SyscallSweep> {
    let began = clock::now();
    let root = folder(parent)?;
    let plain = trace(subject, root.path(), |_| None)?;
    let mut report = Report::default();
    judge(&plain, None, root.path(), checkers, &mut report)?;
    if plain.ended != Ended::Well || plain.calls.is_empty() {
        let why = format!(
            "a run without a fault ended as {:?} with {} system calls on files between BEGIN and END",
            plain.ended,
            plain.calls.len()
        );
        return Err(Error::new(ErrorKind::Subject, why));
    }
    let mut not_reached = 0;
    for call in &plain.calls {
        for fault in Fault::plausible(call) {
            let root = folder(parent)?;
            let mut struck = false;
            let run = trace(subject, root.path(), |now| {
                let here = !struck && now.index == call.index;
                struck |= here;
                here.then_some(fault)
            })?;
            if struck {
                report.faults += 1;
            } else {
                not_reached += 1;
            }
            let struck = struck.then_some((call, fault));
            judge(&run, struck, root.path(), checkers, &mut report)?;
        }
    }
    report.elapsed = began.elapsed();
    Ok(SyscallSweep {
        report,
        calls: plain.calls,
        not_reached,
    })
}

fn folder(parent: &Path) -> Result<TempDir> {
    tempfile::Builder::new()
        .prefix("root-")
        .tempdir_in(parent)
        .map_err(Error::io(format!("make a folder in {}", parent.display())))
}

fn judge(
    run: &Traced,
    struck: Option<(&Call, Fault)>,
    root: &Path,
    checkers: &[Checker],
    report: &mut Report,
) -> Result<()> {
    let mut findings = Vec::new();
    match &run.ended {
        Ended::Well | Ended::Killed => {}
        // An error that it passes on by its exit code, with a fault to blame.
        Ended::Badly(how)
            if struck.is_some() && how.starts_with("Exited(") && !how.contains(", 101)") => {}
        Ended::Badly(how) => findings.push(Finding::Died(how.clone())),
        Ended::Late => findings.push(Finding::Died("it did not end in time".to_owned())),
    }
    let mut claims = Claims::default();
    for line in &run.lines {
        claims.say(line);
    }
    if let Some((call, fault)) = struck {
        findings.extend(unsynced(run, call, fault));
    }
    for checker in checkers {
        match checker.look(root)? {
            Ok(visible) => findings.extend(claims.judge(&visible)),
            Err(why) => findings.push(Finding::Unusable(why)),
        }
    }
    report.states += 1;
    report.take(findings, || match struck {
        Some((call, fault)) => format!("{fault:?} at {call}"),
        None => "no fault".to_owned(),
    });
    Ok(())
}

/// A sync that failed is never followed by an acknowledgement: what it was to write may be forgotten
/// (fsync(2), "Errors"). EINTR says that it was not done.
fn unsynced(run: &Traced, call: &Call, fault: Fault) -> Option<Finding> {
    let failed = match fault {
        Fault::Fail(errno) | Fault::DoneButFails(errno) => errno != Errno::INTR,
        _ => false,
    };
    if !failed || !call.is_sync() {
        return None;
    }
    run.lines[run.lines_before..]
        .iter()
        .find_map(|line| match line {
            Line::Ack(id, _) | Line::Exists(id) | Line::Deleted(id) => {
                Some(Finding::AckedUnsynced(id.clone()))
            }
            _ => None,
        })
}

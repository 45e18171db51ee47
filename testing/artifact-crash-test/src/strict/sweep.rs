//! Runs a subject once per operation and error, with that error injected at that operation.

use rustix::io::Errno;

use super::explore::{Exploration, explore};
use super::fault::{Effect, Fault, FaultPoint, OpKind};
use super::mount::{Options, record};
use super::survival::Survival;
use crate::checker::Checker;
use crate::clock;
use crate::error::Result;
use crate::finding::Finding;
use crate::random::Random;
use crate::report::Report;
use crate::subject::{RunOutcome, Subject};

/// Options of a sweep over all operations.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SweepOptions {
    /// The options of each run. The sweep replaces their faults and their power cut.
    pub run: Options,
    /// The maximum number of runs, chosen by the seed. `None` means one run per operation and effect.
    pub max_runs: Option<usize>,
    /// The approximate maximum number of crash states per run. `None` means every state.
    pub max_states: Option<u64>,
    /// The seed for the choice of runs.
    pub seed: u64,
    /// The kinds of operations that get errors. Empty means all kinds.
    pub kinds: Vec<OpKind>,
}

impl Default for SweepOptions {
    /// Every operation with every effect that applies to it.
    fn default() -> Self {
        Self {
            run: Options::default(),
            max_runs: None,
            max_states: None,
            seed: 1,
            kinds: Vec::new(),
        }
    }
}

impl SweepOptions {
    /// Sets the maximum number of runs.
    #[must_use]
    pub fn with_max_runs(mut self, max_runs: usize) -> Self {
        self.max_runs = Some(max_runs);
        self
    }

    /// Sets the approximate maximum number of crash states per run.
    #[must_use]
    pub fn with_max_states(mut self, max_states: u64) -> Self {
        self.max_states = Some(max_states);
        self
    }

    /// Sets the seed for the choice of runs.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Injects errors only at these kinds of operations.
    #[must_use]
    pub fn with_kinds(mut self, kinds: impl Into<Vec<OpKind>>) -> Self {
        self.kinds = kinds.into();
        self
    }

    /// Sets the options of each run.
    #[must_use]
    pub fn with_run(mut self, run: Options) -> Self {
        self.run = run;
        self
    }
}

/// Runs `subject` once for each of its operations and each error that applies there, and judges every
/// crash state of each run. After an error the subject may fail a store and may exit with a failure. It
/// must not acknowledge lost data, leave a partial blob visible, or hang.
///
/// # Errors
///
/// The errors of [`record`] and [`explore`].
pub fn sweep(subject: &Subject, checker: &Checker, options: &SweepOptions) -> Result<Report> {
    let began = clock::now();
    let SweepOptions {
        run,
        max_runs,
        max_states,
        seed,
        kinds,
    } = options;
    let mut run = run.clone();
    run.faults.clear();
    run.crash_at = None;
    let baseline = record(subject, run.clone())?;
    let mut faults = applicable_faults(&baseline.operations, kinds);
    if let Some(max) = *max_runs {
        // A random choice: effects are in a fixed order, so a choice of every nth would skip some.
        let mut random = Random::new(*seed);
        for chosen in 0..max.min(faults.len()) {
            let other = chosen + random.below(faults.len() - chosen);
            faults.swap(chosen, other);
        }
        faults.truncate(max);
    }
    // Without Survival::Random, which would multiply the states of each of many runs.
    let rules = [
        Survival::Nothing,
        Survival::Everything,
        Survival::NamesOnly,
        Survival::DataOnly,
    ];
    let mut exploration = Exploration::default().with_survivals(rules);
    exploration.max_states = *max_states;
    let mut report = Report::default();
    for fault in faults {
        let recording = record(subject, run.clone().with_fault(fault))?;
        let explored = explore(&recording, checker, &exploration)?;
        report.faults += 1;
        let Report {
            states,
            distinct,
            findings,
            ..
        } = explored;
        report.states += states;
        report.distinct += distinct;
        for found in findings {
            report.add(vec![found.finding], || {
                format!("{fault:?}, {}", found.state)
            });
        }
        if recording.outcome == RunOutcome::TimedOut {
            let why = "the subject exceeded the time limit after an injected error".to_owned();
            report.add(vec![Finding::Unusable(why)], || format!("{fault:?}"));
        }
    }
    report.unsupported = baseline.unsupported().map(str::to_owned);
    report.elapsed = began.elapsed();
    Ok(report)
}

/// Returns each operation of a run with each effect that applies to it.
///
/// Operations are numbered per kind. If the subject has several threads, these numbers vary less between runs
/// than a number over all kinds.
fn applicable_faults(operations: &[OpKind], kinds: &[OpKind]) -> Vec<Fault> {
    let mut counts = std::collections::BTreeMap::<OpKind, u64>::new();
    let mut faults = Vec::new();
    for kind in operations {
        let nth = counts.entry(*kind).or_default();
        if kinds.is_empty() || kinds.contains(kind) {
            faults.extend(
                effects(*kind)
                    .into_iter()
                    .map(|effect| Fault::new(FaultPoint::Nth(*kind, *nth), effect)),
            );
        }
        *nth += 1;
    }
    faults
}

/// Returns the effects that are plausible for an operation of this kind.
fn effects(kind: OpKind) -> Vec<Effect> {
    let errnos: &[Errno] = match kind {
        OpKind::Write | OpKind::Fallocate => &[Errno::IO, Errno::NOSPC, Errno::DQUOT],
        OpKind::Create | OpKind::MkDir | OpKind::Symlink => {
            &[Errno::IO, Errno::NOSPC, Errno::DQUOT, Errno::ROFS]
        }
        OpKind::Link => &[
            Errno::IO,
            Errno::NOSPC,
            Errno::DQUOT,
            Errno::ROFS,
            Errno::MLINK,
        ],
        OpKind::Rename | OpKind::Unlink | OpKind::RmDir | OpKind::SetAttr => {
            &[Errno::IO, Errno::NOSPC, Errno::ROFS]
        }
        OpKind::Fsync | OpKind::FsyncDir => &[Errno::IO, Errno::NOSPC],
        _ => &[Errno::IO],
    };
    let mut effects: Vec<_> = errnos
        .iter()
        .map(|errno| Effect::Errno(errno.raw_os_error()))
        .collect();
    match kind {
        OpKind::Write => effects.push(Effect::ShortWrite),
        OpKind::Fsync | OpKind::FsyncDir => effects.push(Effect::LostSync),
        _ => {}
    }
    effects
}

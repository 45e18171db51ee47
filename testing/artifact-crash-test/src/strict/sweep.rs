//! One injected error a run, at every operation in turn.

use rustix::io::Errno;

use super::explore::{Exploration, explore};
use super::fault::{At, Effect, Fault, OpKind};
use super::mount::{Options, record};
use super::survival::Survival;
use crate::checker::Checker;
use crate::clock;
use crate::error::Result;
use crate::finding::Finding;
use crate::random::Random;
use crate::report::Report;
use crate::subject::{Ended, Subject};

/// How thoroughly errors are injected.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SweepOptions {
    /// What each run begins with; its faults and crash are replaced.
    pub run: Options,
    /// At most this many runs, chosen by the seed; `None` is one for each operation and effect.
    pub max_runs: Option<usize>,
    /// At most about this many crash states of each run; `None` is each.
    pub max_states: Option<u64>,
    /// What a choice of runs is made from.
    pub seed: u64,
    /// Which kinds are struck; empty is all.
    pub kinds: Vec<OpKind>,
}

impl Default for SweepOptions {
    /// Every operation with every effect that fits it.
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
    /// With at most this many runs.
    #[must_use]
    pub fn with_max_runs(mut self, max_runs: usize) -> Self {
        self.max_runs = Some(max_runs);
        self
    }

    /// With at most about this many crash states of each run.
    #[must_use]
    pub fn with_max_states(mut self, max_states: u64) -> Self {
        self.max_states = Some(max_states);
        self
    }

    /// With this seed.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// With errors at these kinds of operation only.
    #[must_use]
    pub fn with_kinds(mut self, kinds: impl Into<Vec<OpKind>>) -> Self {
        self.kinds = kinds.into();
        self
    }

    /// With runs that begin so.
    #[must_use]
    pub fn with_run(mut self, run: Options) -> Self {
        self.run = run;
        self
    }
}

/// Runs `subject` once for each operation that it does and each error that fits there, and judges
/// every crash state of each run. A subject may fail stores, and itself, upon an error; it may not
/// acknowledge what is lost, leave a part visible, or hang.
///
/// # Errors
///
/// As [`record`] and [`explore`].
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
    let plain = record(subject, run.clone())?;
    let mut faults = faults(&plain.operations, kinds);
    if let Some(max) = *max_runs {
        // Not every nth: effects stand in a fixed order, and some would never be chosen.
        let mut random = Random::new(*seed);
        for chosen in 0..max.min(faults.len()) {
            let other = chosen + random.below(faults.len() - chosen);
            faults.swap(chosen, other);
        }
        faults.truncate(max);
    }
    // Not Survival::Random: a state is rebuilt for each of many runs.
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
            report.take(vec![found.finding], || {
                format!("{fault:?}, {}", found.state)
            });
        }
        if recording.ended == Ended::Late {
            let why = "the subject did not end in time after an error".to_owned();
            report.take(vec![Finding::Unusable(why)], || format!("{fault:?}"));
        }
    }
    report.unsupported = plain.unsupported().map(str::to_owned);
    report.elapsed = began.elapsed();
    Ok(report)
}

/// Each operation of a run with each effect that it could have there. Named by number among its kind,
/// which is steadier between runs of several threads than the number among all.
fn faults(operations: &[OpKind], kinds: &[OpKind]) -> Vec<Fault> {
    let mut counts = std::collections::BTreeMap::<OpKind, u64>::new();
    let mut faults = Vec::new();
    for kind in operations {
        let nth = counts.entry(*kind).or_default();
        if kinds.is_empty() || kinds.contains(kind) {
            faults.extend(
                effects(*kind)
                    .into_iter()
                    .map(|effect| Fault::new(At::Nth(*kind, *nth), effect)),
            );
        }
        *nth += 1;
    }
    faults
}

/// What can plausibly go wrong in an operation of this kind.
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
        OpKind::Write => effects.push(Effect::Short),
        OpKind::Fsync | OpKind::FsyncDir => effects.push(Effect::LostSync),
        _ => {}
    }
    effects
}

//! Explores the crashes of a recorded run: rebuilds each crash state in memory and judges it.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::disk::Disk;
use super::event::Event;
use super::image::Image;
use super::mount::{Options, Recording, StrictMount};
use super::survival::Survival;
use crate::checker::{Checker, CheckerKind};
use crate::claims::Claims;
use crate::clock;
use crate::error::Result;
use crate::finding::Finding;
use crate::random::Random;
use crate::report::Report;
use crate::subject::RunOutcome;

/// Options that select the crash states of a recording.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Exploration {
    /// The survival rules to apply.
    pub survivals: Vec<Survival>,
    /// The number of random survivals at each crash point.
    pub trials: u64,
    /// The seed of the random survivals.
    pub seed: u64,
    /// The approximate maximum number of states, spread evenly over the run. `None` means every state.
    pub max_states: Option<u64>,
    /// Whether to judge only the end of the recording, where [`Options::crash_at`] cut the power.
    pub only_end: bool,
}

impl Default for Exploration {
    /// Every crash point under every rule, with 4 random survivals each, seed 1.
    fn default() -> Self {
        Self {
            survivals: Survival::ALL.to_vec(),
            trials: 4,
            seed: 1,
            max_states: None,
            only_end: false,
        }
    }
}

impl Exploration {
    /// Sets the survival rules.
    #[must_use]
    pub fn with_survivals(mut self, survivals: impl Into<Vec<Survival>>) -> Self {
        self.survivals = survivals.into();
        self
    }

    /// Sets the number of random survivals at each crash point.
    #[must_use]
    pub fn with_trials(mut self, trials: u64) -> Self {
        self.trials = trials;
        self
    }

    /// Sets the seed of the random survivals.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Sets the approximate maximum number of states.
    #[must_use]
    pub fn with_max_states(mut self, max_states: u64) -> Self {
        self.max_states = Some(max_states);
        self
    }

    /// Judges only the end of the recording.
    #[must_use]
    pub fn with_only_end(mut self) -> Self {
        self.only_end = true;
        self
    }

    fn states(&self) -> impl Iterator<Item = (Survival, u64)> {
        let trials = self.trials;
        self.survivals.iter().flat_map(move |survival| {
            let trials = if *survival == Survival::Random {
                trials
            } else {
                1
            };
            (0..trials).map(|trial| (*survival, trial))
        })
    }

    /// Returns the distance between two judged crash points.
    fn stride(&self, points: usize) -> usize {
        let Some(max_states) = self.max_states else {
            return 1;
        };
        let states_per_point = (self.states().count() as u64).max(1);
        let max_points = usize::try_from(max_states / states_per_point)
            .unwrap_or(usize::MAX)
            .max(1);
        points.div_ceil(max_points).max(1)
    }
}

/// Judges the crash states of a recording. There is a crash point before each event and one at the end.
///
/// With a [`Layout`](crate::Layout) as checker, a state takes microseconds. With a program as checker, each
/// distinct state is mounted and the program runs on it, which takes milliseconds.
///
/// # Errors
///
/// If a checker program cannot be started, or a state cannot be mounted for it.
pub fn explore(
    recording: &Recording,
    checker: &Checker,
    exploration: &Exploration,
) -> Result<Report> {
    let began = clock::now();
    let Recording { image, events, .. } = recording;
    let mut report = Report {
        unsupported: recording.unsupported().map(str::to_owned),
        ..Report::default()
    };
    // A subject may fail after an injected error. Without one it must succeed.
    if let (0, RunOutcome::Failure(_) | RunOutcome::TimedOut) =
        (recording.faults_hit, &recording.outcome)
    {
        let why = format!("the run failed: {:?}", recording.outcome);
        report.add(vec![Finding::Unusable(why)], || "run".to_owned());
    }
    let mut judge = Judge {
        checker,
        seen: HashSet::new(),
    };
    let mut disk = Disk::new(image);
    let mut claims = Claims::default();
    let stride = exploration.stride(events.len() + 1);
    for point in 0..=events.len() {
        let selected = if exploration.only_end {
            point == events.len()
        } else {
            point % stride == 0
        };
        if selected {
            for (survival, trial) in exploration.states() {
                let random = Random::of(exploration.seed, point as u64, trial);
                let crashed = disk.crash(survival, random);
                report.states += 1;
                if let Some(findings) = judge.judge(&crashed, &claims)? {
                    report.distinct += 1;
                    report.add(findings, || {
                        let survival = survival.as_str();
                        format!(
                            "event {point} of {}, {survival}, trial {trial}",
                            events.len()
                        )
                    });
                }
            }
        }
        let Some(event) = events.get(point) else {
            break;
        };
        if let Event::Printed(line) = event {
            claims.record(line);
        }
        disk.play(event);
    }
    report.elapsed = began.elapsed();
    Ok(report)
}

struct Judge<'a> {
    checker: &'a Checker,
    /// The hashes of the states that were already judged.
    seen: HashSet<u64>,
}

impl Judge<'_> {
    /// Returns the findings of a state, or `None` if an equal state was already judged.
    fn judge(&mut self, crashed: &Image, claims: &Claims) -> Result<Option<Vec<Finding>>> {
        let files = crashed.files();
        let mut hasher = DefaultHasher::new();
        claims.version().hash(&mut hasher);
        for (path, digest) in &files {
            path.hash(&mut hasher);
            match digest {
                Ok(digest) => digest.bytes().hash(&mut hasher),
                Err(why) => why.hash(&mut hasher),
            }
        }
        if matches!(self.checker.0, CheckerKind::Program(_)) {
            crashed.hash_links(&mut hasher);
        }
        if !self.seen.insert(hasher.finish()) {
            return Ok(None);
        }
        let visible = match &self.checker.0 {
            CheckerKind::Layout(layout) => Ok(layout.classify(files)),
            CheckerKind::Program(_) => {
                let mount = StrictMount::new(Options::default().with_image(crashed.clone()))?;
                self.checker.inspect(mount.root())?
            }
        };
        Ok(Some(match visible {
            Ok(visible) => claims.judge(&visible),
            Err(why) => vec![Finding::Unusable(why)],
        }))
    }
}

//! Every crash that a recorded run can have: rebuilt in memory, looked at, judged.

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
use crate::subject::Ended;

/// Which crash states of a recording are looked at.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Exploration {
    /// Under which rules.
    pub survivals: Vec<Survival>,
    /// How many random survivals at each crash point.
    pub trials: u64,
    /// What the random ones are made from.
    pub seed: u64,
    /// At most about this many states, spread evenly over the run; `None` is each.
    pub max_states: Option<u64>,
    /// Only the very end of the recording: what [`Options::crash_at`] cut.
    pub only_end: bool,
}

impl Default for Exploration {
    /// Every crash point under every rule, 4 random survivals each, seed 1.
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
    /// With these rules only.
    #[must_use]
    pub fn with_survivals(mut self, survivals: impl Into<Vec<Survival>>) -> Self {
        self.survivals = survivals.into();
        self
    }

    /// With this many random survivals at each crash point.
    #[must_use]
    pub fn with_trials(mut self, trials: u64) -> Self {
        self.trials = trials;
        self
    }

    /// With this seed.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// With at most about this many states.
    #[must_use]
    pub fn with_max_states(mut self, max_states: u64) -> Self {
        self.max_states = Some(max_states);
        self
    }

    /// With the end of the recording as the only crash point.
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

    /// Every how many crash points one is looked at.
    fn stride(&self, points: usize) -> usize {
        let each = u64::try_from(self.states().count())
            .expect("a count")
            .max(1);
        let Some(max) = self.max_states else { return 1 };
        let points_allowed = usize::try_from(max / each).unwrap_or(usize::MAX).max(1);
        points.div_ceil(points_allowed).max(1)
    }
}

/// Judges the crash states of a recording. There is one crash point before each event and one at the
/// end.
///
/// With a [`Layout`](crate::Layout) as checker a state costs microseconds. With a program each state
/// that differs is mounted and the program run on it: milliseconds.
///
/// # Errors
///
/// When a checker program cannot be started, or a state not be mounted for it.
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
    // A subject may fail upon an injected error; without one it must not.
    if let (0, Ended::Badly(_) | Ended::Late) = (recording.struck, &recording.ended) {
        let why = format!("the run ended: {:?}", recording.ended);
        report.take(vec![Finding::Unusable(why)], || "run".to_owned());
    }
    let mut judge = Judge {
        checker,
        seen: HashSet::new(),
    };
    let mut disk = Disk::new(image);
    let mut claims = Claims::default();
    let stride = exploration.stride(events.len() + 1);
    for point in 0..=events.len() {
        if if exploration.only_end {
            point == events.len()
        } else {
            point % stride == 0
        } {
            for (survival, trial) in exploration.states() {
                let random = Random::of(exploration.seed, position(point), trial);
                let crashed = disk.crash(survival, random);
                report.states += 1;
                if let Some(findings) = judge.judge(&crashed, &claims)? {
                    report.distinct += 1;
                    report.take(findings, || {
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
        if let Event::Said(line) = event {
            claims.say(line);
        }
        disk.play(event);
    }
    report.elapsed = began.elapsed();
    Ok(report)
}

fn position(point: usize) -> u64 {
    u64::try_from(point).expect("a position")
}

struct Judge<'a> {
    checker: &'a Checker,
    /// Hashes of what was judged before.
    seen: HashSet<u64>,
}

impl Judge<'_> {
    /// The findings of a state, or `None` for one that was judged before.
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
            CheckerKind::Layout(layout) => Ok(layout.judge(files)),
            CheckerKind::Program(_) => {
                let mount = StrictMount::new(Options::default().with_image(crashed.clone()))?;
                self.checker.look(mount.root())?
            }
        };
        Ok(Some(match visible {
            Ok(visible) => claims.judge(&visible),
            Err(why) => vec![Finding::Unusable(why)],
        }))
    }
}

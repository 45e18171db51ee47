//! Explores the crashes of a recorded run: rebuilds, repairs, mounts and judges crash states.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use super::event::{BlockEvent, BlockRecording};
use super::pages::Pages;
use super::rig::Rig;
use crate::checker::Checker;
use crate::claims::Claims;
use crate::clock;
use crate::error::Result;
use crate::finding::Finding;
use crate::protocol::Line;
use crate::random::Random;
use crate::report::Report;
use crate::strict::STORE;
use crate::subject::RunOutcome;

/// Options that select the crash states of a recording.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BlockExploration {
    /// The approximate number of states.
    pub states: usize,
    /// The seed of all random choices.
    pub seed: u64,
    /// Whether to stop at the first state with a finding.
    pub stop_at_first: bool,
}

impl Default for BlockExploration {
    /// 100 states, seed 1, without an early stop.
    fn default() -> Self {
        Self {
            states: 100,
            seed: 1,
            stop_at_first: false,
        }
    }
}

impl BlockExploration {
    /// Sets the approximate number of states.
    #[must_use]
    pub fn with_states(mut self, states: usize) -> Self {
        self.states = states;
        self
    }

    /// Sets the seed of all random choices.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Stops at the first finding.
    #[must_use]
    pub fn with_stop_at_first(mut self) -> Self {
        self.stop_at_first = true;
        self
    }
}

/// The fate of the unflushed writes in the device's cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum CacheFate {
    /// All of them are lost: only the flushed prefix survives.
    Lost,
    /// All of them survive: the whole prefix.
    Kept,
    /// Each one survives with this probability in 256 and may be torn at a sector. A later write may
    /// survive without an earlier one, as on a device that reorders writes.
    Partial(u8),
}

/// A crash state: a position in the log and the fate of the cache at that position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct CrashState {
    point: usize,
    cache: CacheFate,
    trial: u64,
}

/// Judges crash states of a recording. Half of them directly follow a promise, the others are anywhere.
/// If writes failed, only promises after the first failure are followed.
/// The device's cache is lost, kept, or partly kept.
///
/// One state takes tens of milliseconds.
///
/// # Errors
///
/// If the device cannot be set up, or a checker program cannot be started. A crash state that cannot be
/// repaired or mounted is a finding.
pub fn explore(
    recording: &BlockRecording,
    checker: &Checker,
    exploration: &BlockExploration,
) -> Result<Report> {
    let BlockExploration {
        states,
        seed,
        stop_at_first,
    } = exploration;
    let began = clock::now();
    let BlockRecording {
        file_system,
        base,
        events,
        outcome,
    } = recording;
    let mut report = Report {
        unsupported: recording.unsupported().map(str::to_owned),
        ..Report::default()
    };
    let fault = events
        .iter()
        .any(|event| matches!(event, BlockEvent::Failed(_)));
    // Stores may fail after a fault.
    let failed = matches!(outcome, RunOutcome::Failure(_)) && !fault;
    if failed || *outcome == RunOutcome::TimedOut {
        let why = format!("the run failed: {outcome:?}");
        report.add(vec![Finding::Unusable(why)], || "run".to_owned());
    }
    let rig = Rig::new(file_system.size(), Duration::ZERO)?;
    let mut playback = Playback::new(base, events);
    let mut seen = HashSet::new();
    for state in choose_states(events, *states, *seed) {
        let CrashState {
            point,
            cache,
            trial,
        } = state;
        playback.advance_to(point);
        let (pages, fingerprint) = playback.crash(cache, Random::of(*seed, point as u64, trial));
        report.states += 1;
        if !seen.insert(fingerprint) {
            continue;
        }
        report.distinct += 1;
        rig.disk().pages = pages;
        rig.drop_kernel_cache()?;
        let findings = match inspect(recording, checker, &rig)? {
            Ok(visible) => playback.claims.judge(&visible),
            Err(why) => vec![Finding::Unusable(why)],
        };
        let found = !findings.is_empty();
        report.add(findings, || {
            format!(
                "{file_system}, event {point} of {}, cache {cache:?}, trial {trial}",
                events.len()
            )
        });
        if found && *stop_at_first {
            break;
        }
    }
    report.elapsed = began.elapsed();
    Ok(report)
}

fn inspect(
    recording: &BlockRecording,
    checker: &Checker,
    rig: &Rig,
) -> Result<Result<Vec<crate::Visible>, String>> {
    let file_system = recording.file_system;
    if let Err(why) = file_system.repair(rig.device())? {
        return Ok(Err(why));
    }
    let mounted = match file_system.mount(rig.device(), rig.point()) {
        Ok(mounted) => mounted,
        Err(errno) => return Ok(Err(format!("mount: {errno}"))),
    };
    let visible = checker.inspect(&rig.point().join(STORE))?;
    mounted.unmount()?;
    Ok(visible)
}

/// Chooses the states to judge, sorted by position.
fn choose_states(events: &[BlockEvent], count: usize, seed: u64) -> Vec<CrashState> {
    // After a fault, only what was promised from then on can be wrong.
    let is_failure = |event: &BlockEvent| matches!(event, BlockEvent::Failed(_));
    let fault = events.iter().position(is_failure).unwrap_or(0);
    let promised: Vec<_> = (1..)
        .zip(events)
        .skip(fault)
        .filter(|(_, event)| {
            matches!(
                event,
                BlockEvent::Printed(Line::Ack(..) | Line::Exists(_) | Line::Deleted(_))
            )
        })
        .map(|(position, _)| position)
        .collect();
    let mut random = Random::new(seed);
    // The end of the recording is always judged.
    let mut states = vec![CrashState {
        point: events.len(),
        cache: CacheFate::Lost,
        trial: 0,
    }];
    for trial in 1.. {
        if states.len() >= count {
            break;
        }
        let point = if promised.is_empty() || trial % 2 == 0 {
            random.below(events.len() + 1)
        } else {
            promised[random.below(promised.len())]
        };
        let cache = match random.below(8) {
            0..=2 => CacheFate::Lost,
            3 => CacheFate::Kept,
            _ => CacheFate::Partial([32, 128, 224][random.below(3)]),
        };
        states.push(CrashState {
            point,
            cache,
            trial,
        });
    }
    states.sort_unstable();
    states
}

/// A playback of a device's log.
struct Playback<'a> {
    events: &'a [BlockEvent],
    position: usize,
    durable: Pages,
    /// The positions of writes that no flush has covered yet.
    pending: Vec<usize>,
    flushed: usize,
    claims: Claims,
}

impl<'a> Playback<'a> {
    fn new(base: &Pages, events: &'a [BlockEvent]) -> Self {
        Self {
            events,
            position: 0,
            durable: base.clone(),
            pending: Vec::new(),
            flushed: 0,
            claims: Claims::default(),
        }
    }

    fn advance_to(&mut self, point: usize) {
        while self.position < point {
            match &self.events[self.position] {
                BlockEvent::Printed(line) => self.claims.record(line),
                BlockEvent::Flush(covered) => {
                    let cut = self.pending.partition_point(|position| position < covered);
                    for position in self.pending.drain(..cut) {
                        self.events[position].apply(&mut self.durable);
                        self.flushed += 1;
                    }
                }
                BlockEvent::Write(..) | BlockEvent::Zero(..) => self.pending.push(self.position),
                BlockEvent::Failed(_) => {}
            }
            self.position += 1;
        }
    }

    /// Returns the device after a power cut at this position, and a fingerprint of the state.
    fn crash(&self, cache: CacheFate, mut random: Random) -> (Pages, u64) {
        let mut hasher = DefaultHasher::new();
        (self.claims.version(), self.flushed).hash(&mut hasher);
        let mut pages = self.durable.clone();
        for position in &self.pending {
            let kept = match cache {
                CacheFate::Lost => false,
                CacheFate::Kept => true,
                CacheFate::Partial(parts) => random.chance(parts),
            };
            if !kept {
                continue;
            }
            position.hash(&mut hasher);
            match &self.events[*position] {
                // A device writes a sector completely or not at all. It may tear a longer write at a
                // sector boundary.
                BlockEvent::Write(offset, data)
                    if cache != CacheFate::Kept && data.len() > 512 && random.chance(16) =>
                {
                    let sectors = random.below(data.len().div_ceil(512));
                    sectors.hash(&mut hasher);
                    pages.write(*offset, &data[..sectors * 512]);
                }
                event => event.apply(&mut pages),
            }
        }
        (pages, hasher.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(page: u64, byte: u8) -> BlockEvent {
        BlockEvent::Write(page * 4096, vec![byte; 512].into())
    }

    fn bytes(events: &[BlockEvent], cache: CacheFate, seed: u64) -> Vec<u8> {
        let mut playback = Playback::new(&Pages::default(), events);
        playback.advance_to(events.len());
        let (pages, _) = playback.crash(cache, Random::new(seed));
        (0..3)
            .map(|page| {
                let mut byte = [0];
                pages.read(page * 4096, &mut byte);
                byte[0]
            })
            .collect()
    }

    #[test]
    fn a_flush_covers_only_writes_from_before_it_began() {
        let events = [write(0, 1), write(1, 2), BlockEvent::Flush(1), write(2, 3)];
        assert_eq!(bytes(&events, CacheFate::Lost, 0), [1, 0, 0]);
        assert_eq!(bytes(&events, CacheFate::Kept, 0), [1, 2, 3]);
    }

    #[test]
    fn any_subset_of_unflushed_writes_may_survive() {
        let events = [write(0, 1), BlockEvent::Flush(1), write(1, 2), write(2, 3)];
        let states: std::collections::BTreeSet<_> = (0..100)
            .map(|seed| bytes(&events, CacheFate::Partial(128), seed))
            .collect();
        let all = [[1, 0, 0], [1, 0, 3], [1, 2, 0], [1, 2, 3]].map(Vec::from);
        assert_eq!(states, all.into());
    }

    #[test]
    fn half_of_the_states_directly_follow_a_promise() {
        let mut events: Vec<_> = (0..50).map(|page| write(page, 1)).collect();
        events.push(BlockEvent::Printed(Line::Exists("a".into())));
        events.extend((0..50).map(|page| write(page, 1)));
        let states = choose_states(&events, 100, 7);
        assert_eq!(states.len(), 100);
        assert!(states.iter().filter(|state| state.point == 51).count() >= 49);
        assert!(states.is_sorted());
    }
}

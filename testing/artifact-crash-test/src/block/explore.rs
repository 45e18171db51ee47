//! The crashes that a device's log can have: rebuilt, repaired, mounted, judged.

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
use crate::subject::Ended;

/// Which crash states of a recording are looked at.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BlockExploration {
    /// About how many.
    pub states: usize,
    /// What they are chosen by.
    pub seed: u64,
    /// Stop at the first state that shows a finding.
    pub stop_at_first: bool,
}

impl Default for BlockExploration {
    /// 100 states, seed 1, all of them.
    fn default() -> Self {
        Self {
            states: 100,
            seed: 1,
            stop_at_first: false,
        }
    }
}

impl BlockExploration {
    /// With about this many states.
    #[must_use]
    pub fn with_states(mut self, states: usize) -> Self {
        self.states = states;
        self
    }

    /// With this seed.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Stopping at the first finding.
    #[must_use]
    pub fn with_stop_at_first(mut self) -> Self {
        self.stop_at_first = true;
        self
    }
}

/// Which of the writes that no flush covered survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Cache {
    /// None: the flushed prefix.
    Lost,
    /// All: the whole prefix.
    Kept,
    /// Each on its own by chance, in 256ths; what is kept may be torn at a sector and so may
    /// come later than what is lost, which is what a device that reorders does.
    Some(u8),
}

/// A crash state: a position in the log and the fate of the cache there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Plan {
    point: usize,
    cache: Cache,
    trial: u64,
}

/// Judges crash states of a recording: half of them where something has just been promised, the rest
/// anywhere; the cache lost, kept, or kept in part.
///
/// One state takes tens of milliseconds.
///
/// # Errors
///
/// When the device cannot be set up, or a checker program not be started. A crash state that cannot be
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
        ended,
    } = recording;
    let mut report = Report {
        unsupported: recording.unsupported().map(str::to_owned),
        ..Report::default()
    };
    if let Ended::Badly(_) | Ended::Late = ended {
        report.take(
            vec![Finding::Unusable(format!("the run ended: {ended:?}"))],
            || "run".to_owned(),
        );
    }
    let rig = Rig::new(file_system.size(), Duration::ZERO)?;
    let mut log = Log::new(base, events);
    let mut seen = HashSet::new();
    for plan in plans(events, *states, *seed) {
        log.play_to(plan.point);
        let (pages, fingerprint) =
            log.crash(plan.cache, Random::of(*seed, plan.point as u64, plan.trial));
        report.states += 1;
        if !seen.insert(fingerprint) {
            continue;
        }
        report.distinct += 1;
        rig.disk().pages = pages;
        rig.forget()?;
        let findings = match look(recording, checker, &rig)? {
            Ok(visible) => log.claims.judge(&visible),
            Err(why) => vec![Finding::Unusable(why)],
        };
        let found = !findings.is_empty();
        report.take(findings, || {
            let Plan {
                point,
                cache,
                trial,
            } = plan;
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

fn look(
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
    let visible = checker.look(&rig.point().join(STORE))?;
    mounted.unmount()?;
    Ok(visible)
}

/// The states to look at, in order of position.
fn plans(events: &[BlockEvent], states: usize, seed: u64) -> Vec<Plan> {
    let promised: Vec<_> = (1..)
        .zip(events)
        .filter(|(_, event)| {
            matches!(
                event,
                BlockEvent::Said(Line::Ack(..) | Line::Exists(_) | Line::Deleted(_))
            )
        })
        .map(|(position, _)| position)
        .collect();
    let mut random = Random::new(seed);
    // The end is always looked at, and so are the moments just after the last promises.
    let mut plans = vec![Plan {
        point: events.len(),
        cache: Cache::Lost,
        trial: 0,
    }];
    for trial in 1.. {
        if plans.len() >= states {
            break;
        }
        let point = if promised.is_empty() || trial % 2 == 0 {
            random.below(events.len() + 1)
        } else {
            promised[random.below(promised.len())]
        };
        let cache = match random.below(8) {
            0..=2 => Cache::Lost,
            3 => Cache::Kept,
            _ => Cache::Some([32, 128, 224][random.below(3)]),
        };
        plans.push(Plan {
            point,
            cache,
            trial,
        });
    }
    plans.sort_unstable();
    plans
}

/// A log as it is played back.
struct Log<'a> {
    events: &'a [BlockEvent],
    position: usize,
    durable: Pages,
    /// Positions of writes that no flush covered yet.
    pending: Vec<usize>,
    flushed: usize,
    claims: Claims,
}

impl<'a> Log<'a> {
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

    fn play_to(&mut self, point: usize) {
        while self.position < point {
            match &self.events[self.position] {
                BlockEvent::Said(line) => self.claims.say(line),
                BlockEvent::Flush(upto) => {
                    let cut = self.pending.partition_point(|at| at < upto);
                    for at in self.pending.drain(..cut) {
                        self.events[at].apply(&mut self.durable);
                        self.flushed += 1;
                    }
                }
                BlockEvent::Write(..) | BlockEvent::Zero(..) => self.pending.push(self.position),
            }
            self.position += 1;
        }
    }

    /// The device after a power cut here, and what tells it from other states.
    fn crash(&self, cache: Cache, mut random: Random) -> (Pages, u64) {
        let mut hasher = DefaultHasher::new();
        (self.claims.version(), self.flushed).hash(&mut hasher);
        let mut pages = self.durable.clone();
        for at in &self.pending {
            let kept = match cache {
                Cache::Lost => false,
                Cache::Kept => true,
                Cache::Some(parts) => random.chance(parts),
            };
            if !kept {
                continue;
            }
            at.hash(&mut hasher);
            match &self.events[*at] {
                // A sector is written whole or not at all; a longer write may be torn between two.
                BlockEvent::Write(offset, data)
                    if cache != Cache::Kept && data.len() > 512 && random.chance(16) =>
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

    fn bytes(events: &[BlockEvent], cache: Cache, seed: u64) -> Vec<u8> {
        let mut log = Log::new(&Pages::default(), events);
        log.play_to(events.len());
        let (pages, _) = log.crash(cache, Random::new(seed));
        (0..3)
            .map(|page| {
                let mut byte = [0];
                pages.read(page * 4096, &mut byte);
                byte[0]
            })
            .collect()
    }

    #[test]
    fn a_flush_keeps_what_came_before_it_began() {
        let events = [write(0, 1), write(1, 2), BlockEvent::Flush(1), write(2, 3)];
        assert_eq!(bytes(&events, Cache::Lost, 0), [1, 0, 0]);
        assert_eq!(bytes(&events, Cache::Kept, 0), [1, 2, 3]);
    }

    #[test]
    fn any_part_of_the_cache_may_survive_in_any_order() {
        let events = [write(0, 1), BlockEvent::Flush(1), write(1, 2), write(2, 3)];
        let states: std::collections::BTreeSet<_> = (0..100)
            .map(|seed| bytes(&events, Cache::Some(128), seed))
            .collect();
        let all = [[1, 0, 0], [1, 0, 3], [1, 2, 0], [1, 2, 3]].map(Vec::from);
        assert_eq!(states, all.into());
    }

    #[test]
    fn half_of_the_states_follow_a_promise() {
        let mut events: Vec<_> = (0..50).map(|page| write(page, 1)).collect();
        events.push(BlockEvent::Said(Line::Exists("a".into())));
        events.extend((0..50).map(|page| write(page, 1)));
        let plans = plans(&events, 100, 7);
        assert_eq!(plans.len(), 100);
        assert!(plans.iter().filter(|plan| plan.point == 51).count() >= 49);
        assert!(plans.is_sorted());
    }
}

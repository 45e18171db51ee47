//! The artifacts whose stored bytes were found to be damaged or lost.

use std::collections::{HashMap, VecDeque};
use std::error::Error as StdError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use artifact_backend::{ArtifactId, Stamp};
use metrics::{Counter, Gauge};

/// The findings of this process: damaged artifacts, and the stamp of their storage when the damage was
/// found.
///
/// A finding stays until the artifact is verified again, or until [`CAPACITY`](Self::CAPACITY) later
/// ones. An artifact whose finding was evicted counts as never verified: the next whole read finds the
/// damage again.
#[derive(Debug)]
pub(crate) struct DamagedSet {
    /// The number of findings, so that a set without any costs readers no lock.
    length: AtomicUsize,
    state: Mutex<State>,
    found: Counter,
    known: Gauge,
}

impl Default for DamagedSet {
    fn default() -> Self {
        Self {
            length: AtomicUsize::default(),
            state: Mutex::default(),
            found: crate::metrics::damaged("read"),
            known: crate::metrics::known_damaged("read"),
        }
    }
}

#[derive(Debug, Default)]
struct State {
    findings: HashMap<ArtifactId, Finding>,
    /// Every id of `findings` once, oldest first.
    order: VecDeque<ArtifactId>,
}

/// The stamp of the damaged storage; `None` if the backend knows no stamp or the blob is missing.
pub(crate) type Finding = Option<Stamp>;

impl DamagedSet {
    /// A finding takes about 100 bytes, so the set takes a few MiB at most.
    pub(crate) const CAPACITY: usize = 1 << 16;

    fn state(&self) -> MutexGuard<'_, State> {
        // No critical section leaves the map and the order different.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the finding about an artifact, if there is one.
    pub(crate) fn get(&self, id: ArtifactId) -> Option<Finding> {
        if self.length.load(Ordering::Acquire) == 0 {
            return None;
        }
        self.state().findings.get(&id).copied()
    }

    /// Records damage, and raises the alarm unless it is the damage that was found before.
    pub(crate) fn report(&self, id: ArtifactId, stamp: Finding, error: &(dyn StdError + 'static)) {
        if self.insert(id, stamp) {
            self.found.increment(1);
            tracing::error!(
                alarm = "corrupt-blob",
                %id,
                error,
                "a stored blob is damaged or lost; every request for it fails until the blob is restored"
            );
        }
    }

    /// Returns whether the damage is new: the artifact was not known to be damaged, or its storage was
    /// changed since and is still damaged.
    fn insert(&self, id: ArtifactId, stamp: Finding) -> bool {
        let mut state = self.state();
        let is_new = if let Some(before) = state.findings.insert(id, stamp) {
            before.is_some() && before != stamp
        } else {
            state.order.push_back(id);
            true
        };
        if state.order.len() > Self::CAPACITY
            && let Some(oldest) = state.order.pop_front()
        {
            state.findings.remove(&oldest);
        }
        self.set_length(&state);
        is_new
    }

    /// Removes a finding after the artifact was verified, unless there is a newer finding. Returns
    /// whether the artifact counts as sound.
    pub(crate) fn resolve(&self, id: ArtifactId, finding: Finding) -> bool {
        let mut state = self.state();
        match state.findings.get(&id) {
            Some(current) if *current != finding => false,
            _ => {
                self.remove(&mut state, id);
                true
            }
        }
    }

    /// Removes an artifact that was deleted.
    pub(crate) fn forget(&self, id: ArtifactId) {
        if self.get(id).is_some() {
            self.remove(&mut self.state(), id);
        }
    }

    fn remove(&self, state: &mut State, id: ArtifactId) {
        if state.findings.remove(&id).is_some() {
            state.order.retain(|other| *other != id);
        }
        self.set_length(state);
    }

    fn set_length(&self, state: &State) {
        let length = state.order.len();
        self.length.store(length, Ordering::Release);
        crate::metrics::set(&self.known, length as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> ArtifactId {
        ArtifactId::from_bytes((number as u128).to_be_bytes())
    }

    const A: Finding = Some(Stamp::new([1, 2, 3]));
    const B: Finding = Some(Stamp::new([1, 2, 4]));

    #[test]
    fn the_same_damage_is_new_only_once() {
        let set = DamagedSet::default();
        assert!(set.insert(id(1), None), "the first finding");
        assert!(!set.insert(id(1), None));
        assert!(!set.insert(id(1), A), "the stamp was unknown before");
        assert!(!set.insert(id(1), A));
        assert!(set.insert(id(1), B), "the storage was changed");
        assert!(set.insert(id(1), None), "the storage was changed again");
        assert!(set.insert(id(2), A));
        assert_eq!(set.get(id(1)), Some(None));
    }

    #[test]
    fn a_finding_is_resolved_unless_it_was_replaced() {
        let set = DamagedSet::default();
        set.insert(id(1), A);
        assert!(!set.resolve(id(1), B));
        assert_eq!(set.get(id(1)), Some(A));
        assert!(set.resolve(id(1), A));
        assert_eq!(set.get(id(1)), None);
        assert!(set.resolve(id(1), A));
        set.insert(id(2), A);
        set.forget(id(2));
        assert_eq!((set.get(id(2)), set.state().order.len()), (None, 0));
    }

    #[test]
    fn only_the_oldest_findings_are_evicted() {
        let set = DamagedSet::default();
        for number in 0..DamagedSet::CAPACITY + 10 {
            set.insert(id(number), A);
        }
        assert_eq!(set.state().findings.len(), DamagedSet::CAPACITY);
        assert_eq!(set.get(id(9)), None);
        assert_eq!(set.get(id(10)), Some(A));
        assert!(set.insert(id(0), A), "an evicted finding is new again");
    }
}

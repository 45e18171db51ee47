//! A set that forgets.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is known, by a keyed hash.
pub(super) type Key = [u8; 32];

/// The keys that were asked for or put in last: at least the last `each`, and at most twice as many.
#[derive(Debug)]
pub(super) struct TwoGenerationSet {
    each: usize,
    sets: Mutex<Sets>,
}

#[derive(Debug, Default)]
struct Sets {
    young: HashSet<Key>,
    old: HashSet<Key>,
}

impl TwoGenerationSet {
    pub(super) fn new(each: usize) -> Self {
        Self {
            each,
            sets: Mutex::default(),
        }
    }

    fn sets(&self) -> MutexGuard<'_, Sets> {
        // A key more or less is all that a panic between two steps could leave.
        self.sets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn contains(&self, key: &Key) -> bool {
        let mut sets = self.sets();
        if sets.young.contains(key) {
            return true;
        }
        let found = sets.old.contains(key);
        if found {
            self.put(&mut sets, *key);
        }
        found
    }

    pub(super) fn insert(&self, key: Key) {
        self.put(&mut self.sets(), key);
    }

    fn put(&self, sets: &mut Sets, key: Key) {
        if sets.young.len() >= self.each && !sets.young.contains(&key) {
            sets.old = std::mem::take(&mut sets.young);
        }
        sets.young.insert(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: usize) -> Key {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&n.to_le_bytes());
        key
    }

    #[test]
    fn the_last_ones_are_kept_and_the_number_is_bounded() {
        let set = TwoGenerationSet::new(100);
        for n in 0..10_000 {
            set.insert(key(n));
            let sets = set.sets();
            assert!(sets.young.len() <= 100 && sets.old.len() <= 100);
        }
        for n in 9_900..10_000 {
            assert!(set.contains(&key(n)), "{n}");
        }
        assert!(!set.contains(&key(9_000)));
    }

    #[test]
    fn what_is_asked_for_stays() {
        let set = TwoGenerationSet::new(10);
        set.insert(key(0));
        for n in 1..1_000 {
            set.insert(key(n));
            assert!(set.contains(&key(0)), "{n}");
        }
        assert!(!set.contains(&key(1)));
    }
}

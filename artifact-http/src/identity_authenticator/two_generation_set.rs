//! A bounded set that forgets the keys that were not used lately.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A keyed hash.
pub(super) type Key = [u8; 32];

/// Keeps at least the last `capacity` keys that were inserted or found, and at most twice as many.
#[derive(Debug)]
pub(super) struct TwoGenerationSet {
    capacity: usize,
    generations: Mutex<Generations>,
}

#[derive(Debug, Default)]
struct Generations {
    young: HashSet<Key>,
    old: HashSet<Key>,
}

impl TwoGenerationSet {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            generations: Mutex::default(),
        }
    }

    fn generations(&self) -> MutexGuard<'_, Generations> {
        // A panic can at worst lose a key, which is then computed again.
        self.generations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn contains(&self, key: &Key) -> bool {
        let mut generations = self.generations();
        if generations.young.contains(key) {
            return true;
        }
        let found = generations.old.contains(key);
        if found {
            self.put(&mut generations, *key);
        }
        found
    }

    pub(super) fn insert(&self, key: Key) {
        self.put(&mut self.generations(), key);
    }

    fn put(&self, generations: &mut Generations, key: Key) {
        if generations.young.len() >= self.capacity && !generations.young.contains(&key) {
            generations.old = std::mem::take(&mut generations.young);
        }
        generations.young.insert(key);
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
    fn the_last_keys_are_kept_and_their_number_is_bounded() {
        let set = TwoGenerationSet::new(100);
        for n in 0..10_000 {
            set.insert(key(n));
            let generations = set.generations();
            assert!(generations.young.len() <= 100 && generations.old.len() <= 100);
        }
        for n in 9_900..10_000 {
            assert!(set.contains(&key(n)), "{n}");
        }
        assert!(!set.contains(&key(9_000)));
    }

    #[test]
    fn keys_that_are_looked_up_are_kept() {
        let set = TwoGenerationSet::new(10);
        set.insert(key(0));
        for n in 1..1_000 {
            set.insert(key(n));
            assert!(set.contains(&key(0)), "{n}");
        }
        assert!(!set.contains(&key(1)));
    }
}

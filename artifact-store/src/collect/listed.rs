//! Remembers which blobs a list contained, in constant memory.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};

use artifact_backend::ArtifactId;

/// The number of bits: 16 MiB. Untouched parts of it take no memory.
const BITS: u64 = 1 << 27;
/// The number of bits of one id.
const BITS_PER_ID: u64 = 8;

/// A Bloom filter of listed ids: it never misses an id that it contains, and rarely claims one that it does not.
///
/// With 10 million ids it wrongly claims 0.2 % of other ids, with 1 million less than one in a billion. The hash has a
/// new random key each time, so that two runs are wrong about different ids. Own code, because all of it is the two
/// loops below.
pub(super) struct ListedIds {
    bits: Vec<u64>,
    hash: RandomState,
}

impl ListedIds {
    pub(super) fn new() -> Self {
        let words = usize::try_from(BITS / 64).expect("the number fits 32 bits");
        Self {
            bits: vec![0; words],
            hash: RandomState::new(),
        }
    }

    pub(super) fn insert(&mut self, id: ArtifactId) {
        for (word, bit) in self.positions(id) {
            self.bits[word] |= bit;
        }
    }

    pub(super) fn may_contain(&self, id: ArtifactId) -> bool {
        self.positions(id)
            .all(|(word, bit)| self.bits[word] & bit != 0)
    }

    /// Returns the bits of an id, by double hashing (Kirsch and Mitzenmacher 2006).
    fn positions(&self, id: ArtifactId) -> impl Iterator<Item = (usize, u64)> + use<> {
        let hash = self.hash.hash_one(id);
        // An odd step visits different bits.
        let step = (hash >> 32) | 1;
        (0..BITS_PER_ID).map(move |number| {
            let bit = hash.wrapping_add(number.wrapping_mul(step)) % BITS;
            let word = usize::try_from(bit / 64).expect("the number fits 32 bits");
            (word, 1 << (bit % 64))
        })
    }
}

impl fmt::Debug for ListedIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListedIds").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listed_ids_are_found_and_others_are_not() {
        let mut listed = ListedIds::new();
        let ids: Vec<_> = (0..100_000).map(|_| ArtifactId::mint()).collect();
        for id in &ids[..50_000] {
            listed.insert(*id);
        }
        assert!(ids[..50_000].iter().all(|id| listed.may_contain(*id)));
        let wrong = ids[50_000..].iter().filter(|id| listed.may_contain(**id));
        assert_eq!(wrong.count(), 0);
    }
}

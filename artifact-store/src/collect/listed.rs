//! Remembers which blobs a list contained, in constant memory.

use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};

use artifact_backend::ArtifactId;

/// Up to this number, all ids are kept: 2 MiB.
const FEW: usize = 1 << 16;
/// The number of bits: 16 MiB.
const BITS: u64 = 1 << 27;
/// The number of bits of one id.
const BITS_PER_ID: u64 = 8;

/// The ids of a list. Beyond 65,536 ids it is a Bloom filter: it never misses an id that it contains, and rarely claims one
/// that it does not.
///
/// With 10 million ids it wrongly claims 0.2 % of other ids, with 1 million less than one in a billion. The hash has a
/// new random key each time, so that two runs are wrong about different ids. Own code, because all of it is the two
/// loops below.
pub(super) struct ListedIds {
    few: HashSet<ArtifactId>,
    /// Empty while there are few.
    bits: Vec<u64>,
    hash: RandomState,
}

impl ListedIds {
    pub(super) fn new() -> Self {
        Self {
            few: HashSet::new(),
            bits: Vec::new(),
            hash: RandomState::new(),
        }
    }

    pub(super) fn insert(&mut self, id: ArtifactId) {
        if self.bits.is_empty() {
            self.few.insert(id);
            if self.few.len() < FEW {
                return;
            }
            self.bits = vec![0; usize::try_from(BITS / 64).expect("the number fits 32 bits")];
            for id in std::mem::take(&mut self.few) {
                self.set_bits(id);
            }
        }
        self.set_bits(id);
    }

    pub(super) fn may_contain(&self, id: ArtifactId) -> bool {
        if self.bits.is_empty() {
            return self.few.contains(&id);
        }
        self.positions(id)
            .all(|(word, bit)| self.bits[word] & bit != 0)
    }

    fn set_bits(&mut self, id: ArtifactId) {
        for (word, bit) in self.positions(id) {
            self.bits[word] |= bit;
        }
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
        for number in [100, FEW - 1, FEW, 100_000] {
            let mut listed = ListedIds::new();
            let ids: Vec<_> = (0..number).map(|_| ArtifactId::mint()).collect();
            for id in &ids {
                listed.insert(*id);
            }
            assert!(ids.iter().all(|id| listed.may_contain(*id)), "{number}");
            let others = (0..50_000).map(|_| ArtifactId::mint());
            let wrong = others.filter(|id| listed.may_contain(*id)).count();
            assert_eq!(wrong, 0, "{number}");
        }
    }

    #[test]
    fn a_filter_with_many_ids_claims_few_others() {
        let mut listed = ListedIds::new();
        for _ in 0..200_000 {
            listed.insert(ArtifactId::mint());
        }
        // The bits are set as often as independent hashes would set them.
        let set: u32 = listed.bits.iter().map(|word| word.count_ones()).sum();
        let expected = 2_f64.powi(27) * (1.0 - (-1.6e6 / 2_f64.powi(27)).exp());
        let ratio = f64::from(set) / expected;
        assert!((ratio - 1.0).abs() < 0.005, "{ratio}");
    }
}

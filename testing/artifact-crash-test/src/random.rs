//! Seeded random numbers. A seed identifies a crash state, so every finding can be reproduced.

/// The generator `SplitMix64` (Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
/// 2014). Reproducible on every platform; not for secrets.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Starts the sequence of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Starts the sequence of one crash state, derived from a run's seed and the state's coordinates.
    pub fn of(seed: u64, point: u64, trial: u64) -> Self {
        let mut mixed = Self(seed ^ point.rotate_left(24) ^ trial.rotate_left(48));
        Self(mixed.next_u64())
    }

    /// Returns the next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Returns a number below `bound`, or 0 if `bound` is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        if bound == 0 {
            return 0;
        }
        usize::try_from(self.next_u64() % (bound as u64)).unwrap_or_default()
    }

    /// Returns true with a probability of `parts` in 256.
    pub fn chance(&mut self, parts: u8) -> bool {
        (self.next_u64() & 0xFF) < u64::from(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_matches_the_reference_implementation() {
        // The first values of the reference implementation for seed 1234567.
        let mut random = Random::new(1_234_567);
        assert_eq!(random.next_u64(), 6_457_827_717_110_365_317);
        assert_eq!(random.next_u64(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn numbers_are_below_the_bound() {
        assert_eq!(Random::new(1).below(0), 0);
        assert!((0..100).all(|seed| Random::new(seed).below(3) < 3));
    }
}

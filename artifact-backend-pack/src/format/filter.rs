//! A filter that says of most ids that a segment does not have them: a Bloom filter in blocks of a cache line.

use artifact_backend::ArtifactId;

use super::checksum;

/// The bits of the filter for each id. With [`PROBES`] of them set, about one of 500 absent ids passes.
const BITS_PER_ID: usize = 16;
const PROBES: usize = 6;
const LINE: usize = 64;

/// The filter of one segment, in memory: two bytes for each id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter(Box<[u8]>);

impl Filter {
    pub fn new(ids: impl ExactSizeIterator<Item = ArtifactId>) -> Self {
        let lines = (ids.len() * BITS_PER_ID).div_ceil(8 * LINE).max(1);
        let mut bytes = vec![0; lines * LINE];
        for id in ids {
            let probe = Probe::new(id);
            let line = probe.line(lines);
            for bit in probe.bits {
                bytes[line * LINE + bit / 8] |= 1 << (bit % 8);
            }
        }
        Self(bytes.into())
    }

    /// Returns the length in bytes of the filter of `ids` ids.
    pub fn length(ids: usize) -> usize {
        (ids * BITS_PER_ID).div_ceil(8 * LINE).max(1) * LINE
    }

    /// Restores a filter from its bytes. Returns `None` if they are not whole lines.
    pub fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        (!bytes.is_empty() && bytes.len().is_multiple_of(LINE)).then(|| Self(bytes.into()))
    }

    /// Returns a filter that every id passes.
    pub fn all() -> Self {
        Self([0xff; LINE].into())
    }

    pub fn checksum(&self) -> u64 {
        checksum(&[&self.0])
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns false if the id is surely not in the segment.
    pub fn may_contain(&self, probe: &Probe) -> bool {
        let line = &self.0[probe.line(self.0.len() / LINE) * LINE..][..LINE];
        let mut bits = probe.bits.iter();
        bits.all(|bit| line[bit / 8] & (1 << (bit % 8)) != 0)
    }
}

/// Where the filters of all segments have the bits of one id.
#[derive(Debug, Clone, Copy)]
pub struct Probe {
    /// Chooses the line.
    high: u64,
    bits: [usize; PROBES],
}

impl Probe {
    /// Ids are random, but not those of every caller, so they are mixed.
    pub fn new(id: ArtifactId) -> Self {
        let id = u128::from(id);
        let mixed = (id ^ (id >> 67)).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        let mixed = (mixed ^ (mixed >> 71)).wrapping_mul(0xd6e8_feb8_6659_fd93_a5a3_5641_9c2b_b0e5);
        let mut rest = mixed ^ (mixed >> 59);
        let bits = [(); PROBES].map(|()| {
            let bit = rest % (8 * LINE as u128);
            rest >>= 9;
            usize::try_from(bit).expect("a bit of a line")
        });
        let high = u64::try_from(mixed >> 64).expect("64 bits are left");
        Self { high, bits }
    }

    fn line(&self, lines: usize) -> usize {
        let line = (u128::from(self.high) * lines as u128) >> 64;
        usize::try_from(line).expect("a line of the filter")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_passes_and_few_others_do() {
        let ids: Vec<_> = (0..20_000).map(|_| ArtifactId::mint()).collect();
        let filter = Filter::new(ids.iter().copied());
        assert_eq!(filter.as_bytes().len(), Filter::length(ids.len()));
        assert!(ids.iter().all(|id| filter.may_contain(&Probe::new(*id))));
        let others = (0..20_000).filter(|_| filter.may_contain(&Probe::new(ArtifactId::mint())));
        let passed = others.count();
        assert!(passed < 200, "{passed} of 20,000 absent ids pass");
    }

    #[test]
    fn ids_that_are_close_to_each_other_are_told_apart() {
        let ids = (0..20_000_u128).map(|id| ArtifactId::from(id << 1));
        let filter = Filter::new(ids.collect::<Vec<_>>().into_iter());
        let passed = (0..20_000_u128)
            .filter(|id| filter.may_contain(&Probe::new(ArtifactId::from((id << 1) | 1))));
        let passed = passed.count();
        assert!(passed < 400, "{passed} of 20,000 absent ids pass");
    }
}

//! The fences of an index: the beginning of the first id of each block, in memory, so that a search reads one block.

use std::ops::Range;

use artifact_backend::ArtifactId;

use super::checksum;
use super::entry::Entry;
use super::index::PER_BLOCK;

/// The length of a fence in bytes.
const FENCE_BYTES: usize = 8;

/// The fences of one segment: 8 bytes for each block of its index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fences(Box<[u64]>);

/// Returns the first 64 bits of an id.
fn prefix(id: ArtifactId) -> u64 {
    u64::try_from(u128::from(id) >> 64).expect("64 bits are left")
}

impl Fences {
    /// Returns the fences of an index of these entries, which are in ascending order of their ids.
    pub fn new(entries: &[Entry]) -> Self {
        let firsts = entries.chunks(PER_BLOCK).map(|block| prefix(block[0].id));
        Self(firsts.collect())
    }

    /// Returns fences that exclude no block: a search interpolates.
    pub fn none() -> Self {
        Self(Box::default())
    }

    /// Returns the length in bytes of the fences of `entries` entries.
    pub fn length(entries: usize) -> usize {
        entries.div_ceil(PER_BLOCK) * FENCE_BYTES
    }

    pub fn encode(&self) -> Vec<u8> {
        let fences = self.0.iter();
        fences.flat_map(|fence| fence.to_le_bytes()).collect()
    }

    /// Restores the fences of an index of `blocks` blocks. Returns `None` if they have another number or are not in ascending order.
    pub fn decode(bytes: &[u8], blocks: u64) -> Option<Self> {
        let (encoded, rest) = bytes.as_chunks::<FENCE_BYTES>();
        let fits = rest.is_empty() && encoded.len() as u64 == blocks;
        let fences: Box<[u64]> = encoded
            .iter()
            .map(|fence| u64::from_le_bytes(*fence))
            .collect();
        (fits && fences.is_sorted()).then_some(Self(fences))
    }

    /// Returns the checksum of the encoded fences.
    pub fn checksum(encoded: &[u8]) -> u64 {
        checksum(&[encoded])
    }

    /// Returns the blocks, of `blocks`, that may have the id. It is one, unless other ids begin with the same 64 bits.
    pub fn blocks(&self, id: ArtifactId, blocks: u64) -> Range<u64> {
        if self.0.is_empty() {
            return 0..blocks;
        }
        let wanted = prefix(id);
        // The block before the first equal fence may end with ids that begin in the same way.
        let begin = self.0.partition_point(|fence| *fence < wanted);
        let end = self.0.partition_point(|fence| *fence <= wanted);
        begin.saturating_sub(1) as u64..end as u64
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::Content;
    use super::*;

    fn entries(ids: impl Iterator<Item = u128>) -> Vec<Entry> {
        let content = Content::Tombstone { freed: 0 };
        let entry = |id: u128| Entry {
            id: id.into(),
            modified: 0,
            replaces: 0,
            content,
            note: None,
        };
        ids.map(entry).collect()
    }

    #[test]
    fn fences_are_read_back_and_others_are_rejected() {
        let fences = Fences::new(&entries((0..500).map(|id: u128| id << 100)));
        let encoded = fences.encode();
        assert_eq!(encoded.len(), Fences::length(500));
        assert_eq!(Fences::decode(&encoded, 6), Some(fences));
        assert_eq!(Fences::decode(&encoded, 5), None);
        assert_eq!(Fences::decode(&encoded[1..], 6), None);
        let mut unsorted = encoded.clone();
        unsorted[7] = 0xff;
        assert_eq!(Fences::decode(&unsorted, 6), None);
    }

    #[test]
    fn ids_with_a_common_beginning_are_in_all_of_their_blocks() {
        let fences = Fences::new(&entries((0..500).map(|id: u128| (7 << 64) + id)));
        assert_eq!(fences.blocks(((7_u128 << 64) + 3).into(), 6), 0..6);
        assert_eq!(fences.blocks((6_u128 << 64).into(), 6), 0..0);
        assert_eq!(fences.blocks((8_u128 << 64).into(), 6), 5..6);
        assert_eq!(Fences::none().blocks((6_u128 << 64).into(), 6), 0..6);
    }
}

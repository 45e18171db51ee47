//! The index of a sealed segment: its entries in the order of their ids, in blocks with a checksum each.

use artifact_backend::ArtifactId;

use super::entry::{ENTRY_BYTES, Entry};
use super::{BLOCK, Fields, checksum};

/// The number of entries in a full block. After them come their number, zeros and the checksum.
pub const PER_BLOCK: usize = 85;
const COUNT_AT: usize = PER_BLOCK * ENTRY_BYTES;
const CHECKSUM_AT: usize = BLOCK - 8;
/// The number of reads after which a search halves the rest instead: the ids are not spread evenly.
const INTERPOLATIONS: u32 = 4;

/// Which block this is; part of its checksum.
fn place(epoch: u64, number: u64) -> [u8; 16] {
    let mut place = [0; 16];
    place[..8].copy_from_slice(&epoch.to_le_bytes());
    place[8..].copy_from_slice(&number.to_le_bytes());
    place
}

/// Encodes entries, which are in ascending order of their ids, each id once.
pub fn encode(epoch: u64, entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(entries.len().div_ceil(PER_BLOCK) * BLOCK);
    for (number, entries) in (0..).zip(entries.chunks(PER_BLOCK)) {
        let mut block = [0; BLOCK];
        for (field, entry) in block.chunks_exact_mut(ENTRY_BYTES).zip(entries) {
            field.copy_from_slice(&entry.encode());
        }
        let count = u32::try_from(entries.len()).expect("a block has few entries");
        block[COUNT_AT..COUNT_AT + 4].copy_from_slice(&count.to_le_bytes());
        let checksum = checksum(&[&place(epoch, number), &block[..CHECKSUM_AT]]);
        block[CHECKSUM_AT..].copy_from_slice(&checksum.to_le_bytes());
        bytes.extend_from_slice(&block);
    }
    bytes
}

/// A block of an index whose checksum was verified.
#[derive(Debug, Clone, Copy)]
pub struct Block<'b> {
    entries: &'b [[u8; ENTRY_BYTES]],
}

impl<'b> Block<'b> {
    /// Verifies the block with this number. Returns `None` if it is damaged.
    pub fn verify(epoch: u64, number: u64, block: &'b [u8; BLOCK]) -> Option<Self> {
        let (body, sum) = block.split_at(CHECKSUM_AT);
        if checksum(&[&place(epoch, number), body]).to_le_bytes() != sum {
            return None;
        }
        let count = Fields(&body[COUNT_AT..]).u32()? as usize;
        let (encoded, _) = body[..COUNT_AT].as_chunks::<ENTRY_BYTES>();
        let entries = encoded.get(..count)?;
        Some(Self { entries })
    }

    fn id(entry: &[u8; ENTRY_BYTES]) -> u128 {
        let id = entry.first_chunk().expect("an entry begins with its id");
        ArtifactId::from_bytes(*id).into()
    }
}

/// Decodes all entries of the block with this number. Returns `None` if it is damaged.
pub fn decode(epoch: u64, number: u64, block: &[u8; BLOCK]) -> Option<Vec<Entry>> {
    let block = Block::verify(epoch, number, block)?;
    block.entries.iter().map(Entry::decode).collect()
}

/// A search for one id. With the fences of the index, one read is enough. Without them, a guess by interpolation is right at the first
/// or second read, because ids are uniformly random.
#[derive(Debug)]
pub struct Search {
    wanted: u128,
    /// The blocks that may have the id.
    blocks: std::ops::Range<u64>,
    /// No id before `blocks` is greater than this, and none after them is smaller than `above`.
    below: u128,
    above: u128,
    reads: u32,
}

/// What a search needs next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// The block with this number.
    Read(u64),
    Found(Entry),
    Absent,
}

impl Search {
    /// Begins a search in these blocks of an index: no other has the id.
    pub fn new(id: ArtifactId, blocks: std::ops::Range<u64>) -> (Self, Step) {
        let search = Self {
            wanted: id.into(),
            blocks,
            below: 0,
            above: u128::MAX,
            reads: 0,
        };
        let step = search.next();
        (search, step)
    }

    fn next(&self) -> Step {
        let count = self.blocks.end.saturating_sub(self.blocks.start);
        if count == 0 || self.wanted < self.below || self.wanted > self.above {
            return Step::Absent;
        }
        let part = if self.reads < INTERPOLATIONS {
            // 32 bits of the distance are enough to choose among the blocks of a segment.
            let span = self.above - self.below;
            let shift = 96_u32.saturating_sub(span.leading_zeros());
            let (span, distance) = (span >> shift, (self.wanted - self.below) >> shift);
            let part = distance * u128::from(count) / (span + 1);
            u64::try_from(part).map_or(count - 1, |part| part.min(count - 1))
        } else {
            count / 2
        };
        Step::Read(self.blocks.start + part)
    }

    /// Continues with the block that was asked for. Returns `None` if the entry of the id has no valid form.
    pub fn feed(&mut self, number: u64, block: &Block<'_>) -> Option<Step> {
        let entries = block.entries;
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
            return Some(Step::Absent);
        };
        let (first, last) = (Block::id(first), Block::id(last));
        self.reads += 1;
        if self.wanted < first {
            self.blocks.end = number;
            self.above = first;
        } else if self.wanted > last {
            self.blocks.start = number + 1;
            self.below = last;
        } else {
            return match entries.binary_search_by_key(&self.wanted, Block::id) {
                Ok(at) => Entry::decode(&entries[at]).map(Step::Found),
                Err(_) => Some(Step::Absent),
            };
        }
        Some(self.next())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::entry::Content;
    use super::super::fences::Fences;
    use super::*;

    fn entry(id: u128) -> Entry {
        Entry {
            id: id.into(),
            modified: 1,
            replaces: 0,
            content: Content::Tombstone { freed: 0 },
            note: None,
        }
    }

    /// Searches an encoded index. Returns the entry and the number of reads.
    fn search(index: &[u8], fences: &Fences, id: u128) -> (Option<Entry>, u32) {
        let (blocks, _) = index.as_chunks::<BLOCK>();
        let range = fences.blocks(id.into(), blocks.len() as u64);
        let (mut search, mut step) = Search::new(id.into(), range);
        let mut reads = 0;
        loop {
            match step {
                Step::Read(number) => {
                    reads += 1;
                    let block = &blocks[usize::try_from(number).unwrap()];
                    let block = Block::verify(7, number, block).unwrap();
                    step = search.feed(number, &block).unwrap();
                }
                Step::Found(entry) => return (Some(entry), reads),
                Step::Absent => return (None, reads),
            }
        }
    }

    fn sorted(mut ids: Vec<u128>) -> Vec<u128> {
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn every_id_is_found_and_no_other(ids in prop::collection::vec(any::<u128>(), 0..600), near in prop::bool::ANY) {
            let ids = sorted(ids.into_iter().map(|id| if near { id % 5_000 } else { id }).collect());
            let entries: Vec<_> = ids.iter().map(|id| entry(*id)).collect();
            let index = encode(7, &entries);
            for fences in [Fences::none(), Fences::new(&entries)] {
                for id in &ids {
                    prop_assert_eq!(search(&index, &fences, *id).0, Some(entry(*id)));
                    for other in [id.wrapping_add(1), id.wrapping_sub(1)] {
                        let there = ids.binary_search(&other).is_ok();
                        prop_assert_eq!(search(&index, &fences, other).0.is_some(), there);
                    }
                }
                let has_last = ids.last() == Some(&u128::MAX);
                prop_assert_eq!(search(&index, &fences, u128::MAX).0.is_some(), has_last);
            }
        }
    }

    #[test]
    fn random_ids_need_one_read_with_fences_and_two_without_on_average() {
        let ids: Vec<u128> = (0_u128..60_000)
            .map(|number| u128::from_le_bytes(*md(number).first_chunk().unwrap()))
            .collect();
        let ids = sorted(ids);
        let entries: Vec<_> = ids.iter().map(|id| entry(*id)).collect();
        let index = encode(7, &entries);
        let reads = |fences: Fences| -> u32 {
            let searched = ids.iter().step_by(60);
            searched.map(|id| search(&index, &fences, *id).1).sum()
        };
        let without = reads(Fences::none());
        assert!(without < 2_000, "{without} reads for 1,000 searches");
        // The first id of a block may be in the block before, too.
        let with = reads(Fences::new(&entries));
        assert!(with < 1_100, "{with} reads for 1,000 searches");
    }

    /// Returns 16 bytes that look random.
    fn md(number: u128) -> Vec<u8> {
        let low = checksum(&[b"low", &number.to_le_bytes()]);
        let high = checksum(&[b"high", &number.to_le_bytes(), b"more"]);
        [low.to_le_bytes(), high.to_le_bytes()].concat()
    }

    #[test]
    fn a_damaged_or_misplaced_block_is_rejected() {
        let index = encode(7, &[entry(1), entry(2)]);
        let block: [u8; BLOCK] = index.try_into().unwrap();
        assert_eq!(decode(7, 0, &block).unwrap().len(), 2);
        assert_eq!(decode(7, 1, &block), None);
        assert_eq!(decode(8, 0, &block), None);
        for at in [0, 20, COUNT_AT, BLOCK - 1] {
            let mut damaged = block;
            damaged[at] ^= 1;
            assert_eq!(decode(7, 0, &damaged), None, "byte {at}");
        }
    }
}

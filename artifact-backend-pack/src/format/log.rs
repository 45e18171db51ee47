//! The state of the segment that is written to: what may be written, and what may be acknowledged.

use super::entry::{ENTRY_BYTES, Entry};
use super::fences::Fences;
use super::filter::Filter;
use super::frame::{self, Frame, HEADER_BYTES, Position, Record};
use super::mutant::{Mutant, planted};
use super::{BLOCK, index, round_up};

/// The number of entries of a segment. Those of the open one are in memory, about 100 bytes each, and a list sorts them.
const MAX_ENTRIES: usize = 1 << 18;

/// The end of an open segment.
///
/// One frame is in flight at most: it is written at the end, synced, and only then acknowledged. After a failed sync the log
/// accepts nothing more.
#[derive(Debug)]
pub struct Log {
    end: Position,
    /// The frame that was written and not yet acknowledged: where the next one begins.
    in_flight: Option<Position>,
    in_doubt: bool,
    capacity: u64,
}

impl Log {
    /// Begins at the end of the valid frames of a segment whose file may have `capacity` bytes.
    pub fn new(end: Position, capacity: u64) -> Self {
        Self {
            end,
            in_flight: None,
            in_doubt: false,
            capacity,
        }
    }

    /// Returns the end of the frames that were acknowledged.
    pub fn end(&self) -> Position {
        self.end
    }

    /// Returns whether a sync has failed.
    pub fn is_in_doubt(&self) -> bool {
        self.in_doubt
    }

    /// Returns whether a frame of these records fits, together with an index of the `indexed` entries that are there and its own. A
    /// new segment takes any frame.
    pub fn has_room<B: AsRef<[u8]>>(&self, records: &[Record<B>], indexed: usize) -> bool {
        let frame: usize = HEADER_BYTES + records.iter().map(Record::length).sum::<usize>();
        let entries = indexed + records.len();
        let index = entries.div_ceil(index::PER_BLOCK) * BLOCK;
        let rest = index + round_up(Filter::length(entries) + Fences::length(entries)) + BLOCK;
        let rest = round_up(frame) + rest;
        entries <= MAX_ENTRIES && u64::from(self.end.offset) + rest as u64 <= self.capacity
    }

    /// Encodes the frame that is to be written at [`end`](Self::end). Returns `None` after a failed sync.
    pub fn begin<B: AsRef<[u8]>>(&mut self, records: &[Record<B>]) -> Option<Frame> {
        if self.in_doubt && !planted(Mutant::GoesOnAfterFailedSync) {
            return None;
        }
        let frame = frame::encode(self.end, records);
        let length = u32::try_from(frame.bytes.len()).expect("a frame is shorter than 4 GiB");
        self.in_flight = Some(Position {
            offset: self.end.offset + length,
            previous: frame.checksum,
            ..self.end
        });
        if planted(Mutant::EndMovesAtWrite) {
            self.synced();
        }
        Some(frame)
    }

    /// The frame was not written as a whole, so it is not valid, and the next one takes its place.
    pub fn not_written(&mut self) {
        self.in_flight = None;
    }

    /// The frame was written and synced. Its records may now be acknowledged.
    pub fn synced(&mut self) {
        if let Some(end) = self.in_flight.take() {
            self.end = end;
        }
    }

    /// The sync of the frame failed, or it cannot be known whether it was written.
    pub fn sync_failed(&mut self) {
        self.in_flight = None;
        self.in_doubt = true;
    }
}

/// Returns how many bytes of records a frame takes at most.
pub const fn max_record_bytes() -> usize {
    frame::MAX_BYTES - HEADER_BYTES - BLOCK
}

/// Returns the entry that decides for each id, in ascending order: the last one.
pub fn last_of_each(entries: impl IntoIterator<Item = Entry>) -> Vec<Entry> {
    let mut all: Vec<_> = entries.into_iter().collect();
    if !planted(Mutant::FirstRecordDecides) {
        all.reverse();
    }
    // A stable sort, so that the last entry of an id is the first of its group.
    all.sort_by_key(|entry| entry.id);
    all.dedup_by_key(|entry| entry.id);
    all
}

const _: () = assert!(ENTRY_BYTES * index::PER_BLOCK + 16 == BLOCK);

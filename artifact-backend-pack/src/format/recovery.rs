//! The recovery of an open segment: which of its frames are valid.

use super::BLOCK;
use super::entry::Entry;
use super::frame::{self, Position};
use super::mutant::{Mutant, planted};

/// Reads a segment from its first frame on, and ends at the first frame that is not valid.
///
/// A frame is written only after the frame before it is durable, so what comes after an invalid frame was never acknowledged.
#[derive(Debug)]
pub struct Recovery {
    next: Position,
    /// What may be read: the end of the file, or of what was good before a failed sync.
    end: u64,
    /// The length of the frame at `next`, if its header has been read.
    length: Option<usize>,
    ended: bool,
}

impl Recovery {
    /// Begins at the first frame.
    pub fn new(first: Position, end: u64) -> Self {
        Self {
            next: first,
            end,
            length: None,
            ended: false,
        }
    }

    /// Returns the offset and the length in bytes of what is needed next, or `None` at the end.
    pub fn wants(&self) -> Option<(u64, usize)> {
        let length = self.length.unwrap_or(BLOCK);
        let offset = u64::from(self.next.offset);
        let fits = offset + length as u64 <= self.end || planted(Mutant::EndIsIgnored);
        (fits && !self.ended).then_some((offset, length))
    }

    /// Takes the bytes that were wanted. Returns the entries of a frame when it is complete and valid.
    pub fn feed(&mut self, bytes: &[u8]) -> Option<Vec<Entry>> {
        if self.length.is_none() {
            self.length = frame::length(bytes, self.next);
            self.ended = self.length.is_none();
            if self.ended && planted(Mutant::InvalidFramesAreSkipped) {
                self.ended = false;
                self.next.offset += 4096;
                return None;
            }
            if self.length != Some(bytes.len()) {
                return None;
            }
        }
        let Some(checked) = frame::check(bytes, self.next) else {
            if planted(Mutant::InvalidFramesAreSkipped) {
                self.next.offset += 4096;
                self.length = None;
                return None;
            }
            self.ended = true;
            return None;
        };
        let length = u32::try_from(checked.length).expect("a frame is shorter than 4 GiB");
        let Some(offset) = self.next.offset.checked_add(length) else {
            self.ended = true;
            return None;
        };
        self.next.offset = offset;
        self.next.previous = checked.checksum;
        self.length = None;
        Some(checked.entries)
    }

    /// Returns where the next frame is to be written.
    pub fn end(&self) -> Position {
        self.next
    }
}

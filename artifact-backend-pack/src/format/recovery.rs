//! The recovery of an open segment: which of its frames are valid, and which were damaged.

use super::BLOCK;
use super::entry::Entry;
use super::frame::{self, Checked, Position};
use super::mutant::{Mutant, planted};

/// Reads a segment from its first frame to the end of its file.
///
/// A frame is written only after the sync of the frame before it has succeeded, and a mark only after that of the last one. So a crash
/// leaves at most one frame that is not valid, and no frame or mark behind it. If there is one behind it, the frame was durable
/// once, so it was acknowledged and then damaged: it is reported, and reading goes on behind it.
///
/// What a crash left in place of the last frame cannot be distinguished from a damaged last frame without a mark. It was in flight, or the
/// process ended between its sync and the write of the mark, or the mark is lost too.
#[derive(Debug)]
pub struct Recovery {
    /// The end of what is known to be durable, so far.
    next: Position,
    /// What may be read: the end of the file, or of what was good before a failed sync.
    end: u64,
    /// The length of the frame at `next`, if its header has been read.
    length: Option<usize>,
    search: Option<Search>,
    lost: Vec<u32>,
    damaged: Vec<u32>,
}

/// The search for something that was written after an invalid frame at `Recovery::next`.
#[derive(Debug)]
struct Search {
    at: u64,
    /// The frame, if only the bytes of its blobs are not valid.
    frame: Option<Checked>,
    /// Whether there is a frame at all, and not a mark or nothing.
    is_frame: bool,
}

impl Recovery {
    /// Begins at the first frame.
    pub fn new(first: Position, end: u64) -> Self {
        Self {
            next: first,
            end,
            length: None,
            search: None,
            lost: Vec::new(),
            damaged: Vec::new(),
        }
    }

    /// Returns the offset and the length in bytes of what is needed next, or `None` at the end.
    pub fn wants(&self) -> Option<(u64, usize)> {
        let (offset, length) = match &self.search {
            Some(search) => (search.at, BLOCK),
            None => (self.next.offset.into(), self.length.unwrap_or(BLOCK)),
        };
        let fits = offset + length as u64 <= self.end || planted(Mutant::EndIsIgnored);
        let fits = fits && u32::try_from(offset).is_ok();
        fits.then_some((offset, length))
    }

    /// Takes the bytes that were wanted. Returns the entries of a frame when it is known that they count.
    pub fn feed(&mut self, bytes: &[u8]) -> Option<Vec<Entry>> {
        if self.search.is_some() {
            return self.searched(bytes);
        }
        if self.length.is_none() {
            let length = frame::length(bytes, self.next);
            let end = |length| u64::from(self.next.offset) + length as u64;
            match length.filter(|length| end(*length) <= self.end || planted(Mutant::EndIsIgnored))
            {
                None => self.search(None, length.is_some() || is_frame(bytes, self.next)),
                // The whole frame is needed.
                Some(length) if length != bytes.len() => self.length = Some(length),
                Some(_) => return self.whole(bytes),
            }
            return None;
        }
        self.whole(bytes)
    }

    /// Takes a whole frame.
    fn whole(&mut self, bytes: &[u8]) -> Option<Vec<Entry>> {
        if let Some(checked) = frame::check(bytes, self.next) {
            self.next = behind(self.next, &checked);
            self.length = None;
            return Some(checked.entries);
        }
        self.search(frame::check_entries(bytes, self.next), true);
        None
    }

    /// Begins to search behind a frame that is not valid.
    fn search(&mut self, frame: Option<Checked>, is_frame: bool) {
        let length = frame.as_ref().map_or(BLOCK, |frame| frame.length);
        self.length = None;
        self.search = Some(Search {
            at: u64::from(self.next.offset) + length as u64,
            frame,
            is_frame,
        });
    }

    /// Takes a block behind a frame that is not valid.
    fn searched(&mut self, block: &[u8]) -> Option<Vec<Entry>> {
        let mut search = self.search.take()?;
        let at = Position {
            offset: u32::try_from(search.at).ok()?,
            ..self.next
        };
        let found = frame::written_after(block, at);
        let Some(found) = found.filter(|_| !planted(Mutant::NothingBehindIsLookedFor)) else {
            search.at += BLOCK as u64;
            self.search = Some(search);
            return None;
        };
        let frame = search.frame.take().filter(|frame| {
            let next = behind(self.next, frame);
            // If the next frame refers to another one here, the disk lost the write of that one.
            next == found || next.offset < found.offset
        });
        match &frame {
            None => self.lost.push(self.next.offset),
            Some(frame) => {
                self.damaged.push(self.next.offset);
                let next = behind(self.next, frame).offset;
                if next < found.offset {
                    self.lost.push(next);
                }
            }
        }
        self.next = found;
        frame.map(|frame| frame.entries)
    }

    /// Returns the end of the last frame that counts. If nothing is damaged, the next frame is to be written there.
    pub fn end(&self) -> Position {
        self.next
    }

    /// Returns the offsets of the damaged frames of which nothing is known.
    pub fn lost(&self) -> &[u32] {
        &self.lost
    }

    /// Returns the offsets of the damaged frames whose entries are known. The bytes of at least one of their blobs are damaged.
    pub fn damaged(&self) -> &[u32] {
        &self.damaged
    }

    /// Returns whether there is a part of a frame at the [`end`](Self::end). It was in flight at a crash.
    pub fn has_part(&self) -> bool {
        self.search.as_ref().is_some_and(|search| search.is_frame)
    }
}

/// Returns where the frame behind this one begins.
fn behind(at: Position, checked: &Checked) -> Position {
    let length = u32::try_from(checked.length).expect("a frame is shorter than 4 GiB");
    Position {
        // A header whose frame ends behind the greatest offset is not valid.
        offset: at.offset.saturating_add(length),
        previous: checked.checksum,
        ..at
    }
}

/// Returns whether a block is something else than zeros and a mark.
fn is_frame(block: &[u8], at: Position) -> bool {
    block != frame::mark(at) && block.iter().any(|byte| *byte != 0)
}

//! Replays the records of all segments in the order in which they became durable.

use std::collections::VecDeque;
use std::sync::Arc;

use artifact_backend::{Error, ErrorKind, NoteEvent, NotePosition, NoteReplay, Operation, Result};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use rustix::io::Errno;

use crate::format::BLOCK;
use crate::format::entry::{Content, Entry};
use crate::format::frame::{self, Checked, Position};
use crate::linux::error::{failed, raise};
use crate::linux::index::Holder;
use crate::linux::noted;
use crate::linux::segment::{self, SegmentFile};
use crate::linux::shared::Shared;
use crate::linux::sys;

const OPERATION: Operation = Operation::Replay;
/// The number of bytes of frames after which a batch ends.
const BATCH_BYTES: usize = 4 << 20;

/// The part of a segment that is to be read.
#[derive(Debug)]
struct Part {
    holder: Holder,
    from: u32,
    end: u64,
}

/// Begins a replay of what is durable now.
pub(crate) fn replay(shared: &Arc<Shared>, after: Option<NotePosition>) -> NoteReplay {
    let (all, end) = parts(shared);
    let after = after.map(noted::place);
    let known = after.and_then(|after| {
        let is_here = |part: &Part| {
            let file = part.holder.file();
            (file.number, file.epoch) == (after.segment, after.epoch)
                && u64::from(after.offset) <= part.end
                && after.offset >= part.from
        };
        let at = all.iter().position(is_here)?;
        Some((at, after.offset))
    });
    let mut parts: VecDeque<_> = all.into();
    if let Some((at, offset)) = known {
        parts.drain(..at);
        parts[0].from = offset;
    }
    let walk = Walk { parts };
    let state = Arc::clone(shared);
    let batches = stream::try_unfold(Some(walk), move |walk| {
        let state = Arc::clone(&state);
        async move {
            let Some(mut walk) = walk else {
                return Ok::<_, Error>(None);
            };
            let work = move || {
                let batch = walk.batch()?;
                let rest = (!walk.parts.is_empty()).then_some(walk);
                Ok((batch, rest))
            };
            state.reads.run(OPERATION, work).await.map(Some)
        }
    });
    let events = batches.map_ok(stream::iter).try_flatten().boxed();
    NoteReplay::new(known.is_none(), noted::position(end), events)
}

/// Returns the segments with what is durable in them, oldest first, and the end of the last one.
///
/// The files stay readable when a compaction removes them. It has moved their records behind the end then, where this replay does not
/// look, so the files are taken first.
fn parts(shared: &Shared) -> (Vec<Part>, Option<Position>) {
    loop {
        let holders = shared.index.holders();
        let Some(end) = shared.end() else {
            return (Vec::new(), None);
        };
        if !holders
            .iter()
            .any(|holder| holder.file().number == end.segment)
        {
            // A segment was begun meanwhile.
            continue;
        }
        let holders = holders
            .into_iter()
            .filter(|holder| holder.file().number <= end.segment);
        let parts = holders.map(|holder| {
            let end = match &holder {
                _ if holder.file().number == end.segment => u64::from(end.offset),
                Holder::Sealed(sealed) => sealed.footer.frames_end,
                Holder::Open(_) => BLOCK as u64,
            };
            let from = u32::try_from(BLOCK).expect("a block is small");
            Part { holder, from, end }
        });
        return (parts.collect(), Some(end));
    }
}

/// A replay that goes on.
struct Walk {
    parts: VecDeque<Part>,
}

impl Walk {
    /// Reads frames, up to [`BATCH_BYTES`], and returns their events. Removes the parts that are read.
    fn batch(&mut self) -> Result<Vec<Result<NoteEvent>>> {
        let (mut events, mut read) = (Vec::new(), 0);
        while let Some(part) = self.parts.front_mut() {
            if u64::from(part.from) >= part.end {
                self.parts.pop_front();
            } else if read >= BATCH_BYTES {
                break;
            } else {
                read += part.next(&mut events)?;
            }
        }
        Ok(events)
    }
}

impl Part {
    /// Reads the next frame and adds its events. Returns the number of bytes that were read.
    fn next(&mut self, events: &mut Vec<Result<NoteEvent>>) -> Result<usize> {
        let at = self.from;
        if let Some((bytes, position, checked)) = self.frame(at)? {
            let new = checked
                .entries
                .iter()
                .map(|entry| event(&bytes, position, entry));
            events.extend(new);
            self.from += u32::try_from(checked.length).expect("a frame is shorter than 4 GiB");
            return Ok(checked.length);
        }
        let has_something = self.block(at)?.iter().any(|byte| *byte != 0) && !self.is_mark(at)?;
        let mut behind = u64::from(at);
        loop {
            behind += BLOCK as u64;
            let offset = u32::try_from(behind).ok();
            let Some(offset) = offset.filter(|_| behind < self.end) else {
                self.from = u32::try_from(self.end).unwrap_or(u32::MAX);
                break;
            };
            if self.frame(offset)?.is_some() {
                self.from = offset;
                events.push(Err(self.lost(at)));
                return Ok(BATCH_BYTES);
            }
        }
        if has_something {
            events.push(Err(self.lost(at)));
        }
        Ok(BATCH_BYTES)
    }

    fn file(&self) -> &SegmentFile {
        self.holder.file()
    }

    fn read(&self, length: usize, at: u32) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        let fail = |errno: Errno| failed(OPERATION, None, "read a segment", errno);
        sys::read_exact(&self.file().file, &mut bytes, at.into()).map_err(fail)?;
        Ok(bytes)
    }

    fn block(&self, at: u32) -> Result<Vec<u8>> {
        self.read(BLOCK, at)
    }

    /// Returns the place of what begins here, if it is a frame or a mark.
    fn written(&self, block: &[u8], at: u32) -> Option<Position> {
        let place = Position {
            segment: self.file().number,
            epoch: self.file().epoch,
            offset: at,
            previous: 0,
        };
        frame::written_after(block, place)
    }

    fn is_mark(&self, at: u32) -> Result<bool> {
        let block = self.block(at)?;
        let found = self.written(&block, at);
        Ok(found.is_some_and(|found| frame::length(&block, found).is_none()))
    }

    /// Returns the bytes and the entries of a frame, if a valid one begins here. Its blobs are not verified: they may have been
    /// punched out.
    fn frame(&self, at: u32) -> Result<Option<(Vec<u8>, Position, Checked)>> {
        let block = self.block(at)?;
        let Some(found) = self.written(&block, at) else {
            return Ok(None);
        };
        let length = frame::length(&block, found)
            .filter(|length| u64::from(at) + *length as u64 <= self.end);
        let Some(length) = length else {
            return Ok(None);
        };
        let bytes = self.read(length, at)?;
        let checked = frame::check_entries(&bytes, found);
        Ok(checked.map(|checked| (bytes, found, checked)))
    }

    fn lost(&self, at: u32) -> Error {
        let name = segment::name(self.file().number);
        tracing::error!(
            alarm = "corrupt-segment",
            segment = name,
            offset = at,
            "a frame is damaged, so that its notes and deletions cannot be replayed; restore the segment from a backup"
        );
        Error::new(ErrorKind::Corrupt, OPERATION).with_detail(format!(
            "the frame at {at} of the segment {name} is damaged; restore the file from a backup"
        ))
    }
}

/// Returns the event of an entry.
fn event(bytes: &[u8], at: Position, entry: &Entry) -> Result<NoteEvent> {
    let id = entry.id;
    let size = match entry.content {
        Content::Blob { length, .. } => length.into(),
        Content::Large { size, .. } => size,
        Content::Tombstone { .. } => return Ok(NoteEvent::Deleted { id }),
    };
    let note = frame::note(bytes, at, entry);
    if entry.note.is_some() && note.is_none() {
        return Err(raise(segment::damaged_note(OPERATION, id)));
    }
    let note = note.map(Bytes::copy_from_slice);
    Ok(NoteEvent::Stored { id, size, note })
}

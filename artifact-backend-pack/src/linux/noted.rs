//! Notes and positions.

use artifact_backend::{ArtifactId, ErrorKind, MAX_NOTE_BYTES, NotePosition, Operation, Result};
use bytes::Bytes;

use crate::format::entry;
use crate::format::frame::Position;
use crate::linux::error::of;

const _: () = assert!(entry::MAX_NOTE_BYTES as usize == MAX_NOTE_BYTES);

/// Returns the note to store, or fails if it is too long. An empty one counts as no note.
pub(crate) fn checked(operation: Operation, id: ArtifactId, note: Bytes) -> Result<Option<Bytes>> {
    if note.len() > MAX_NOTE_BYTES {
        let detail = format!(
            "a note has at most {MAX_NOTE_BYTES} bytes, not {}",
            note.len()
        );
        return Err(of(ErrorKind::TooLarge, operation, id).with_detail(detail));
    }
    Ok(Some(note).filter(|note| !note.is_empty()))
}

/// Returns a position as callers keep it: segment, offset, epoch.
pub(crate) fn position(end: Option<Position>) -> NotePosition {
    let mut bytes = [0; NotePosition::BYTES];
    if let Some(end) = end {
        bytes[..4].copy_from_slice(&end.segment.to_le_bytes());
        bytes[4..8].copy_from_slice(&end.offset.to_le_bytes());
        bytes[8..].copy_from_slice(&end.epoch.to_le_bytes());
    }
    NotePosition::from_bytes(bytes)
}

/// The place in a segment that a position names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) segment: u32,
    pub(crate) epoch: u64,
    pub(crate) offset: u32,
}

/// Returns the place that a position names. It need not exist.
pub(crate) fn place(position: NotePosition) -> Place {
    let mut fields = crate::format::Fields(position.as_bytes());
    let (segment, offset) = (fields.u32(), fields.u32());
    Place {
        segment: segment.unwrap_or(0),
        offset: offset.unwrap_or(0),
        epoch: fields.u64().unwrap_or(0),
    }
}

//! Seals a segment: writes its index, its filter, its fences and its footer.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::format::entry::{Content, Entry};
use crate::format::fences::Fences;
use crate::format::filter::Filter;
use crate::format::segment::Footer;
use crate::format::{index, round_up};
use crate::linux::root::Root;
use crate::linux::segment::{Sealed, SegmentFile};
use crate::linux::sys::{self, SysResult};

/// Writes the index of a segment behind its frames, makes it durable, and returns the sealed segment. `entries` has the last entry of
/// each id, in any order.
///
/// If it fails, the segment is still open, and what was written is overwritten by the next attempt.
pub(crate) fn seal(
    root: &Root,
    file: &Arc<SegmentFile>,
    frames_end: u64,
    mut entries: Vec<Entry>,
) -> SysResult<Sealed> {
    entries.sort_unstable_by_key(|entry| entry.id);
    let mut bytes = index::encode(file.epoch, &entries);
    let filter = Filter::new(entries.iter().map(|entry| entry.id));
    let fences = Fences::new(&entries);
    let encoded_fences = fences.encode();
    let filter_at = frames_end + bytes.len() as u64;
    bytes.extend_from_slice(filter.as_bytes());
    let footer = Footer {
        filter_at,
        filter_bytes: filter.as_bytes().len() as u64,
        filter_checksum: filter.checksum(),
        fences_at: frames_end + bytes.len() as u64,
        fences_bytes: encoded_fences.len() as u64,
        fences_checksum: Fences::checksum(&encoded_fences),
        ..footer(file, frames_end, &entries)
    };
    bytes.extend_from_slice(&encoded_fences);
    bytes.resize(round_up(bytes.len()), 0);
    bytes.extend_from_slice(&footer.encode());
    sys::write_all(&file.file, &bytes, frames_end)?;
    sys::set_size(&file.file, frames_end + bytes.len() as u64)?;
    root.sync(&file.file)?;
    Ok(Sealed {
        file: Arc::clone(file),
        footer,
        filter,
        fences,
        freed: AtomicU64::new(0),
    })
}

/// Returns a footer without filter and fences.
fn footer(file: &SegmentFile, frames_end: u64, entries: &[Entry]) -> Footer {
    let payloads = entries.iter().map(|entry| match entry.content {
        Content::Blob { length, .. } => u64::from(length),
        Content::Large { .. } | Content::Tombstone { .. } => 0,
    });
    let replacing = entries.iter().filter(|entry| entry.replaces > 0);
    Footer {
        segment: file.number,
        epoch: file.epoch,
        frames_end,
        entries: entries.len() as u64,
        replacing: replacing.count() as u64,
        payload_bytes: payloads.sum(),
        filter_at: 0,
        filter_bytes: 0,
        filter_checksum: 0,
        fences_at: 0,
        fences_bytes: 0,
        fences_checksum: 0,
    }
}

//! Target `pack_recovery`: recovers a segment from any bytes, and from a valid segment with random changes. What is found
//! was written, every frame that is intact is found, and everything that is found is inside the segment and matches its checksum, unless
//! the recovery says that blobs or notes are damaged.

use artifact_backend::ArtifactId;
use artifact_backend_pack::format::entry::{
    Content, Entry, NOTE_CHECKSUM_BYTES, blob_checksum, checked_note,
};
use artifact_backend_pack::format::frame::{Body, Position, Record};
use artifact_backend_pack::format::log::Log;
use artifact_backend_pack::format::recovery::Recovery;
use artifact_backend_pack::format::segment::{Footer, Header};
use artifact_backend_pack::format::{BLOCK, index};

const HEADER: Header = Header {
    segment: 1,
    epoch: 0x0123_4567_89ab_cdef,
};

/// Runs the check. Panics if the recovery is wrong.
pub fn check(input: &[u8]) {
    let mut raw = HEADER.encode().to_vec();
    raw.extend_from_slice(input);
    check_found(&raw, &recover(&raw));
    for block in raw.as_chunks::<BLOCK>().0 {
        let _ = Header::decode(block, 1);
        let _ = Footer::decode(block, 1, raw.len() as u64);
        let _ = index::decode(HEADER.epoch, 0, block);
    }
    if let Some((shape, changes)) = input.split_first_chunk::<4>() {
        check_changed(*shape, changes);
    }
}

fn first() -> Position {
    Position {
        segment: HEADER.segment,
        epoch: HEADER.epoch,
        offset: u32::try_from(BLOCK).expect("a block is small"),
        previous: HEADER.checksum(),
    }
}

/// Returns what is found, and whether blobs of it may be damaged.
fn recover(disk: &[u8]) -> (Vec<Entry>, bool) {
    let mut recovery = Recovery::new(first(), disk.len() as u64);
    let mut entries = Vec::new();
    while let Some((offset, length)) = recovery.wants() {
        let offset = usize::try_from(offset).expect("the segment is in memory");
        entries.extend(
            recovery
                .feed(&disk[offset..offset + length])
                .into_iter()
                .flatten(),
        );
    }
    (entries, !recovery.damaged().is_empty())
}

fn check_found(disk: &[u8], (entries, may_be_damaged): &(Vec<Entry>, bool)) {
    for entry in entries {
        if let Some(place) = entry.note {
            let stored = &disk[place.offset as usize..][..place.total()];
            assert!(*may_be_damaged || checked_note(entry.id, stored).is_some());
        }
        if let Content::Blob {
            offset,
            length,
            crc,
        } = entry.content
        {
            let bytes = &disk[offset as usize..][..length as usize];
            assert!(*may_be_damaged || blob_checksum(entry.id, bytes) == crc);
        }
    }
}

/// Returns a segment that used the file before: frames of the same records in the opposite order, with another epoch.
fn former_life(mut shape: [u8; 4]) -> Vec<u8> {
    let header = Header {
        epoch: !HEADER.epoch,
        ..HEADER
    };
    let first = Position {
        epoch: header.epoch,
        previous: header.checksum(),
        ..first()
    };
    let mut disk = header.encode().to_vec();
    let mut log = Log::new(first, u64::MAX);
    shape.reverse();
    for (number, size) in (1_u8..).zip([shape, shape].concat()) {
        let record = Record {
            id: ArtifactId::from_bytes([number + 200; 16]),
            modified: 0,
            replaces: 0,
            body: Body::Blob(vec![size; usize::from(size) * 40]),
            note: None,
        };
        let frame = log.begin(&[record]).expect("no sync has failed");
        log.synced();
        disk.extend_from_slice(&frame.bytes);
    }
    disk
}

/// Writes four frames of this shape to a file with the frames of a former segment, and changes bytes: two for the position, one for the
/// value.
fn check_changed(shape: [u8; 4], changes: &[u8]) {
    let mut disk = HEADER.encode().to_vec();
    let mut log = Log::new(first(), u64::MAX);
    // The bytes that count in each frame, and its entries.
    let (mut written, mut frames) = (Vec::new(), Vec::new());
    for (number, size) in (1_u8..).zip(shape) {
        let record = |id: u8, body| Record {
            id: ArtifactId::from_bytes([id; 16]),
            modified: 0,
            replaces: 0,
            body,
            note: None,
        };
        let length = usize::from(size) * 40;
        let note = vec![number; usize::from(size % 50)];
        let noted_bytes = if note.is_empty() {
            0
        } else {
            note.len() + NOTE_CHECKSUM_BYTES
        };
        let mut records = [
            record(number, Body::Tombstone { freed: 1 }),
            record(number + 100, Body::Blob(vec![size; length])),
        ];
        records[1].note = Some(note).filter(|note| !note.is_empty());
        let frame = log.begin(&records).expect("no sync has failed");
        log.synced();
        let used = disk.len()..disk.len() + 64 + 2 * 48 + length + noted_bytes;
        disk.extend_from_slice(&frame.bytes);
        let begin = written.len();
        written.extend(frame.entries);
        frames.push((used, begin..written.len()));
    }
    let former = former_life(shape);
    if let Some(rest) = former.get(disk.len()..) {
        disk.extend_from_slice(rest);
    }
    let whole = disk.clone();
    for change in changes.as_chunks::<3>().0 {
        let at = usize::from(u16::from_le_bytes([change[0], change[1]]));
        if let Some(byte) = disk.get_mut(BLOCK + at) {
            *byte = change[2];
        }
    }
    let (found, _) = recover(&disk);
    assert!(found.iter().all(|entry| written.contains(entry)));
    for (used, entries) in frames {
        let is_intact = disk[used.clone()] == whole[used];
        assert!(!is_intact || written[entries].iter().all(|entry| found.contains(entry)));
    }
}

//! A frame: the records of one group commit, which become durable together.

use artifact_backend::ArtifactId;

use super::entry::{
    Content, ENTRY_BYTES, Entry, MAX_NOTE_BYTES, NOTE_CHECKSUM_BYTES, NotePlace, blob_checksum,
    checked_note, note_checksum,
};
use super::mutant::{Mutant, planted};
use super::{BLOCK, Fields, checksum, round_up};

const MAGIC: &[u8; 8] = b"ARTFRAME";
const MARK_MAGIC: &[u8; 8] = b"ARTFRMRK";
/// The length of the header of a frame in bytes. The entries follow it, then the bytes of the blobs, then zeros up to a whole
/// block.
pub const HEADER_BYTES: usize = 64;
/// The position of the checksum in the header.
const CHECKSUM_AT: usize = HEADER_BYTES - 8;
/// The greatest length of a frame in bytes.
pub const MAX_BYTES: usize = 16 << 20;

/// Where a frame is: what its header must say. A frame elsewhere, or of an earlier use of the same place, is not valid here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The number of the segment.
    pub segment: u32,
    /// The random number of the segment's file.
    pub epoch: u64,
    /// The offset of the frame in bytes.
    pub offset: u32,
    /// The checksum of the frame before, or of the segment's header.
    pub previous: u64,
}

/// One record to write.
#[derive(Debug, Clone)]
pub struct Record<B> {
    pub id: ArtifactId,
    /// When the blob was stored, in milliseconds since the Unix epoch.
    pub modified: u64,
    /// See [`Entry::replaces`].
    pub replaces: u32,
    pub body: Body<B>,
    /// Of a blob only. Not empty, and at most [`MAX_NOTE_BYTES`].
    pub note: Option<B>,
}

/// The content of a record to write.
#[derive(Debug, Clone)]
pub enum Body<B> {
    Blob(B),
    Large { size: u64, crc: u64 },
    Tombstone { freed: u32 },
}

impl<B: AsRef<[u8]>> Record<B> {
    fn payload(&self) -> &[u8] {
        match &self.body {
            Body::Blob(bytes) => bytes.as_ref(),
            Body::Large { .. } | Body::Tombstone { .. } => &[],
        }
    }

    fn note(&self) -> Option<&[u8]> {
        self.note.as_ref().map(AsRef::as_ref)
    }

    /// Returns the length of what stands behind the entries: the bytes of the blob, then the note and its checksum.
    fn payload_length(&self) -> usize {
        let note = self.note().map(|note| note.len() + NOTE_CHECKSUM_BYTES);
        self.payload().len() + note.unwrap_or(0)
    }

    /// Returns how many bytes the record takes in a frame.
    pub fn length(&self) -> usize {
        ENTRY_BYTES + self.payload_length()
    }
}

/// An encoded frame.
#[derive(Debug)]
pub struct Frame {
    pub bytes: Vec<u8>,
    /// The entries, with offsets in the segment.
    pub entries: Vec<Entry>,
    /// The checksum of the header, which the next frame refers to.
    pub checksum: u64,
}

/// Encodes the records as one frame.
///
/// # Panics
///
/// If the frame would be longer than [`MAX_BYTES`], or a note is longer than [`MAX_NOTE_BYTES`].
pub fn encode<B: AsRef<[u8]>>(at: Position, records: &[Record<B>]) -> Frame {
    let table = HEADER_BYTES + records.len() * ENTRY_BYTES;
    let payloads: usize = records.iter().map(Record::payload_length).sum();
    let length = whole_blocks(table + payloads);
    assert!(length <= MAX_BYTES, "a frame of {length} bytes is too long");
    let mut bytes = Vec::with_capacity(length);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&at.epoch.to_le_bytes());
    bytes.extend_from_slice(&at.previous.to_le_bytes());
    for number in [at.segment, at.offset, number(length), number(records.len())] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.resize(HEADER_BYTES, 0);
    let mut entries = Vec::with_capacity(records.len());
    let mut payload_at = table;
    for record in records {
        let content = match &record.body {
            Body::Blob(_) => Content::Blob {
                offset: number(payload_at),
                length: number(record.payload().len()),
                crc: blob_checksum(record.id, record.payload()),
            },
            Body::Large { size, crc } => Content::Large {
                size: *size,
                crc: *crc,
            },
            Body::Tombstone { freed } => Content::Tombstone { freed: *freed },
        };
        let note = record.note().map(|note| NotePlace {
            offset: number(payload_at + record.payload().len()),
            length: note_length(note),
        });
        payload_at += record.payload_length();
        let entry = Entry {
            id: record.id,
            modified: record.modified,
            replaces: record.replaces,
            content,
            note,
        };
        bytes.extend_from_slice(&entry.encode());
        entries.push(moved(entry, at.offset));
    }
    let checksum = checksum(&[&bytes[..CHECKSUM_AT], &bytes[HEADER_BYTES..]]);
    bytes[CHECKSUM_AT..HEADER_BYTES].copy_from_slice(&checksum.to_le_bytes());
    for record in records {
        bytes.extend_from_slice(record.payload());
        if let Some(note) = record.note() {
            bytes.extend_from_slice(note);
            bytes.extend_from_slice(&note_checksum(record.id, note).to_le_bytes());
        }
    }
    bytes.resize(length, 0);
    Frame {
        bytes,
        entries,
        checksum,
    }
}

fn whole_blocks(length: usize) -> usize {
    if planted(Mutant::FramesShareBlocks) {
        return length;
    }
    round_up(length)
}

fn number(length: usize) -> u32 {
    u32::try_from(length).expect("a frame is shorter than 4 GiB")
}

fn note_length(note: &[u8]) -> u16 {
    let length = u16::try_from(note.len());
    let length = length.expect("a note is shorter than 64 KiB");
    assert!(
        (1..=MAX_NOTE_BYTES).contains(&length),
        "a note of {length} bytes"
    );
    length
}

/// Returns the entry with its offset counted from the beginning of the segment.
fn moved(mut entry: Entry, by: u32) -> Entry {
    if let Content::Blob { offset, .. } = &mut entry.content {
        *offset += by;
    }
    if let Some(note) = &mut entry.note {
        note.offset += by;
    }
    entry
}

/// The header of a frame whose checksum has not been verified.
#[derive(Debug, Clone, Copy)]
struct Header {
    length: usize,
    records: usize,
    checksum: u64,
}

impl Header {
    fn table_bytes(&self) -> usize {
        HEADER_BYTES + self.records * ENTRY_BYTES
    }
}

fn parse_header(bytes: &[u8], at: Position) -> Option<Header> {
    let mut fields = Fields(bytes.get(..HEADER_BYTES)?);
    let fits = fields.take::<8>()? == MAGIC
        && (fields.u64()? == at.epoch || planted(Mutant::EpochIsNotChecked))
        && (fields.u64()? == at.previous || planted(Mutant::PreviousIsNotChecked))
        && fields.u32()? == at.segment
        && fields.u32()? == at.offset;
    if !fits {
        return None;
    }
    let (length, records) = (fields.u32()? as usize, fields.u32()? as usize);
    let reserved = fields.take::<16>()?;
    let checksum = fields.u64()?;
    let table = HEADER_BYTES.checked_add(records.checked_mul(ENTRY_BYTES)?)?;
    let valid = length == whole_blocks(length)
        && length <= MAX_BYTES
        && u32::try_from(length).is_ok_and(|length| at.offset.checked_add(length).is_some())
        && records > 0
        && table <= length
        && *reserved == [0; 16];
    valid.then_some(Header {
        length,
        records,
        checksum,
    })
}

/// Encodes the block that is written behind the last frame when that frame is durable. The next frame overwrites it.
pub fn mark(at: Position) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    block[..8].copy_from_slice(MARK_MAGIC);
    block[8..16].copy_from_slice(&at.epoch.to_le_bytes());
    block[16..24].copy_from_slice(&at.previous.to_le_bytes());
    block[24..28].copy_from_slice(&at.segment.to_le_bytes());
    block[28..32].copy_from_slice(&at.offset.to_le_bytes());
    let checksum = checksum(&[&block[..CHECKSUM_AT]]);
    block[CHECKSUM_AT..HEADER_BYTES].copy_from_slice(&checksum.to_le_bytes());
    block
}

/// Returns the place that a block at this offset was written for, with the checksum of the frame before: the first block of a
/// frame, or a mark. It shows that every frame before it was durable. `None` for any other block.
///
/// The header of a frame is not verified by its checksum: the epoch is a random number that only frames of this segment have.
pub fn written_after(block: &[u8], at: Position) -> Option<Position> {
    let mut fields = Fields(block.get(16..HEADER_BYTES)?);
    let found = Position {
        previous: fields.u64()?,
        ..at
    };
    let is_mark = block.starts_with(&mark(found)[..HEADER_BYTES]);
    (is_mark || parse_header(block, found).is_some()).then_some(found)
}

/// Returns the length in bytes that the frame at this position says it has, from its first block. `None` if no frame begins here.
pub fn length(first_block: &[u8], at: Position) -> Option<usize> {
    parse_header(first_block, at).map(|header| header.length)
}

/// The entries of a valid frame, and its checksum.
#[derive(Debug, PartialEq, Eq)]
pub struct Checked {
    pub entries: Vec<Entry>,
    pub length: usize,
    pub checksum: u64,
}

/// Checks the header and the entries of a frame, but not the bytes of its blobs, which may have been punched out.
pub fn check_entries(bytes: &[u8], at: Position) -> Option<Checked> {
    let checked = check_table(bytes, at)?;
    (bytes.len() >= checked.length).then_some(checked)
}

/// Returns the length in bytes of the header and the entries of the frame at this position, from its first block. `None` if no frame
/// begins here.
pub fn table_bytes(first_block: &[u8], at: Position) -> Option<usize> {
    parse_header(first_block, at).map(|header| header.table_bytes())
}

/// Checks the header and the entries of a frame. Only their [bytes](table_bytes) are needed.
pub fn check_table(bytes: &[u8], at: Position) -> Option<Checked> {
    let header = parse_header(bytes, at)?;
    let table = bytes.get(HEADER_BYTES..header.table_bytes())?;
    let sum = checksum(&[&bytes[..CHECKSUM_AT], table]);
    if sum != header.checksum && !planted(Mutant::EntriesAreNotChecked) {
        return None;
    }
    let mut entries = Vec::with_capacity(header.records);
    let mut payload_at = HEADER_BYTES + table.len();
    for encoded in table.as_chunks::<ENTRY_BYTES>().0 {
        let entry = Entry::decode(encoded)?;
        if let Content::Blob { offset, length, .. } = entry.content {
            if offset as usize != payload_at {
                return None;
            }
            payload_at = payload_at.checked_add(length as usize)?;
        }
        if let Some(note) = entry.note {
            if note.offset as usize != payload_at {
                return None;
            }
            payload_at = payload_at.checked_add(note.total())?;
        }
        // Else an offset could exceed a number of four bytes below.
        if payload_at > header.length {
            return None;
        }
        entries.push(moved(entry, at.offset));
    }
    (whole_blocks(payload_at) == header.length).then_some(Checked {
        entries,
        length: header.length,
        checksum: header.checksum,
    })
}

/// Checks a whole frame, with the bytes of its blobs. Returns `None` if one byte of it is not as it was written.
pub fn check(bytes: &[u8], at: Position) -> Option<Checked> {
    let checked = check_entries(bytes, at)?;
    let are_blobs_whole = checked.entries.iter().all(|entry| match entry.content {
        Content::Blob {
            offset,
            length,
            crc,
        } => {
            let begin = (offset - at.offset) as usize;
            let payload = &bytes[begin..begin + length as usize];
            blob_checksum(entry.id, payload) == crc || planted(Mutant::BlobsAreNotChecked)
        }
        Content::Large { .. } | Content::Tombstone { .. } => true,
    });
    let mut noted = checked.entries.iter().filter(|entry| entry.note.is_some());
    let are_notes_whole =
        noted.all(|entry| note(bytes, at, entry).is_some() || planted(Mutant::NotesAreNotChecked));
    (are_blobs_whole && are_notes_whole).then_some(checked)
}

/// Returns the note of an entry from the bytes of its frame, or `None` if it has none or it is damaged. The entries were checked.
pub fn note<'b>(bytes: &'b [u8], at: Position, entry: &Entry) -> Option<&'b [u8]> {
    let place = entry.note?;
    let begin = (place.offset - at.offset) as usize;
    checked_note(entry.id, bytes.get(begin..begin + place.total())?)
}

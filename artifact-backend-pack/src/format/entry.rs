//! An entry: what a frame and an index say about one id.

use artifact_backend::ArtifactId;

use super::{Fields, checksum};

/// The length of an encoded entry in bytes.
pub const ENTRY_BYTES: usize = 48;

/// What is stored under an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// The bytes are in the segment, `length` bytes at `offset`. In a frame, the offset counts from its beginning; in an index,
    /// from the beginning of the segment.
    Blob { offset: u32, length: u32, crc: u64 },
    /// The bytes are in a file of their own.
    Large { size: u64, crc: u64 },
    /// The blob was deleted. It held `freed` bytes of the segment in [`Entry::replaces`].
    Tombstone { freed: u32 },
}

/// The greatest length of a note in bytes.
pub const MAX_NOTE_BYTES: u16 = 4096;
/// The length of the checksum behind a note in bytes.
pub const NOTE_CHECKSUM_BYTES: usize = 8;

/// Where the note of a blob is: `length` bytes at `offset`, which counts as that of a [`Content::Blob`], then their checksum. The
/// note of a packed blob is right behind its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotePlace {
    pub offset: u32,
    pub length: u16,
}

impl NotePlace {
    /// Returns the length of the note and its checksum in bytes.
    pub fn total(self) -> usize {
        usize::from(self.length) + NOTE_CHECKSUM_BYTES
    }
}

/// What a frame or an index says about one id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    pub id: ArtifactId,
    /// When the blob was stored, in milliseconds since the Unix epoch.
    pub modified: u64,
    /// The number of the segment whose record this one replaces: it was moved from there, or deleted there. Zero if it replaces nothing.
    pub replaces: u32,
    pub content: Content,
    pub note: Option<NotePlace>,
}

impl Entry {
    /// # Panics
    ///
    /// If the note of a packed blob is not behind its bytes, a record of a larger blob with a note replaces another, or a tombstone has
    /// a note.
    pub fn encode(&self) -> [u8; ENTRY_BYTES] {
        let (kind, first, second, crc) = match self.content {
            Content::Blob {
                offset,
                length,
                crc,
            } => (1_u8, length, offset, crc),
            Content::Large { size, crc } => {
                let [low, high] = halves(size);
                (2, low, high, crc)
            }
            Content::Tombstone { freed } => (3, freed, 0, 0),
        };
        let mut bytes = [0; ENTRY_BYTES];
        bytes[..16].copy_from_slice(self.id.as_bytes());
        bytes[16] = kind;
        if let Some(note) = self.note {
            bytes[18..20].copy_from_slice(&note.length.to_le_bytes());
        }
        bytes[20..24].copy_from_slice(&first.to_le_bytes());
        bytes[24..28].copy_from_slice(&second.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.stored_replaces().to_le_bytes());
        bytes[32..40].copy_from_slice(&self.modified.to_le_bytes());
        bytes[40..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Returns what the field of [`replaces`](Self::replaces) says. It has the place of the note of a larger blob, which never
    /// replaces a record.
    fn stored_replaces(&self) -> u32 {
        match (self.content, self.note) {
            (_, None) => self.replaces,
            (Content::Blob { offset, length, .. }, Some(note)) => {
                assert_eq!(note.offset, offset + length, "the note is behind the bytes");
                self.replaces
            }
            (Content::Large { .. }, Some(note)) => {
                assert_eq!(
                    self.replaces, 0,
                    "the record of a larger blob replaces none"
                );
                note.offset
            }
            (Content::Tombstone { .. }, Some(_)) => unreachable!("a tombstone has no note"),
        }
    }

    /// Decodes an entry. Returns `None` if no [`encode`](Self::encode) returns these bytes.
    pub fn decode(bytes: &[u8; ENTRY_BYTES]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let id = ArtifactId::from_bytes(*fields.take()?);
        let &[kind, 0, low, high] = fields.take()? else {
            return None;
        };
        let length = Some(u16::from_le_bytes([low, high])).filter(|length| *length > 0);
        let (first, second) = (fields.u32()?, fields.u32()?);
        let (mut replaces, modified, crc) = (fields.u32()?, fields.u64()?, fields.u64()?);
        let content = match kind {
            1 => Content::Blob {
                offset: second,
                length: first,
                crc,
            },
            2 => Content::Large {
                size: (u64::from(second) << 32) | u64::from(first),
                crc,
            },
            3 if second == 0 && crc == 0 => Content::Tombstone { freed: first },
            _ => return None,
        };
        let note = match (length, content) {
            (None, _) => None,
            (Some(length), _) if length > MAX_NOTE_BYTES => return None,
            (
                Some(length),
                Content::Blob {
                    offset,
                    length: bytes,
                    ..
                },
            ) => {
                let offset = offset.checked_add(bytes)?;
                Some(NotePlace { offset, length })
            }
            (Some(length), Content::Large { .. }) => {
                let offset = std::mem::take(&mut replaces);
                Some(NotePlace { offset, length })
            }
            (Some(_), Content::Tombstone { .. }) => return None,
        };
        Some(Self {
            id,
            modified,
            replaces,
            content,
            note,
        })
    }

    /// Returns how many bytes of the segment in [`replaces`](Self::replaces) this entry makes useless.
    pub fn freed(&self) -> u32 {
        match self.content {
            _ if self.replaces == 0 => 0,
            Content::Blob { length, .. } => length,
            Content::Tombstone { freed } => freed,
            Content::Large { .. } => 0,
        }
    }
}

fn halves(number: u64) -> [u32; 2] {
    let bytes = number.to_le_bytes();
    let half =
        |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    [half(0), half(4)]
}

/// Returns the checksum of a blob. It covers the id, so that the bytes of another blob never pass for those of this one.
pub fn blob_checksum(id: ArtifactId, bytes: &[u8]) -> u64 {
    checksum(&[id.as_bytes(), bytes])
}

/// Returns the checksum of a note. It covers the id and the length, and no blob has it.
pub fn note_checksum(id: ArtifactId, note: &[u8]) -> u64 {
    let length = u64::try_from(note.len()).unwrap_or(u64::MAX);
    checksum(&[b"note", id.as_bytes(), &length.to_le_bytes(), note])
}

/// Returns the note that these bytes are with their checksum, or `None` if they are damaged.
pub fn checked_note(id: ArtifactId, stored: &[u8]) -> Option<&[u8]> {
    let (note, sum) = stored.split_last_chunk::<NOTE_CHECKSUM_BYTES>()?;
    (note_checksum(id, note).to_le_bytes() == *sum).then_some(note)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_entry_is_read_back() {
        let contents = [
            Content::Blob {
                offset: 0x0102_0304,
                length: 0x0506_0708,
                crc: u64::MAX - 1,
            },
            Content::Large {
                size: 0x0102_0304_0506_0708,
                crc: 7,
            },
            Content::Tombstone { freed: 9 },
        ];
        for content in contents {
            for note in [None, note_of(content)] {
                let entry = Entry {
                    id: ArtifactId::from_bytes([0xab; 16]),
                    modified: 0x1122_3344_5566_7788,
                    replaces: if matches!(content, Content::Large { .. }) && note.is_some() {
                        0
                    } else {
                        0x99aa_bbcc
                    },
                    content,
                    note,
                };
                assert_eq!(Entry::decode(&entry.encode()), Some(entry));
                let mut changed = entry.encode();
                changed[17] = 1;
                assert_eq!(Entry::decode(&changed), None);
                changed = entry.encode();
                changed[16] = 4;
                assert_eq!(Entry::decode(&changed), None);
                changed = entry.encode();
                changed[18..20].copy_from_slice(&(MAX_NOTE_BYTES + 1).to_le_bytes());
                assert_eq!(Entry::decode(&changed), None);
            }
        }
    }

    /// Returns the place of a note of this content, if it can have one.
    fn note_of(content: Content) -> Option<NotePlace> {
        let length = MAX_NOTE_BYTES;
        match content {
            Content::Blob {
                offset,
                length: bytes,
                ..
            } => Some(NotePlace {
                offset: offset + bytes,
                length,
            }),
            Content::Large { .. } => Some(NotePlace { offset: 77, length }),
            Content::Tombstone { .. } => None,
        }
    }

    #[test]
    fn a_tombstone_with_a_note_is_rejected() {
        let entry = Entry {
            id: ArtifactId::from_bytes([1; 16]),
            modified: 1,
            replaces: 0,
            content: Content::Tombstone { freed: 0 },
            note: None,
        };
        let mut encoded = entry.encode();
        encoded[18] = 1;
        assert_eq!(Entry::decode(&encoded), None);
    }

    #[test]
    fn a_changed_note_does_not_match_its_checksum() {
        let id = ArtifactId::from_bytes([3; 16]);
        let mut stored = b"a note".to_vec();
        stored.extend_from_slice(&note_checksum(id, b"a note").to_le_bytes());
        assert_eq!(checked_note(id, &stored), Some(&b"a note"[..]));
        assert_eq!(checked_note(ArtifactId::from_bytes([4; 16]), &stored), None);
        for at in 0..stored.len() {
            let mut changed = stored.clone();
            changed[at] ^= 1;
            assert_eq!(checked_note(id, &changed), None, "byte {at}");
        }
    }
}

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

/// What a frame or an index says about one id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    pub id: ArtifactId,
    /// When the blob was stored, in milliseconds since the Unix epoch.
    pub modified: u64,
    /// The number of the segment whose record this one replaces: it was moved from there, or deleted there. Zero if it replaces nothing.
    pub replaces: u32,
    pub content: Content,
}

impl Entry {
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
        bytes[20..24].copy_from_slice(&first.to_le_bytes());
        bytes[24..28].copy_from_slice(&second.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.replaces.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.modified.to_le_bytes());
        bytes[40..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Decodes an entry. Returns `None` if no [`encode`](Self::encode) returns these bytes.
    pub fn decode(bytes: &[u8; ENTRY_BYTES]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let id = ArtifactId::from_bytes(*fields.take()?);
        let &[kind, 0, 0, 0] = fields.take()? else {
            return None;
        };
        let (first, second) = (fields.u32()?, fields.u32()?);
        let (replaces, modified, crc) = (fields.u32()?, fields.u64()?, fields.u64()?);
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
        Some(Self {
            id,
            modified,
            replaces,
            content,
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
            let entry = Entry {
                id: ArtifactId::from_bytes([0xab; 16]),
                modified: 0x1122_3344_5566_7788,
                replaces: 0x99aa_bbcc,
                content,
            };
            assert_eq!(Entry::decode(&entry.encode()), Some(entry));
            let mut changed = entry.encode();
            changed[17] = 1;
            assert_eq!(Entry::decode(&changed), None);
            changed = entry.encode();
            changed[16] = 4;
            assert_eq!(Entry::decode(&changed), None);
        }
    }
}

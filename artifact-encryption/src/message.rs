//! The layout of an encrypted blob: where its header and its chunks are.
//!
//! C2SP chunked-encryption, "Message chunking" and "Implementation notes".

use std::ops::Range;

/// The length of the salt in bytes.
pub(crate) const SALT: usize = 24;
/// The length of the commitment in bytes.
pub(crate) const COMMITMENT: usize = 32;
/// The length of salt and commitment, with which every message begins.
pub(crate) const HEADER: usize = SALT + COMMITMENT;
/// The plain bytes of every chunk but the last, which is always shorter.
pub(crate) const CHUNK: usize = 16 * 1024;
/// The length of the tag after each chunk.
pub(crate) const TAG: usize = 16;
/// The stored bytes of every chunk but the last.
pub(crate) const SEALED_CHUNK: usize = CHUNK + TAG;
/// The most stored bytes of a message with one chunk.
pub(crate) const SINGLE: usize = HEADER + SEALED_CHUNK - 1;
/// The greatest number of chunks.
pub(crate) const MAX_CHUNKS: u64 = 1 << 38;

/// Returns the number of bytes that are stored for `size` plain bytes, or `None` if the format has no message of that
/// size.
pub(crate) fn sealed_size(size: u64) -> Option<u64> {
    let chunks = size / CHUNK as u64 + 1;
    (chunks <= MAX_CHUNKS).then(|| HEADER as u64 + size + chunks * TAG as u64)
}

/// The layout of one message, which follows from the number of its stored bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    sealed_size: u64,
    last: u64,
    size: u64,
}

impl Layout {
    /// Computes the layout of a message of `sealed_size` stored bytes. Returns `None` if no message has that length.
    pub(crate) fn new(sealed_size: u64) -> Option<Self> {
        let body = sealed_size.checked_sub(HEADER as u64)?;
        let last = body / SEALED_CHUNK as u64;
        let in_last = (body % SEALED_CHUNK as u64).checked_sub(TAG as u64)?;
        (last < MAX_CHUNKS).then_some(Self {
            sealed_size,
            last,
            size: last * CHUNK as u64 + in_last,
        })
    }

    /// Returns the number of plain bytes.
    pub(crate) fn size(self) -> u64 {
        self.size
    }

    /// Returns the number of the last chunk.
    pub(crate) fn last(self) -> u64 {
        self.last
    }

    /// Returns the positions of a chunk in the stored bytes.
    pub(crate) fn sealed_chunk(self, number: u64) -> Range<u64> {
        let start = HEADER as u64 + number * SEALED_CHUNK as u64;
        start..(start + SEALED_CHUNK as u64).min(self.sealed_size)
    }
}

/// Returns the number of the chunk with this plain position.
pub(crate) fn chunk_at(position: u64) -> u64 {
    position / CHUNK as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_the_specification() {
        // The examples of "Message chunking": 0, 1 KiB, 16 KiB and 20 KiB have 1, 1, 2 and 2 chunks.
        for (size, sealed, last) in [
            (0, 56 + 16, 0),
            (1_024, 56 + 1_024 + 16, 0),
            (16_383, 56 + 16_383 + 16, 0),
            (16_384, 56 + 16_384 + 32, 1),
            (20_480, 56 + 20_480 + 32, 1),
            (32_768, 56 + 32_768 + 48, 2),
            (
                (1 << 52) - 1,
                56 + (1 << 52) - 1 + (16 << 38),
                (1 << 38) - 1,
            ),
        ] {
            assert_eq!(sealed_size(size), Some(sealed), "{size}");
            let layout = Layout::new(sealed).unwrap();
            assert_eq!((layout.size(), layout.last()), (size, last), "{size}");
            assert_eq!(layout.sealed_chunk(last).end, sealed, "{size}");
        }
    }

    #[test]
    fn lengths_that_no_message_has_are_refused() {
        for sealed in [0, 1, 55, 56, 71] {
            assert_eq!(Layout::new(sealed), None, "{sealed}");
        }
        // Truncated after a full chunk, and less than a tag more.
        for sealed in 56 + 16_400..56 + 16_400 + 16 {
            assert_eq!(Layout::new(sealed), None, "{sealed}");
        }
        assert_eq!(Layout::new(56 + 16_400 + 16).unwrap().size(), 16_384);
        assert_eq!(Layout::new(56 + 16_400 - 1).unwrap().size(), 16_383);
    }

    #[test]
    fn messages_of_more_than_four_pebibytes_do_not_exist() {
        assert_eq!(sealed_size(1 << 52), None);
        assert_eq!(sealed_size(u64::MAX), None);
        assert_eq!(Layout::new(56 + (16_400 << 38) + 16), None);
        assert_eq!(Layout::new(u64::MAX), None);
    }
}

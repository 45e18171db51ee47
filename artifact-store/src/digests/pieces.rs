//! The digests of the pieces of one chunk, which were computed when the chunk was verified.

use std::ops::Range;

use blake3::hazmat::{ChainingValue, HasherExt as _};

use super::tree::{merge_all, subtree};

/// The smallest size of a piece in bytes. A processor with AVX2 hashes eight KiB as fast as more.
const MIN_PIECE_BYTES: u64 = 8 << 10;
/// The maximum number of pieces of a chunk, so that their digests have at most 16 KiB.
const MAX_PIECES: u64 = 512;

/// Returns the size of the pieces of a chunk of this size, a power of two.
fn piece_bytes(chunk_bytes: u64) -> u64 {
    MIN_PIECE_BYTES.max(chunk_bytes / MAX_PIECES)
}

/// The digests of the pieces of one chunk, so that a part of the chunk can be verified without the rest.
///
/// They are verified themselves: they add up to the digest of the chunk, or were computed while its bytes had the
/// SHA-256 of the row.
#[derive(Debug)]
pub(crate) struct PieceDigests {
    /// Where the chunk begins in the artifact.
    start: u64,
    piece_bytes: u64,
    digests: Box<[ChainingValue]>,
}

impl PieceDigests {
    /// Returns the range that a reader of `wanted` has to read: the pieces of the chunk that hold it. `end` is the end of the
    /// chunk.
    pub(crate) fn widen(&self, wanted: &Range<u64>, end: u64) -> Range<u64> {
        let start = wanted.start - wanted.start % self.piece_bytes;
        let last = wanted.end.next_multiple_of(self.piece_bytes);
        start..last.min(end)
    }

    pub(crate) fn piece_bytes(&self) -> u64 {
        self.piece_bytes
    }

    /// Returns whether these bytes are the piece at this position.
    pub(crate) fn matches<'b>(
        &self,
        position: u64,
        bytes: impl IntoIterator<Item = &'b [u8]>,
    ) -> bool {
        let mut hasher = subtree(position);
        let mut length = 0;
        for bytes in bytes {
            hasher.update(bytes);
            length += bytes.len();
        }
        let index = usize::try_from((position - self.start) / self.piece_bytes);
        let expected = index.ok().and_then(|index| self.digests.get(index));
        // A piece has at least one byte, and only then a digest.
        length > 0 && expected == Some(&hasher.finalize_non_root())
    }

    /// Returns the memory that the digests take, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        size_of::<Self>() as u64 + size_of_val(&*self.digests) as u64
    }
}

/// Computes the digests of the pieces of one chunk, and of the chunk.
pub(crate) struct PieceHasher {
    start: u64,
    piece_bytes: u64,
    done: Vec<ChainingValue>,
    current: blake3::Hasher,
    filled: u64,
}

impl PieceHasher {
    /// Creates the hasher of a chunk that begins at `start`.
    pub(crate) fn new(start: u64, chunk_bytes: u64) -> Self {
        Self {
            start,
            piece_bytes: piece_bytes(chunk_bytes),
            done: Vec::new(),
            current: subtree(start),
            filled: 0,
        }
    }

    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.filled == self.piece_bytes {
                self.done.push(self.current.finalize_non_root());
                let start = self.start + self.done.len() as u64 * self.piece_bytes;
                self.current = subtree(start);
                self.filled = 0;
            }
            let room = usize::try_from(self.piece_bytes - self.filled).unwrap_or(usize::MAX);
            let (head, rest) = bytes.split_at(bytes.len().min(room));
            self.current.update(head);
            self.filled += head.len() as u64;
            bytes = rest;
        }
    }

    /// Returns the digest of the chunk, and those of its pieces. The chunk has at least one byte.
    pub(crate) fn finish(mut self) -> (Option<ChainingValue>, PieceDigests) {
        if self.filled > 0 {
            self.done.push(self.current.finalize_non_root());
        }
        let pieces = PieceDigests {
            start: self.start,
            piece_bytes: self.piece_bytes,
            digests: self.done.clone().into(),
        };
        (merge_all(self.done), pieces)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_add_up_to_their_chunk_and_verify_alone() {
        let bytes: Vec<u8> = (0..65_536_u32)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        for (start, length) in [
            (0, 65_536),
            (65_536, 65_536),
            (131_072, 1),
            (65_536, 8193),
            (0, 24_576),
        ] {
            let bytes = &bytes[..length];
            let mut whole = subtree(start);
            whole.update(bytes);
            let mut hasher = PieceHasher::new(start, 65_536);
            for part in bytes.chunks(5000) {
                hasher.update(part);
            }
            let (digest, pieces) = hasher.finish();
            assert_eq!(digest, Some(whole.finalize_non_root()), "{start} {length}");
            assert_eq!(pieces.digests.len(), length.div_ceil(8192));
            for (index, piece) in bytes.chunks(8192).enumerate() {
                let position = start + index as u64 * 8192;
                assert!(pieces.matches(position, [piece]));
                let mut wrong = piece.to_vec();
                *wrong.last_mut().unwrap() ^= 1;
                assert!(!pieces.matches(position, [&wrong[..]]));
                assert!(!pieces.matches(position, [&piece[1..]]));
                assert!(!pieces.matches(start + 65_536, [piece]));
            }
        }
    }

    #[test]
    fn the_pieces_of_a_chunk_have_at_most_16_kib_of_digests() {
        for shift in 16..40 {
            let chunk = 1 << shift;
            let piece = piece_bytes(chunk);
            assert!(piece.is_power_of_two() && piece >= 8192);
            assert!(chunk / piece * 32 <= 16 << 10, "{chunk}");
        }
    }
}

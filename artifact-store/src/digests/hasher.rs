//! Hashes the chunks of an artifact whose size need not be known.

use std::fmt;

use blake3::hazmat::{ChainingValue, HasherExt as _};

use super::list::ChunkDigests;
use super::tree::{merge_pairs, subtree};

/// Computes the [`ChunkDigests`] of bytes that arrive in pieces of any length. It holds up to 128 KiB.
///
/// Chunks have 64 KiB at first. Once there are 4,096, each two neighbours become one chunk; their bytes are not needed for
/// that.
pub struct ChunkHasher {
    done: Vec<ChainingValue>,
    chunk_bytes: u64,
    current: blake3::Hasher,
    /// The number of bytes of the current chunk.
    filled: u64,
}

impl Default for ChunkHasher {
    fn default() -> Self {
        Self::new()
    }
}

impl ChunkHasher {
    /// Creates a hasher that has seen no bytes.
    pub fn new() -> Self {
        Self {
            done: Vec::new(),
            chunk_bytes: ChunkDigests::MIN_CHUNK_BYTES,
            current: subtree(0),
            filled: 0,
        }
    }

    /// Hashes the next bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            // Only once a further byte follows, so the last chunk is never empty.
            if self.filled == self.chunk_bytes {
                self.begin_chunk();
            }
            let room = usize::try_from(self.chunk_bytes - self.filled).unwrap_or(usize::MAX);
            let (head, rest) = bytes.split_at(bytes.len().min(room));
            self.current.update(head);
            self.filled += head.len() as u64;
            bytes = rest;
        }
    }

    fn begin_chunk(&mut self) {
        self.done.push(self.current.finalize_non_root());
        if self.done.len() == ChunkDigests::MAX_CHUNKS {
            merge_pairs(&mut self.done);
            self.chunk_bytes *= 2;
        }
        self.current = subtree(self.done.len() as u64 * self.chunk_bytes);
        self.filled = 0;
    }

    /// Returns the digests, or `None` if there were at most 64 KiB.
    pub fn finish(mut self) -> Option<ChunkDigests> {
        if self.done.is_empty() {
            return None;
        }
        self.done.push(self.current.finalize_non_root());
        ChunkDigests::of(self.chunk_bytes, &self.done)
    }
}

impl fmt::Debug for ChunkHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChunkHasher")
            .field("chunk_bytes", &self.chunk_bytes)
            .field("chunks", &self.done.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes without repetition within 16 MiB.
    fn bytes(length: usize) -> Vec<u8> {
        let words = (0..length.div_ceil(4)).map(|n| u32::try_from(n).unwrap().to_le_bytes());
        let mut bytes = words.flatten().collect::<Vec<_>>();
        bytes.truncate(length);
        bytes
    }

    fn digests(pieces: impl IntoIterator<Item = Vec<u8>>) -> Option<ChunkDigests> {
        let mut hasher = ChunkHasher::new();
        for piece in pieces {
            hasher.update(&piece);
        }
        hasher.finish()
    }

    #[test]
    fn up_to_64_kib_have_no_digests() {
        for length in [0, 1, 1024, 65_535, 65_536] {
            assert_eq!(digests([bytes(length)]), None, "{length}");
        }
        assert!(digests([bytes(65_537)]).is_some());
    }

    #[test]
    fn digests_are_those_of_the_chunks_and_add_up_to_the_blake3_hash() {
        for length in [65_537, 131_072, 131_073, 200_000, 1 << 20, (3 << 20) + 5] {
            let all = bytes(length);
            let of_whole = digests([all.clone()]).unwrap();
            assert_eq!(of_whole.blake3(), blake3::hash(&all).as_bytes(), "{length}");
            assert_eq!(of_whole.chunk_bytes(), 65_536);
            assert!(of_whole.fits(length as u64) && !of_whole.fits(length as u64 + 65_536));
            for (index, chunk) in all.chunks(65_536).enumerate() {
                let mut hasher = subtree(index as u64 * 65_536);
                hasher.update(chunk);
                assert_eq!(
                    of_whole.get(index as u64),
                    Some(&hasher.finalize_non_root())
                );
            }
            let of_pieces = digests(all.chunks(10_007).map(<[u8]>::to_vec));
            assert_eq!(of_pieces.as_ref(), Some(&of_whole), "{length}");
        }
    }

    #[test]
    fn chunks_double_above_4096_and_stay_exact() {
        let piece = bytes(1 << 20);
        for (mib, tail, chunk_kib, chunks) in
            [(256, 0, 64, 4096), (256, 1, 128, 2049), (512, 0, 128, 4096)]
        {
            let mut hasher = ChunkHasher::new();
            let mut whole = blake3::Hasher::new();
            let mut last = blake3::Hasher::new();
            last.set_input_offset((mib << 20) - (chunk_kib << 10));
            for n in 0..mib {
                hasher.update(&piece);
                whole.update(&piece);
                if n + 1 == mib {
                    last.update(&piece[(1 << 20) - usize::try_from(chunk_kib << 10).unwrap()..]);
                }
            }
            hasher.update(&piece[..tail]);
            whole.update(&piece[..tail]);
            let digests = hasher.finish().unwrap();
            assert_eq!(digests.chunk_bytes(), chunk_kib << 10);
            assert_eq!(digests.as_bytes().len(), chunks * 32);
            assert!(digests.as_bytes().len() <= 128 << 10);
            assert_eq!(digests.blake3(), whole.finalize().as_bytes());
            let last_whole = (mib << 10) / chunk_kib - 1;
            assert_eq!(digests.get(last_whole), Some(&last.finalize_non_root()));
            assert!(digests.fits((mib << 20) + tail as u64));
        }
    }

    #[test]
    fn changed_parts_are_refused() {
        let good = digests([bytes(200_000)]).unwrap();
        let parts = || (good.chunk_bytes(), *good.blake3(), good.as_bytes().to_vec());
        let (size, hash, list) = parts();
        assert_eq!(ChunkDigests::from_parts(size, hash, list), Ok(good.clone()));
        for flipped in [0, 31, 32, 4 * 32 - 1] {
            let (size, hash, mut list) = parts();
            list[flipped] ^= 1;
            ChunkDigests::from_parts(size, hash, list).unwrap_err();
        }
        let (size, mut hash, list) = parts();
        hash[5] ^= 0x80;
        ChunkDigests::from_parts(size, hash, list.clone()).unwrap_err();
        let hash = *good.blake3();
        for size in [0, 1, 1024, 65_537, 32_768] {
            ChunkDigests::from_parts(size, hash, list.clone()).unwrap_err();
        }
        for length in [0, 32, 33, 127, 129] {
            let mut list = list.clone();
            list.resize(length, 0);
            ChunkDigests::from_parts(65_536, hash, list).unwrap_err();
        }
        ChunkDigests::from_parts(65_536, hash, vec![0; 4097 * 32]).unwrap_err();
    }
}

//! Test data and a small random generator, equal in every run.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

pub(crate) const KIB: usize = 1024;
pub(crate) const MIB: usize = 1024 * 1024;

/// A `SplitMix64` generator (Steele, Lea and Flood, 2014): small, and good enough to choose operations.
#[derive(Debug, Clone)]
pub(crate) struct SplitMix64(u64);

impl SplitMix64 {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number below `bound`, which is small enough that the bias does not matter.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let bound = bound as u64;
        usize::try_from(self.next() % bound).expect("the remainder is below a usize")
    }
}

/// Returns `len` bytes that look random, contain every value, are not UTF-8 and differ for every `tag`.
pub(crate) fn noise(tag: u64, len: usize) -> Bytes {
    let mut random = SplitMix64::new(tag);
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        bytes.extend_from_slice(&random.next().to_le_bytes());
    }
    bytes.truncate(len);
    bytes.into()
}

/// Cuts `bytes` into chunks of these lengths, cyclically, to the end.
pub(crate) fn cut(bytes: &Bytes, lengths: &[usize]) -> Vec<Bytes> {
    let mut remaining = bytes.clone();
    let mut chunks = Vec::new();
    for length in lengths.iter().cycle() {
        if remaining.is_empty() {
            break;
        }
        chunks.push(remaining.split_to(remaining.len().min(*length)));
    }
    chunks
}

/// A blob too large for memory: blocks of 1 MiB of noise, each stamped with its number.
pub(crate) struct LargeBlob {
    block: Bytes,
    pub(crate) size: u64,
}

impl LargeBlob {
    pub(crate) fn new(tag: u64, size: u64) -> Self {
        Self {
            block: noise(tag, MIB),
            size,
        }
    }

    pub(crate) fn blocks(&self) -> u64 {
        self.size.div_ceil(MIB as u64)
    }

    /// Returns the bytes of one block; the last may be shorter.
    pub(crate) fn block(&self, number: u64) -> Vec<u8> {
        let mut block = self.block.to_vec();
        block[..8].copy_from_slice(&number.to_le_bytes());
        let remaining = self.size - number * MIB as u64;
        block.truncate(usize::try_from(remaining).unwrap_or(usize::MAX));
        block
    }

    /// Returns the first position at which `found`, read from `position`, differs from this blob.
    pub(crate) fn first_difference(&self, position: u64, found: &[u8]) -> Option<u64> {
        let mut position = position;
        let mut found = found;
        while !found.is_empty() {
            if position >= self.size {
                return Some(position);
            }
            let block = self.block(position / MIB as u64);
            let inside =
                usize::try_from(position % MIB as u64).expect("the remainder is under 1 MiB");
            let length = found.len().min(block.len() - inside);
            let (part, rest) = found.split_at(length);
            if part != &block[inside..inside + length] {
                let equal = part
                    .iter()
                    .zip(&block[inside..])
                    .take_while(|(a, b)| a == b);
                return Some(position + equal.count() as u64);
            }
            position += length as u64;
            found = rest;
        }
        None
    }
}

/// Counts the bytes of live chunks. A chunk counts from its creation until its last clone is dropped.
#[derive(Clone, Default)]
pub(crate) struct LiveBytes(Arc<AtomicU64>);

impl LiveBytes {
    pub(crate) fn bytes(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) fn chunk(&self, bytes: Vec<u8>) -> Bytes {
        self.0.fetch_add(bytes.len() as u64, Ordering::SeqCst);
        Bytes::from_owner(Counted {
            bytes,
            held: self.clone(),
        })
    }
}

struct Counted {
    bytes: Vec<u8>,
    held: LiveBytes,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let bytes = self.bytes.len() as u64;
        self.held.0.fetch_sub(bytes, Ordering::SeqCst);
    }
}

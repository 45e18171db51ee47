//! The digests of all chunks of an artifact.

use std::fmt;

use blake3::hazmat::ChainingValue;
use bytes::Bytes;

use super::tree::{self, DIGEST};

/// The digests of the chunks of one artifact, recorded beside its row.
///
/// - A chunk has 64 KiB, or as many times twice that as keeps the number of chunks at 4,096 at most. The last chunk may be
///   shorter. So all digests of an artifact together have at most 128 KiB.
/// - A digest has 32 bytes: the chaining value of the chunk, which is a subtree in the tree of BLAKE3.
/// - [`blake3`](Self::blake3) is the ordinary BLAKE3 hash of the whole artifact, as `b3sum` prints it. The digests add up
///   to it, so digests that were changed in the database are recognised.
///
/// An artifact of up to 64 KiB has none: its SHA-256 covers its only chunk.
///
/// ```
/// use artifact_store::{ChunkDigests, ChunkHasher};
///
/// let mut hasher = ChunkHasher::new();
/// hasher.update(&[7; 100_000]);
/// let digests = hasher.finish().expect("more than 64 KiB");
/// assert_eq!((digests.chunk_bytes(), digests.as_bytes().len()), (64 << 10, 2 * 32));
/// assert!(digests.fits(100_000));
///
/// let stored = ChunkDigests::from_parts(digests.chunk_bytes(), *digests.blake3(), digests.as_bytes().to_vec())?;
/// assert_eq!(stored, digests);
/// # Ok::<(), artifact_store::InvalidChunkDigests>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ChunkDigests {
    chunk_bytes: u64,
    blake3: [u8; DIGEST],
    digests: Bytes,
}

/// The parts are not the digests of the chunks of one artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("these are not the digests of the chunks of an artifact: {0}")]
pub struct InvalidChunkDigests(&'static str);

impl ChunkDigests {
    /// The smallest size of a chunk in bytes: 64 KiB. An artifact of up to this size has no chunk digests.
    pub const MIN_CHUNK_BYTES: u64 = 64 << 10;
    /// The maximum number of chunks of an artifact.
    pub const MAX_CHUNKS: usize = 4096;

    /// Creates the list from its parts, as they are stored.
    ///
    /// # Errors
    ///
    /// [`InvalidChunkDigests`] if the size of a chunk is no power of two or less than 64 KiB, if `digests` are not 2 to 4,096
    /// digests of 32 bytes, or if they do not add up to the hash `blake3`.
    pub fn from_parts(
        chunk_bytes: u64,
        blake3: [u8; 32],
        digests: impl Into<Bytes>,
    ) -> Result<Self, InvalidChunkDigests> {
        let digests = digests.into();
        if !chunk_bytes.is_power_of_two() || chunk_bytes < Self::MIN_CHUNK_BYTES {
            return Err(InvalidChunkDigests(
                "a chunk has a power of two of bytes, at least 64 KiB",
            ));
        }
        let (values, rest) = digests.as_chunks::<DIGEST>();
        if !rest.is_empty() || !(2..=Self::MAX_CHUNKS).contains(&values.len()) {
            return Err(InvalidChunkDigests("there are 2 to 4,096 of 32 bytes each"));
        }
        // Not secret, so the time of the comparison may depend on them.
        if tree::root(values.to_vec()).map(Into::into) != Some(blake3) {
            return Err(InvalidChunkDigests(
                "they do not add up to the BLAKE3 hash of the artifact",
            ));
        }
        Ok(Self {
            chunk_bytes,
            blake3,
            digests,
        })
    }

    /// Creates the list from its parts as lower-case hexadecimal digits.
    #[cfg(feature = "backup")]
    pub(crate) fn from_hex(
        chunk_bytes: u64,
        blake3: &str,
        digests: &str,
    ) -> Result<Self, InvalidChunkDigests> {
        let parse = |text: &[u8]| match blake3::Hash::from_hex(text) {
            Ok(hash) => Ok(hash.into()),
            Err(_) => Err(InvalidChunkDigests("they are not hexadecimal digits")),
        };
        let values = digests.as_bytes().chunks(2 * DIGEST).map(parse);
        let values = values.collect::<Result<Vec<[u8; DIGEST]>, _>>()?;
        Self::from_parts(chunk_bytes, parse(blake3.as_bytes())?, values.concat())
    }

    /// Returns the hash as hexadecimal digits.
    #[cfg(feature = "backup")]
    pub(crate) fn blake3_hex(&self) -> String {
        blake3::Hash::from_bytes(self.blake3).to_hex().to_string()
    }

    /// Returns the digests as hexadecimal digits, one after the other.
    #[cfg(feature = "backup")]
    pub(crate) fn hex(&self) -> String {
        let (values, _) = self.digests.as_chunks::<DIGEST>();
        let hex = |value: &[u8; DIGEST]| blake3::Hash::from_bytes(*value).to_hex();
        let mut text = String::with_capacity(2 * self.digests.len());
        for value in values {
            text.push_str(&hex(value));
        }
        text
    }

    /// Creates the list of chunks that were hashed, or `None` for fewer than two.
    pub(super) fn of(chunk_bytes: u64, values: &[ChainingValue]) -> Option<Self> {
        Some(Self {
            chunk_bytes,
            blake3: tree::root(values.to_vec())?.into(),
            digests: values.concat().into(),
        })
    }

    /// Returns the size of every chunk but the last, in bytes.
    pub fn chunk_bytes(&self) -> u64 {
        self.chunk_bytes
    }

    /// Returns the BLAKE3 hash of the whole artifact.
    pub fn blake3(&self) -> &[u8; 32] {
        &self.blake3
    }

    /// Returns the digests, one after the other, 32 bytes each.
    pub fn as_bytes(&self) -> &[u8] {
        &self.digests
    }

    /// Returns whether an artifact of `size` bytes has this number of chunks.
    pub fn fits(&self, size: u64) -> bool {
        size.div_ceil(self.chunk_bytes) == (self.digests.len() / DIGEST) as u64
    }

    /// Returns the digest of a chunk, if there is one with this index.
    pub(crate) fn get(&self, index: u64) -> Option<&ChainingValue> {
        let (values, _) = self.digests.as_chunks::<DIGEST>();
        values.get(usize::try_from(index).ok()?)
    }

    /// Returns the index of the first chunk that differs from that of another artifact with as many chunks.
    pub(crate) fn first_difference(&self, other: &Self) -> Option<u64> {
        let (ours, theirs) = (
            self.digests.chunks_exact(DIGEST),
            other.digests.chunks_exact(DIGEST),
        );
        let differs = ours.zip(theirs).position(|(ours, theirs)| ours != theirs)?;
        Some(differs as u64)
    }
}

impl fmt::Debug for ChunkDigests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChunkDigests")
            .field("chunk_bytes", &self.chunk_bytes)
            .field("chunks", &(self.digests.len() / DIGEST))
            .finish_non_exhaustive()
    }
}

//! The digests of a blob, computed so that they block neither the disk nor the other tasks of the thread.

use std::fmt;

use artifact_backend::{Sha256Digest, blocking};
use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::digests::{ChunkDigests, ChunkHasher};
use crate::error::{Error, ErrorKind, Operation, Result};

/// The SHA-256 (FIPS 180-4) of bytes that arrive in chunks, and the digests of their chunks.
#[derive(Default)]
pub(crate) struct Hasher {
    sha256: Sha256,
    /// `None` if the digests of the chunks are not wanted.
    chunks: Option<Box<ChunkHasher>>,
}

/// The digests of a blob.
#[derive(Debug)]
pub(crate) struct Digests {
    pub(crate) sha256: Sha256Digest,
    /// `None` if the blob has one chunk.
    pub(crate) chunks: Option<ChunkDigests>,
}

impl Hasher {
    /// The size in bytes up to which a chunk is hashed on the caller's thread: about 80 microseconds,
    /// a few times the cost of a hop to another thread.
    const INLINE_BYTES: usize = 64 << 10;

    /// Creates the hasher of a blob whose size is not known.
    pub(crate) fn with_chunks() -> Self {
        Self {
            chunks: Some(Box::default()),
            ..Self::default()
        }
    }

    /// Creates the hasher of a blob of this size, which computes nothing that is not needed for it.
    pub(crate) fn of_size(bytes: u64) -> Self {
        if bytes > ChunkDigests::MIN_CHUNK_BYTES {
            Self::with_chunks()
        } else {
            Self::default()
        }
    }

    /// Hashes one more chunk, on the blocking pool if it is large. A caller that polls this together with the write of the same
    /// chunk waits for the slower of the two, not for both.
    pub(crate) async fn update(self, chunk: Bytes) -> Result<Self> {
        let Self {
            mut sha256,
            mut chunks,
        } = self;
        if chunk.len() <= Self::INLINE_BYTES {
            sha256.update(&chunk);
            if let Some(chunks) = &mut chunks {
                chunks.update(&chunk);
            }
            return Ok(Self { sha256, chunks });
        }
        let hashing = blocking::run(move || {
            sha256.update(&chunk);
            if let Some(chunks) = &mut chunks {
                chunks.update(&chunk);
            }
            Self { sha256, chunks }
        });
        hashing.await.map_err(|error| {
            Error::new(ErrorKind::Unavailable, Operation::Deposit).with_source(error)
        })
    }

    pub(crate) fn finish(self) -> Digests {
        Digests {
            sha256: Sha256Digest::from_bytes(self.sha256.finalize().into()),
            chunks: self.chunks.and_then(|chunks| chunks.finish()),
        }
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasher").finish_non_exhaustive()
    }
}

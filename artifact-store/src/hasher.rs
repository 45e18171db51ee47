//! SHA-256 that blocks neither the disk nor the other tasks of its thread.

use std::fmt;

use artifact_backend::{Sha256Digest, blocking};
use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::error::{Error, ErrorKind, Operation, Result};

/// A SHA-256 (FIPS 180-4) of bytes that arrive in chunks.
#[derive(Default)]
pub(crate) struct Hasher(Sha256);

impl Hasher {
    /// The size in bytes up to which a chunk is hashed on the caller's thread: about 40 microseconds,
    /// a few times the cost of a hop to another thread.
    const INLINE_BYTES: usize = 64 << 10;

    /// Hashes one more chunk, on the blocking pool if it is large. A caller that polls this together
    /// with the write of the same chunk waits for the slower of the two, not for both.
    pub(crate) async fn update(mut self, chunk: Bytes) -> Result<Self> {
        if chunk.len() <= Self::INLINE_BYTES {
            self.0.update(&chunk);
            return Ok(self);
        }
        let hashing = blocking::run(move || {
            self.0.update(&chunk);
            self
        });
        hashing.await.map_err(|error| {
            Error::new(ErrorKind::Unavailable, Operation::Deposit).with_source(error)
        })
    }

    pub(crate) fn finish(self) -> Sha256Digest {
        Sha256Digest::from_bytes(self.0.finalize().into())
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasher").finish_non_exhaustive()
    }
}

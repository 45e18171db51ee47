//! SHA-256 that does not hold up the disk, nor the other tasks of its thread.

use std::fmt;
use std::panic::resume_unwind;

use artifact_backend::Sha256Digest;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::error::{Error, ErrorKind, Operation, Result};

/// A SHA-256 (FIPS 180-4) of bytes that come in pieces.
#[derive(Default)]
pub(crate) struct Hasher(Sha256);

impl Hasher {
    /// Up to so many bytes are hashed where the caller runs: some 40 microseconds, a few times what
    /// a hop to another thread costs.
    const INLINE_BYTES: usize = 64 << 10;

    /// Takes in one more piece, on the blocking pool if it is large. A caller that polls this
    /// together with the write of the same piece waits for the slower of the two, not for both.
    pub(crate) async fn update(mut self, piece: Bytes) -> Result<Self> {
        if piece.len() <= Self::INLINE_BYTES {
            self.0.update(&piece);
            return Ok(self);
        }
        let hashing = tokio::task::spawn_blocking(move || {
            self.0.update(&piece);
            self
        });
        hashing.await.map_err(|error| match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            Err(error) => Error::new(ErrorKind::Unavailable, Operation::Deposit)
                .with_detail("the runtime shuts down")
                .with_source(error),
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

//! The larger way into a backend: an upload that is written and hashed piece by piece.

use artifact_backend::{ArtifactBackend, ArtifactId, Sha256Digest, Upload};
use bytes::{Bytes, BytesMut};
use futures_util::future::join;

use crate::deposit::{fresh_id, lost};
use crate::error::{Error, Operation, Result};
use crate::hasher::Hasher;

/// An upload and the hash of what was written to it.
///
/// Its methods take it by value and give it back only on success, so one that failed, or whose
/// future was dropped, cannot be used again. A failure has aborted the upload before it is told.
#[derive(Debug)]
pub(crate) struct Streaming {
    id: ArtifactId,
    upload: Box<dyn Upload>,
    hasher: Hasher,
    pending: BytesMut,
}

impl Streaming {
    /// Small pieces are gathered to so many bytes, and then written and hashed at once. One such
    /// buffer fills while at most one other is with the backend.
    pub(crate) const CHUNK_BYTES: usize = 256 << 10;

    /// Begins an upload under a fresh id.
    pub(crate) async fn begin(
        backend: &dyn ArtifactBackend,
        expected_size: Option<u64>,
    ) -> Result<Self> {
        let (id, mut upload) = fresh_id(|id| backend.upload(id)).await?;
        if let Some(bytes) = expected_size {
            upload.expect_size(bytes);
        }
        Ok(Self {
            id,
            upload,
            hasher: Hasher::default(),
            pending: BytesMut::new(),
        })
    }

    /// Takes one more piece.
    pub(crate) async fn write(mut self, piece: Bytes) -> Result<Self> {
        if self.pending.len() + piece.len() > Self::CHUNK_BYTES {
            self = self.flush_pending().await?;
        }
        if piece.len() >= Self::CHUNK_BYTES {
            return self.flush(piece).await;
        }
        if self.pending.is_empty() {
            self.pending.reserve(Self::CHUNK_BYTES);
        }
        self.pending.extend_from_slice(&piece);
        Ok(self)
    }

    /// Publishes what was written. `Ok` means durable.
    pub(crate) async fn commit(self) -> Result<(ArtifactId, Sha256Digest)> {
        let Self {
            id,
            upload,
            hasher,
            pending: _,
        } = self.flush_pending().await?;
        upload.commit().await.map_err(|error| lost(id, error))?;
        Ok((id, hasher.finish()))
    }

    /// Gives up, and waits until what was written is removed.
    pub(crate) async fn abort(self) -> Result<()> {
        let aborted = self.upload.abort().await;
        aborted.map_err(|error| Error::backend(Operation::Deposit, error).with_id(self.id))
    }

    /// Gives up because of `first`, which is the error that counts.
    pub(crate) async fn abort_after(self, first: Error) -> Error {
        if let Err(error) = self.abort().await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a failed deposit left something to sweep"
            );
        }
        first
    }

    async fn flush_pending(mut self) -> Result<Self> {
        if self.pending.is_empty() {
            return Ok(self);
        }
        let piece = self.pending.split().freeze();
        self.flush(piece).await
    }

    async fn flush(mut self, piece: Bytes) -> Result<Self> {
        let hasher = std::mem::take(&mut self.hasher);
        let (hashing, written) = join(hasher.update(piece.clone()), self.upload.write(piece)).await;
        let failed = match (hashing, written) {
            (Ok(hasher), Ok(())) => {
                self.hasher = hasher;
                return Ok(self);
            }
            (_, Err(error)) => lost(self.id, error),
            (Err(error), Ok(())) => error,
        };
        Err(self.abort_after(failed).await)
    }
}

//! The path into a backend for large artifacts: an upload that is written and hashed in chunks.

use artifact_backend::{
    ArtifactBackend, ArtifactId, NotedBackend, NotedUpload, Sha256Digest, Upload,
};
use bytes::{Bytes, BytesMut};
use futures_util::future::join;

use crate::deposit::check_digest;
use crate::error::{Error, Operation, Result};
use crate::fresh_id::{deposit_error, with_fresh_id};
use crate::hasher::{Digests, Hasher};

/// An upload, and the digests of the bytes written to it.
///
/// Its methods take it by value and return it only on success. After a failure or a dropped future
/// it can therefore not be used again. A failure aborts the upload before the error is returned.
#[derive(Debug)]
pub(crate) struct Streaming {
    id: ArtifactId,
    upload: Open,
    hasher: Hasher,
    pending: BytesMut,
}

/// An upload that has begun.
#[derive(Debug)]
enum Open {
    Plain(Box<dyn Upload>),
    /// It can end with a note.
    Noted(Box<dyn NotedUpload>),
}

impl Open {
    fn get(&mut self) -> &mut dyn Upload {
        match self {
            Self::Plain(upload) => &mut **upload,
            Self::Noted(upload) => &mut **upload,
        }
    }

    async fn commit(self, note: Option<Bytes>) -> artifact_backend::Result<()> {
        match (self, note) {
            (Self::Noted(upload), Some(note)) => upload.commit_noted(note).await,
            (Self::Noted(upload), None) => upload.commit().await,
            (Self::Plain(upload), _) => upload.commit().await,
        }
    }

    async fn abort(self) -> artifact_backend::Result<()> {
        match self {
            Self::Plain(upload) => upload.abort().await,
            Self::Noted(upload) => upload.abort().await,
        }
    }
}

impl Streaming {
    /// The size in bytes up to which small chunks are collected before they are written and hashed
    /// together. While one such buffer fills, the backend holds at most one other.
    pub(crate) const CHUNK_BYTES: usize = 256 << 10;

    /// Begins an upload under a fresh id.
    pub(crate) async fn begin(
        backend: &dyn ArtifactBackend,
        expected_size: Option<u64>,
    ) -> Result<Self> {
        let (id, upload) = with_fresh_id(|id| backend.upload(id)).await?;
        Ok(Self::new(id, Open::Plain(upload), expected_size))
    }

    /// Begins an upload under a fresh id that can end with a note.
    pub(crate) async fn begin_noted(
        backend: &dyn NotedBackend,
        expected_size: Option<u64>,
    ) -> Result<Self> {
        let (id, upload) = with_fresh_id(|id| backend.upload_noted(id)).await?;
        Ok(Self::new(id, Open::Noted(upload), expected_size))
    }

    fn new(id: ArtifactId, mut upload: Open, expected_size: Option<u64>) -> Self {
        if let Some(bytes) = expected_size {
            upload.get().expect_size(bytes);
        }
        Self {
            id,
            upload,
            hasher: Hasher::with_chunks(),
            pending: BytesMut::new(),
        }
    }

    /// Returns whether the upload can end with a note.
    pub(crate) fn is_noted(&self) -> bool {
        matches!(self.upload, Open::Noted(_))
    }

    /// Appends a chunk.
    pub(crate) async fn write(mut self, chunk: Bytes) -> Result<Self> {
        if self.pending.len() + chunk.len() > Self::CHUNK_BYTES {
            self = self.flush_pending().await?;
        }
        if chunk.len() >= Self::CHUNK_BYTES {
            return self.flush(chunk).await;
        }
        if self.pending.is_empty() {
            self.pending.reserve(Self::CHUNK_BYTES);
        }
        self.pending.extend_from_slice(&chunk);
        Ok(self)
    }

    /// Publishes the artifact if it has the expected digest. `Ok` means that it is durable.
    pub(crate) async fn commit(
        self,
        expected: Option<Sha256Digest>,
    ) -> Result<(ArtifactId, Digests)> {
        self.commit_with(expected, |_, _| None).await
    }

    /// Publishes the artifact as [`commit`](Self::commit) does, with the note that the function returns, if the upload
    /// [can end](Self::is_noted) with one.
    pub(crate) async fn commit_with(
        self,
        expected: Option<Sha256Digest>,
        note: impl FnOnce(ArtifactId, Sha256Digest) -> Option<Bytes>,
    ) -> Result<(ArtifactId, Digests)> {
        let mut streaming = self.flush_pending().await?;
        let digests = std::mem::take(&mut streaming.hasher).finish();
        if let Err(error) = check_digest(digests.sha256, expected) {
            return Err(streaming.abort_after(error).await);
        }
        let id = streaming.id;
        let note = note(id, digests.sha256);
        let committed = streaming.upload.commit(note).await;
        committed.map_err(|error| deposit_error(id, error))?;
        Ok((id, digests))
    }

    /// Aborts the upload, and returns the SHA-256 of its bytes. If the bytes cannot be removed, a sweep will do it.
    pub(crate) async fn discard(mut self) -> Result<Sha256Digest> {
        let rest = self.pending.split().freeze();
        let hasher = std::mem::take(&mut self.hasher).update(rest).await?;
        if let Err(error) = self.abort().await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a repeated deposit could not be removed; a sweep will remove it"
            );
        }
        Ok(hasher.finish().sha256)
    }

    /// Aborts the upload, and waits until its bytes are removed.
    pub(crate) async fn abort(self) -> Result<()> {
        let aborted = self.upload.abort().await;
        aborted.map_err(|error| Error::backend(Operation::Deposit, error).with_id(self.id))
    }

    /// Aborts the upload because of `cause`, and returns `cause` even if the abort fails too.
    pub(crate) async fn abort_after(self, cause: Error) -> Error {
        if let Err(error) = self.abort().await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a failed deposit could not be removed; a sweep will remove it"
            );
        }
        cause
    }

    async fn flush_pending(mut self) -> Result<Self> {
        if self.pending.is_empty() {
            return Ok(self);
        }
        let chunk = self.pending.split().freeze();
        self.flush(chunk).await
    }

    async fn flush(mut self, chunk: Bytes) -> Result<Self> {
        let hasher = std::mem::take(&mut self.hasher);
        let (digest, written) =
            join(hasher.update(chunk.clone()), self.upload.get().write(chunk)).await;
        let error = match (digest, written) {
            (Ok(hasher), Ok(())) => {
                self.hasher = hasher;
                return Ok(self);
            }
            (_, Err(error)) => deposit_error(self.id, error),
            (Err(error), Ok(())) => error,
        };
        Err(self.abort_after(error).await)
    }
}

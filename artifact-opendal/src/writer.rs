//! Writes a blob: one chunk in one call of the backend, more as an upload.

use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use artifact_backend::{ArtifactId, ArtifactInventory, Upload};
use bytes::Bytes;
use opendal_core::raw::oio;
use opendal_core::{Buffer, Error, ErrorKind, Metadata, MetadataBuilder, Result};

use crate::error::failed;

/// A blob that is being written. It exists only after `close`.
pub struct BlobWriter {
    backend: Arc<dyn ArtifactInventory>,
    id: ArtifactId,
    size: u64,
    state: State,
}

enum State {
    /// Up to one chunk, which is stored whole if no other follows.
    Buffered(Bytes),
    /// A lock makes the upload `Sync`; it is never contended.
    Uploading(Mutex<Box<dyn Upload>>),
    /// Closed or aborted, or a write has failed or was dropped.
    Ended,
}

impl BlobWriter {
    pub(crate) fn new(backend: Arc<dyn ArtifactInventory>, id: ArtifactId) -> Self {
        Self {
            backend,
            id,
            size: 0,
            state: State::Buffered(Bytes::new()),
        }
    }
}

fn ended() -> Error {
    Error::new(
        ErrorKind::Unexpected,
        "the writer was closed or aborted before, or a write of it failed; write to a new path",
    )
}

impl oio::Write for BlobWriter {
    async fn write(&mut self, buffer: Buffer) -> Result<()> {
        let size = buffer.len() as u64;
        // Stays `Ended` if this future fails or is dropped.
        let mut upload = match mem::replace(&mut self.state, State::Ended) {
            State::Buffered(first) if first.is_empty() => {
                self.state = State::Buffered(buffer.to_bytes());
                self.size += size;
                return Ok(());
            }
            State::Buffered(first) => {
                let mut upload = self.backend.upload(self.id).await.map_err(failed)?;
                upload.write(first).await.map_err(failed)?;
                upload
            }
            State::Uploading(upload) => upload.into_inner().unwrap_or_else(PoisonError::into_inner),
            State::Ended => return Err(ended()),
        };
        for chunk in buffer {
            upload.write(chunk).await.map_err(failed)?;
        }
        self.size += size;
        self.state = State::Uploading(Mutex::new(upload));
        Ok(())
    }

    async fn close(&mut self) -> Result<Metadata> {
        let stored = match mem::replace(&mut self.state, State::Ended) {
            State::Buffered(bytes) => self.backend.store(self.id, bytes).await,
            State::Uploading(upload) => {
                let upload = upload.into_inner().unwrap_or_else(PoisonError::into_inner);
                upload.commit().await
            }
            State::Ended => return Err(ended()),
        };
        stored.map_err(failed)?;
        let mut metadata = MetadataBuilder::file(self.size);
        metadata.etag(format!("\"{}\"", self.id));
        Ok(metadata.build())
    }

    async fn abort(&mut self) -> Result<()> {
        match mem::replace(&mut self.state, State::Ended) {
            State::Uploading(upload) => {
                let upload = upload.into_inner().unwrap_or_else(PoisonError::into_inner);
                upload.abort().await.map_err(failed)
            }
            State::Buffered(_) | State::Ended => Ok(()),
        }
    }
}

impl fmt::Debug for BlobWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobWriter")
            .field("id", &self.id)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

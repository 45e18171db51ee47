//! An upload: gathers bytes and publishes them at the commit.

use std::sync::Arc;

use artifact_backend::{ArtifactId, Operation, Result, Upload};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};

use crate::error;
use crate::shared::Shared;

/// An upload in progress. Dropping it frees its room.
pub(crate) struct MemUpload {
    shared: Arc<Shared>,
    id: ArtifactId,
    bytes: BytesMut,
    /// The room reserved for `bytes`; zero after they are published.
    reserved: u64,
    broken: bool,
}

impl MemUpload {
    pub(crate) fn new(shared: Arc<Shared>, id: ArtifactId) -> Self {
        Self {
            shared,
            id,
            bytes: BytesMut::new(),
            reserved: 0,
            broken: false,
        }
    }
}

#[async_trait]
impl Upload for MemUpload {
    fn expect_size(&mut self, _bytes: u64) {
        // Memory is allocated for bytes that arrive, because the announced size may be wrong.
    }

    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        if self.broken {
            return Err(error::broken_upload(Operation::Write, self.id));
        }
        let wanted = bytes.len() as u64;
        let reserved = self
            .shared
            .lock()
            .reserve(Operation::Write, self.id, wanted);
        if let Err(error) = reserved {
            self.broken = true;
            return Err(error);
        }
        self.reserved += wanted;
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }

    async fn commit(mut self: Box<Self>) -> Result<()> {
        if self.broken {
            return Err(error::broken_upload(Operation::Commit, self.id));
        }
        let bytes = std::mem::take(&mut self.bytes).freeze();
        let now = self.shared.now();
        self.shared
            .lock()
            .publish(Operation::Commit, self.id, bytes, now)?;
        // The room now belongs to the blob.
        self.reserved = 0;
        Ok(())
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

impl Drop for MemUpload {
    fn drop(&mut self) {
        if self.reserved > 0 {
            self.shared.lock().release(self.reserved);
        }
    }
}

impl std::fmt::Debug for MemUpload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemUpload")
            .field("id", &self.id)
            .field("bytes", &self.bytes.len())
            .field("broken", &self.broken)
            .finish_non_exhaustive()
    }
}

//! Uploads of a tenant.

use artifact_backend::{ArtifactId, Operation, Result, Upload};
use async_trait::async_trait;
use bytes::Bytes;

use crate::layered::broken_upload;
use crate::tenant::HEADER;

/// An upload that writes the id before the bytes.
#[derive(Debug)]
pub(crate) struct TenantUpload {
    id: ArtifactId,
    inner: Box<dyn Upload>,
    /// Whether the header is written.
    begun: bool,
    /// Whether a write failed or was dropped. If it was dropped before the chunk, the inner upload does not know
    /// of it.
    broken: bool,
}

impl TenantUpload {
    pub(crate) fn new(id: ArtifactId, inner: Box<dyn Upload>) -> Self {
        Self {
            id,
            inner,
            begun: false,
            broken: false,
        }
    }

    fn check_whole(&self, operation: Operation) -> Result<()> {
        if self.broken {
            return Err(broken_upload(operation, self.id));
        }
        Ok(())
    }

    async fn begin(&mut self) -> Result<()> {
        if !self.begun {
            let header = Bytes::copy_from_slice(self.id.as_bytes());
            self.inner.write(header).await?;
            self.begun = true;
        }
        Ok(())
    }

    async fn write_inner(&mut self, bytes: Bytes) -> Result<()> {
        self.begin().await?;
        self.inner.write(bytes).await
    }
}

#[async_trait]
impl Upload for TenantUpload {
    fn expect_size(&mut self, bytes: u64) {
        self.inner.expect_size(bytes.saturating_add(HEADER));
    }

    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.check_whole(Operation::Write)?;
        // Reset at the end, because this future may be dropped at any await point.
        self.broken = true;
        let written = self.write_inner(bytes).await;
        written.map_err(|error| error.with_id(self.id))?;
        self.broken = false;
        Ok(())
    }

    async fn commit(mut self: Box<Self>) -> Result<()> {
        self.check_whole(Operation::Commit)?;
        let id = self.id;
        self.begin().await.map_err(|error| error.with_id(id))?;
        self.inner.commit().await.map_err(|error| error.with_id(id))
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        let id = self.id;
        self.inner.abort().await.map_err(|error| error.with_id(id))
    }
}

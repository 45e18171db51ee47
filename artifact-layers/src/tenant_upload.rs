//! Uploads of a tenant.

use artifact_backend::{ArtifactId, Result, Upload};
use async_trait::async_trait;
use bytes::Bytes;

use crate::tenant::HEADER;

/// An upload that writes the id before the bytes.
///
/// It has no await point between its calls of the inner upload, so a dropped write breaks the inner upload.
#[derive(Debug)]
pub(crate) struct TenantUpload {
    id: ArtifactId,
    inner: Box<dyn Upload>,
    /// Whether the header is written.
    begun: bool,
}

impl TenantUpload {
    pub(crate) fn new(id: ArtifactId, inner: Box<dyn Upload>) -> Self {
        Self {
            id,
            inner,
            begun: false,
        }
    }

    async fn begin(&mut self) -> Result<()> {
        if !self.begun {
            let header = Bytes::copy_from_slice(self.id.as_bytes());
            let written = self.inner.write(header).await;
            written.map_err(|error| error.with_id(self.id))?;
            self.begun = true;
        }
        Ok(())
    }
}

#[async_trait]
impl Upload for TenantUpload {
    fn expect_size(&mut self, bytes: u64) {
        self.inner.expect_size(bytes.saturating_add(HEADER));
    }

    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.begin().await?;
        let written = self.inner.write(bytes).await;
        written.map_err(|error| error.with_id(self.id))
    }

    async fn commit(mut self: Box<Self>) -> Result<()> {
        self.begin().await?;
        let Self { id, inner, .. } = *self;
        inner.commit().await.map_err(|error| error.with_id(id))
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        let Self { id, inner, .. } = *self;
        inner.abort().await.map_err(|error| error.with_id(id))
    }
}

//! An upload that encrypts on its way.

use std::fmt;

use artifact_backend::{ArtifactId, Operation, Result, Upload};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};

use crate::error;
use crate::message::{self, CHUNK};
use crate::seal::Sealer;

/// The plain bytes that are encrypted in one step. A step of this size keeps a thread for less than a millisecond.
pub(crate) const STEP: usize = 16 * CHUNK;

/// An upload in progress. It holds less than one chunk of plain bytes, and the encrypted bytes of one step.
pub(crate) struct EncryptedUpload {
    inner: Box<dyn Upload>,
    sealer: Sealer,
    id: ArtifactId,
    broken: bool,
}

impl EncryptedUpload {
    pub(crate) fn new(inner: Box<dyn Upload>, sealer: Sealer, id: ArtifactId) -> Self {
        Self {
            inner,
            sealer,
            id,
            broken: false,
        }
    }
}

#[async_trait]
impl Upload for EncryptedUpload {
    fn expect_size(&mut self, bytes: u64) {
        self.inner
            .expect_size(message::sealed_size(bytes).unwrap_or(bytes));
    }

    async fn write(&mut self, mut bytes: Bytes) -> Result<()> {
        if self.broken {
            return Err(error::broken_upload(Operation::Write, self.id));
        }
        // Until everything is written: a dropped future leaves the upload broken.
        self.broken = true;
        while !bytes.is_empty() {
            let step = bytes.split_to(bytes.len().min(STEP));
            let mut sealed = BytesMut::with_capacity(self.sealer.room(step.len()));
            let updated = self.sealer.update(&step, &mut sealed);
            updated.map_err(|_| error::too_large(Operation::Write, self.id))?;
            drop(step);
            if !sealed.is_empty() {
                self.inner.write(sealed.freeze()).await?;
            }
        }
        self.broken = false;
        Ok(())
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        let Self {
            mut inner,
            sealer,
            id,
            broken,
        } = *self;
        if broken {
            return Err(error::broken_upload(Operation::Commit, id));
        }
        let mut sealed = BytesMut::with_capacity(sealer.room(0));
        sealer.finish(&mut sealed);
        inner.write(sealed.freeze()).await?;
        inner.commit().await
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        self.inner.abort().await
    }
}

impl fmt::Debug for EncryptedUpload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncryptedUpload")
            .field("inner", &self.inner)
            .field("broken", &self.broken)
            .finish_non_exhaustive()
    }
}

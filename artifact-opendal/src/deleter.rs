//! Deletes blobs.

use std::sync::Arc;

use artifact_backend::ArtifactInventory;
use opendal_core::Result;
use opendal_core::raw::{OpDelete, oio};

use crate::error::failed;
use crate::path::id_of;

/// Deletes one blob after the other.
#[derive(Debug)]
pub struct BlobDeleter {
    backend: Arc<dyn ArtifactInventory>,
}

impl BlobDeleter {
    pub(crate) fn new(backend: Arc<dyn ArtifactInventory>) -> Self {
        Self { backend }
    }
}

impl oio::OneShotDelete for BlobDeleter {
    async fn delete_once(&self, path: String, _: OpDelete) -> Result<()> {
        match id_of(&path) {
            Some(id) => self.backend.delete(id).await.map_err(failed),
            // Nothing can be stored there, and deleting an absent path succeeds.
            None => Ok(()),
        }
    }
}

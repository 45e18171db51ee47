//! An open backend.

use std::sync::Arc;

use artifact_backend::{ArtifactBackend, ArtifactInventory, Result};

use crate::backend_url::BackendUrl;

/// An open backend, for request paths and for maintenance. A clone shares the same backend.
#[derive(Debug, Clone)]
pub struct Backend {
    inventory: Arc<dyn ArtifactInventory>,
}

impl Backend {
    /// Wraps any backend.
    pub fn new(inventory: Arc<dyn ArtifactInventory>) -> Self {
        Self { inventory }
    }

    /// Opens the backend that a URL or a bare path names, with the default options; see [`BackendUrl`]
    /// for the forms.
    ///
    /// # Errors
    ///
    /// As [`BackendUrl::parse`] and [`BackendUrl::open`].
    pub async fn from_url(text: &str) -> Result<Self> {
        BackendUrl::parse(text)?.open().await
    }

    /// Returns the backend for request paths, which cannot list or delete.
    pub fn backend(&self) -> Arc<dyn ArtifactBackend> {
        Arc::clone(&self.inventory) as Arc<dyn ArtifactBackend>
    }

    /// Returns the backend for maintenance.
    pub fn inventory(&self) -> Arc<dyn ArtifactInventory> {
        Arc::clone(&self.inventory)
    }

    /// Checks that the storage has the properties that the backend relies on; see
    /// [`ArtifactInventory::probe`]. A folder answers whether it still acknowledges stores. A bucket
    /// gets about 100 small requests.
    ///
    /// # Errors
    ///
    /// The backend's own: `Misconfigured`, with the property that is missing, if the bucket must not be
    /// used; `Unexpected` if a sync of the folder has failed; others, such as `Unavailable`, if the check
    /// could not be done.
    pub async fn probe(&self) -> Result<()> {
        self.inventory.probe().await
    }

    /// Waits until background work of dropped uploads is over, as far as the storage can be reached. In a
    /// bucket it removes their parts. Call it before the runtime ends; a later sweep removes what is left.
    pub async fn close(&self) {
        self.inventory.close().await;
    }
}

//! The trait of a program that opens backends by their URLs.

use std::fmt::Debug;
use std::sync::Arc;

use artifact_backend::{ArtifactInventory, Result};
use async_trait::async_trait;

/// Opens the backends that a [`Placement`](super::Placement) names, with the credentials and options of this program.
#[async_trait]
pub trait OpenBackend: Debug + Send + Sync + 'static {
    /// Opens the backend with this URL. A folder or bucket that does not exist is an error, and is not created.
    ///
    /// # Errors
    ///
    /// The backend's own. The store tries again when it next needs the backend.
    async fn open(&self, url: &str) -> Result<Arc<dyn ArtifactInventory>>;
}

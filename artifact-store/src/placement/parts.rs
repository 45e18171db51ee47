//! The backends behind a placed backend.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use artifact_backend::ArtifactInventory;
use artifact_layers::MovingBackend;
use artifact_open::BackendUrl;

/// The backends that are used now, each for itself.
#[derive(Debug)]
pub(crate) struct PlacedParts {
    /// The one that blobs are stored in.
    pub(crate) current: Arc<dyn ArtifactInventory>,
    /// The one that blobs are still moved from.
    pub(crate) previous: Option<Arc<dyn ArtifactInventory>>,
    /// The folder of `current`, if it is one on this machine.
    pub(crate) folder: Option<PathBuf>,
}

impl PlacedParts {
    pub(super) fn new(
        url: &str,
        current: Arc<dyn ArtifactInventory>,
        previous: Option<Arc<dyn ArtifactInventory>>,
    ) -> Self {
        // Only the program knows the schemes that it has registered.
        let url = BackendUrl::parse(url).ok();
        let folder = url.and_then(|url| url.path().map(Path::to_path_buf));
        Self {
            current,
            previous,
            folder,
        }
    }

    /// Returns the backend, or the two as one.
    pub(super) fn backend(&self) -> Arc<dyn ArtifactInventory> {
        let current = Arc::clone(&self.current);
        match &self.previous {
            None => current,
            Some(previous) => Arc::new(MovingBackend::new(current, Arc::clone(previous))),
        }
    }
}

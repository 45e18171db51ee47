//! The metrics of the backends that the settings name.

use std::sync::Arc;

use artifact_backend::{ArtifactInventory, Layer as _};
use artifact_layers::Metrics;
use artifact_store::{Backend, BackendUrl};

/// Adds the layer that measures each call. `url` decides about the label `backend`.
pub(crate) fn with_metrics(url: &BackendUrl, backend: &Backend) -> Backend {
    let layered: Arc<dyn ArtifactInventory> =
        Arc::new(Metrics::new(label(url)).layer(backend.inventory()));
    Backend::new(layered)
}

/// Returns the label, which is that of the metrics inside the backend too.
fn label(url: &BackendUrl) -> &'static str {
    match url.scheme() {
        "file" => "fs",
        "pack" => "pack",
        "mem" => "mem",
        _ => "bucket",
    }
}

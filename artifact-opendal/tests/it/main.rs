//! Tests of the service: refusals, reads against opendal's own memory service, writers, lists.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod lists;
mod reads;
mod refusals;
mod writers;

use artifact_backend_conformance::FaultBackend;
use artifact_backend_mem::MemBackend;
use artifact_opendal::{ArtifactBuilder, new_path};
use opendal_core::Operator;

/// An operator on a backend that fails on demand.
fn world() -> (FaultBackend, Operator) {
    let backend = FaultBackend::new(MemBackend::default());
    let operator = Operator::new(ArtifactBuilder::new(backend.clone())).unwrap();
    (backend, operator)
}

/// Writes a new blob and returns its path.
async fn written(operator: &Operator, bytes: &'static str) -> String {
    let path = new_path();
    let write = operator.write_with(&path, bytes).if_not_exists(true);
    write.await.unwrap();
    path
}

//! Does the store keep what this backend is built on? It is asked to break it.

use std::sync::Arc;

use artifact_backend::{Operation, Result};

use crate::core::Core;

/// What a store that passed the probe can do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProbeReport {
    /// The store keeps metadata, so that every outcome in doubt can be cleared up.
    pub keeps_metadata: bool,
}

pub(crate) async fn probe(core: &Arc<Core>) -> Result<ProbeReport> {
    core.look_at_bucket()
        .await
        .map_err(|trouble| trouble.into_error(Operation::Open, None))?;
    Ok(ProbeReport {
        keeps_metadata: core.keeps_marks(Operation::Open).await?,
    })
}

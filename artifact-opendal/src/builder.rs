//! The builder of the service.

use std::sync::Arc;

use artifact_backend::ArtifactInventory;
use opendal_core::raw::Service;
use opendal_core::{Builder, Error, ErrorKind, Result};

use crate::service::ArtifactService;

/// Builds the service for `Operator::new`. It has no settings but the backend, which is open already.
#[derive(Debug, Default)]
pub struct ArtifactBuilder {
    backend: Option<Arc<dyn ArtifactInventory>>,
}

impl ArtifactBuilder {
    /// Takes the backend. Operators and other users of the backend can share it in an `Arc`.
    pub fn new(backend: impl ArtifactInventory) -> Self {
        Self {
            backend: Some(Arc::new(backend)),
        }
    }
}

impl Builder for ArtifactBuilder {
    type Config = ();

    fn build(self) -> Result<impl Service> {
        match self.backend {
            Some(backend) => Ok(ArtifactService::new(backend)),
            None => Err(Error::new(
                ErrorKind::ConfigInvalid,
                "the service has no backend: create it with ArtifactBuilder::new",
            )),
        }
    }
}

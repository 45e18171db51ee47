//! What all connections of a server share.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};

use crate::config::ServerConfig;
use crate::hooks::Hooks;
use crate::metrics::ServerMetrics;
use crate::rejection::Rejection;

#[derive(Debug)]
pub(crate) struct ServerState {
    pub(crate) config: ServerConfig,
    pub(crate) hooks: Arc<dyn Hooks>,
    pub(crate) metrics: ServerMetrics,
}

impl ServerState {
    /// Returns the response to a request that the server rejects, and counts it.
    pub(crate) fn reject(
        &self,
        rejection: Rejection,
        request: Option<&Request<()>>,
    ) -> Response<Bytes> {
        self.metrics.count_rejection(rejection);
        self.hooks.reject(rejection, request)
    }
}

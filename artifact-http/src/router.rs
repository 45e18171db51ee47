//! Builds the axum router with all endpoints.

use std::sync::{Arc, OnceLock};

use artifact_store::ArtifactStore;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::Request;

use crate::artifact_fields::ArtifactFieldsCache;
use crate::authenticate::Authenticate;
use crate::concurrency_limiter::ConcurrencyLimiter;
use crate::config::HttpConfig;
use crate::dispatch;
use crate::identity_authenticator::IdentityAuthenticator;
use crate::service::HttpService;

/// The state that every request shares.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) store: ArtifactStore,
    pub(crate) authenticate: Arc<dyn Authenticate>,
    pub(crate) identities: Option<Arc<IdentityAuthenticator>>,
    pub(crate) config: HttpConfig,
    pub(crate) uploads: Arc<ConcurrencyLimiter>,
    pub(crate) fetches: Arc<ConcurrencyLimiter>,
    pub(crate) lists: Arc<ConcurrencyLimiter>,
    pub(crate) fields: ArtifactFieldsCache,
    /// The OpenAPI document, made by the first request for it.
    pub(crate) document: OnceLock<Bytes>,
}

/// Creates a router that answers every path: the artifact endpoints under the base path `/v0`, `/healthz`,
/// `/openapi.json`, and a problem for everything else. The authenticator manages identities, so
/// this router has no worker or group endpoints.
///
/// Mount it with [`Router::nest`] under a path of another app, or merge it into an app that has no
/// fallback. The caller is responsible for sockets, time-outs and connection limits. A program that
/// serves nothing else uses [`HttpService`].
pub fn router(
    store: ArtifactStore,
    authenticate: Arc<dyn Authenticate>,
    config: HttpConfig,
) -> Router {
    build(HttpService::new(store, authenticate, config))
}

/// Creates a router like [`router`] that also has the worker and group endpoints. The identities
/// must be in the same database as the store's catalog.
pub fn router_with_identities(
    store: ArtifactStore,
    identities: Arc<IdentityAuthenticator>,
    config: HttpConfig,
) -> Router {
    build(HttpService::with_identities(store, identities, config))
}

/// One fallback for all paths keeps the order of checks the same on known and unknown ones.
fn build(service: HttpService) -> Router {
    Router::new().fallback(answer).with_state(service.shared)
}

async fn answer(State(service): State<Arc<Service>>, request: Request<Body>) -> Response {
    dispatch::serve(&service, request).await
}

//! Builds the axum router with all endpoints.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use artifact_store::{ArtifactStore, Uploads};
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use axum::routing::any;
use bytes::Bytes;
use http::Request;

use crate::api::Api;
use crate::artifact_fields::ArtifactFieldsCache;
use crate::authenticate::Authenticate;
use crate::concurrency_limiter::ConcurrencyLimiter;
use crate::config::HttpConfig;
use crate::dispatch;
use crate::endpoint::{Endpoint, NAME};
use crate::identity_authenticator::IdentityAuthenticator;
use crate::metrics::HttpMetrics;
use crate::rate_limiter::RateLimiter;
use crate::service::HttpService;

/// The state that every request shares.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) store: ArtifactStore,
    pub(crate) authenticate: Arc<dyn Authenticate>,
    pub(crate) identities: Option<Arc<IdentityAuthenticator>>,
    pub(crate) config: HttpConfig,
    pub(crate) uploads: Arc<ConcurrencyLimiter>,
    /// The resumable uploads. `None` without management.
    pub(crate) sessions: Option<Uploads>,
    pub(crate) fetches: Arc<ConcurrencyLimiter>,
    pub(crate) lists: Arc<ConcurrencyLimiter>,
    pub(crate) rates: Option<RateLimiter>,
    pub(crate) fields: ArtifactFieldsCache,
    /// The OpenAPI document, made by the first request for it.
    pub(crate) document: OnceLock<Bytes>,
    /// Set once the paths are known.
    pub(crate) metrics: OnceLock<HttpMetrics>,
}

impl Service {
    /// Returns whether this router has the endpoint.
    pub(crate) fn serves(&self, endpoint: &Endpoint) -> bool {
        (self.identities.is_some() || !endpoint.needs_identities())
            && (self.config.managed().is_some() || !endpoint.needs_management())
            && (self.config.sharing().is_some() || !endpoint.needs_sharing())
            && (self.config.links || !endpoint.needs_links())
            && (self.config.collections().is_some() || !endpoint.needs_collections())
            && (self.config.receipts.is_some() || !endpoint.needs_receipts())
    }

    /// Returns whether requests for a path may use HTTP Basic: those of management, if the credentials are those of the
    /// wire binding.
    pub(crate) fn accepts_basic(&self, path: &str) -> bool {
        self.config.auth_scheme.accepts_basic()
            && matches!(self.config.find_api(path), Some((Api::Management, _)))
    }

    /// Returns the template of an endpoint with the base path of this router.
    pub(crate) fn template(&self, endpoint: &Endpoint) -> &'static str {
        self.config
            .base_path_of(endpoint.api())
            .template(endpoint.path)
    }
}

/// Creates a router that answers every path: the artifact endpoints under the base path `/v0`, `/healthz`,
/// `/openapi.json`, and a problem for everything else. With [`HttpConfig::with_management`] it also has the endpoints of
/// management under `/v1`, and with [`HttpConfig::with_readiness`] `/readyz`. The authenticator manages identities, so
/// this router has no worker or group endpoints.
///
/// Mount it with [`Router::nest`] under a path of another app, or merge it into an app that has no
/// fallback. `S` is the state of that app, which the endpoints do not use. An app that has its own `get("/healthz")`
/// keeps it.
///
/// Middleware finds axum's `MatchedPath` in the requests of all endpoints, for example
/// `/files/v0/experiments/{E}/artifacts`. Layers of tower-http may run outside:
///
/// - Below a compression layer set [`HttpConfig::below_layers`], so that it passes on fetches as they are.
/// - A body that reaches the limit of a limit layer is a 413, one that a body time-out ends is a 408. Both are problems.
/// - A layer that answers by itself does not know problems. Add [`ProblemLayer`](crate::ProblemLayer) outside it.
///
/// The caller is responsible for sockets, time-outs and connection limits. A program that
/// serves nothing else uses [`HttpService`].
pub fn router<S>(
    store: ArtifactStore,
    authenticate: Arc<dyn Authenticate>,
    config: HttpConfig,
) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    build(HttpService::new(store, authenticate, config))
}

/// Creates a router like [`router`] that also has the worker and group endpoints. The identities
/// must be in the same database as the store's catalog.
pub fn router_with_identities<S>(
    store: ArtifactStore,
    identities: Arc<IdentityAuthenticator>,
    config: HttpConfig,
) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    build(HttpService::with_identities(store, identities, config))
}

/// One handler for all paths and methods keeps the order of checks the same on known and unknown ones. The paths are
/// only listed so that axum sets `MatchedPath`.
fn build<S>(service: HttpService) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let paths: BTreeSet<_> = service.paths().collect();
    paths
        .into_iter()
        .fold(Router::new(), |router, path| {
            // axum's form of a parameter that may have slashes.
            let path = path.replace(NAME, "{*F}");
            router.route(&path, any(answer))
        })
        .fallback(answer)
        .with_state(service.shared)
}

async fn answer(State(service): State<Arc<Service>>, request: Request<Body>) -> Response {
    dispatch::serve(&service, request).await
}

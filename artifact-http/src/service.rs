//! The endpoints as a tower service, without axum's router.

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use artifact_backend::BoxError;
use artifact_store::{ArtifactStore, Uploads};
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::Request;

use crate::artifact_fields::ArtifactFieldsCache;
use crate::authenticate::Authenticate;
use crate::concurrency_limiter::ConcurrencyLimiter;
use crate::config::HttpConfig;
use crate::endpoint::has_path;
use crate::endpoints::endpoints;
use crate::identity_authenticator::IdentityAuthenticator;
use crate::metrics::HttpMetrics;
use crate::rate_limiter::RateLimiter;
use crate::router::Service;
use crate::{dispatch, health, openapi, readiness, receipts};

/// A tower service that answers every path as [`router`](crate::router()) does. Clones share their state.
///
/// For programs that serve nothing else: it calls the endpoints directly, which saves the router's part of
/// each request. A program with layers around it sets [`HttpConfig::below_layers`].
#[derive(Debug, Clone)]
pub struct HttpService {
    pub(crate) shared: Arc<Service>,
}

impl HttpService {
    /// Creates a service without worker and group endpoints.
    pub fn new(
        store: ArtifactStore,
        authenticate: Arc<dyn Authenticate>,
        config: HttpConfig,
    ) -> Self {
        Self::build(store, authenticate, None, config)
    }

    /// Creates a service with the worker and group endpoints. The identities must be in the same
    /// database as the store's catalog.
    pub fn with_identities(
        store: ArtifactStore,
        identities: Arc<IdentityAuthenticator>,
        config: HttpConfig,
    ) -> Self {
        let authenticate: Arc<dyn Authenticate> = identities.clone();
        Self::build(store, authenticate, Some(identities), config)
    }

    /// Returns the template of the endpoint that a path belongs to, such as `/v0/experiments/{E}/artifacts`, or `None`
    /// for an unknown path. For metrics: axum's `MatchedPath` without axum. Ids in the path are not checked.
    ///
    /// After a response, [`RequestInfo`](crate::RequestInfo) has it too, except for requests that were refused before
    /// routing.
    pub fn matched_path(&self, path: &str) -> Option<&'static str> {
        self.paths().find(|template| has_path(template, path))
    }

    /// Returns the templates of all endpoints; one with several methods occurs several times.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &'static str> + use<'_> {
        let served = endpoints()
            .iter()
            .filter(|endpoint| self.shared.serves(endpoint));
        let served = served.map(|endpoint| self.shared.template(endpoint));
        let served = served.chain([health::PATH, openapi::PATH]);
        let is_checked = self.shared.config.readiness.is_some();
        let served = served.chain(is_checked.then_some(readiness::PATH));
        let served = served.chain(receipts::paths(&self.shared.config));
        #[cfg(feature = "page")]
        let served = {
            let has_page = self.shared.config.has_page();
            served.chain(crate::page::paths().filter(move |_| has_page))
        };
        served
    }

    fn build(
        store: ArtifactStore,
        authenticate: Arc<dyn Authenticate>,
        identities: Option<Arc<IdentityAuthenticator>>,
        config: HttpConfig,
    ) -> Self {
        let config = config.join();
        let uploads = ConcurrencyLimiter::of_uploads(&config);
        let fetches = ConcurrencyLimiter::of_fetches(&config);
        let lists = ConcurrencyLimiter::of_lists(&config);
        let rates = config.request_rate.map(RateLimiter::new);
        let managed = config.managed().cloned();
        let sessions = managed.map(|managed| Uploads::new(managed, config.uploads.clone()));
        let shared = Arc::new(Service {
            store,
            authenticate,
            identities,
            config,
            uploads,
            sessions,
            fetches,
            lists,
            rates,
            fields: ArtifactFieldsCache::default(),
            document: OnceLock::new(),
            metrics: OnceLock::new(),
        });
        let service = Self { shared };
        let metrics = HttpMetrics::new(service.paths());
        // The first and only value.
        let _ = service.shared.metrics.set(metrics);
        service
    }
}

impl<B> tower::Service<Request<B>> for HttpService
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let service = Arc::clone(&self.shared);
        let request = request.map(|body| {
            if body.is_end_stream() {
                Body::empty()
            } else {
                Body::new(body)
            }
        });
        Box::pin(async move { Ok(dispatch::serve(&service, request).await) })
    }
}

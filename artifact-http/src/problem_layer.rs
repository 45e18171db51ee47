//! Turns the error responses of other layers into problems.

use std::sync::Arc;
use std::task::{Context, Poll};

use artifact_backend::BoxError;
use axum::body::Body;
use axum::extract::OriginalUri;
use axum::response::Response;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_LOCATION,
    CONTENT_TYPE, ETAG, HOST, LAST_MODIFIED, RETRY_AFTER, TRANSFER_ENCODING, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};

use crate::config::HttpConfig;
use crate::problem::{Problem, ProblemType};
use crate::{instance, response};

/// A tower layer that turns every error response that is no problem (RFC 9457) into one.
///
/// Layers that answer by themselves, such as tower-http's `RequestBodyLimitLayer` for a `Content-Length` over its limit
/// and `TimeoutLayer`, do not know the form of the API's errors. Add this layer outside them, and around the endpoints
/// only:
///
/// ```
/// # use std::{sync::Arc, time::Duration};
/// # use artifact_http::{AdminToken, HttpConfig, ProblemLayer};
/// # use artifact_store::ArtifactStore;
/// # use tower_http::{limit::RequestBodyLimitLayer, timeout::TimeoutLayer};
/// # use http::StatusCode;
/// # fn mount(store: ArtifactStore, admin: AdminToken) -> axum::Router {
/// let config = HttpConfig::default();
/// artifact_http::router(store, Arc::new(admin), config.clone())
///     .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, Duration::from_secs(60)))
///     .layer(RequestBodyLimitLayer::new(100 << 20))
///     .layer(ProblemLayer::new(config))
/// # }
/// ```
///
/// Header fields that do not describe the replaced content are kept, such as `Retry-After`.
#[derive(Debug, Clone)]
pub struct ProblemLayer {
    config: Arc<HttpConfig>,
}

impl ProblemLayer {
    /// Creates the layer. The settings must be those of the endpoints.
    pub fn new(config: HttpConfig) -> Self {
        Self {
            config: Arc::new(config),
        }
    }
}

impl<S> tower::Layer<S> for ProblemLayer {
    type Service = ProblemService<S>;

    fn layer(&self, inner: S) -> ProblemService<S> {
        ProblemService {
            inner,
            config: Arc::clone(&self.config),
        }
    }
}

/// The service of [`ProblemLayer`].
#[derive(Debug, Clone)]
pub struct ProblemService<S> {
    inner: S,
    config: Arc<HttpConfig>,
}

impl<S, B, C> tower::Service<Request<B>> for ProblemService<S>
where
    S: tower::Service<Request<B>, Response = http::Response<C>, Future: Send + 'static>,
    C: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let target = target_of(&request);
        let config = Arc::clone(&self.config);
        let answer = self.inner.call(request);
        Box::pin(async move {
            let response = answer.await?.map(Body::new);
            if !is_foreign_error(&response) {
                return Ok(response);
            }
            let problem = of_status(response.status());
            let mut answer = problem.respond(&instance::of(&target, &config), &config);
            keep_fields(response.headers(), answer.headers_mut());
            add_retry_after(answer.status(), answer.headers_mut());
            *answer.extensions_mut() = response.into_parts().0.extensions;
            if *target.method() == Method::HEAD {
                *answer.body_mut() = response::no_content(&answer);
            }
            Ok(answer)
        })
    }
}

/// Copies what [`instance::of`] needs of a request.
fn target_of<B>(request: &Request<B>) -> Request<()> {
    let mut target = Request::new(());
    *target.method_mut() = request.method().clone();
    *target.uri_mut() = request.uri().clone();
    if let Some(host) = request.headers().get(HOST) {
        target.headers_mut().insert(HOST, host.clone());
    }
    if let Some(original) = request.extensions().get::<OriginalUri>() {
        target.extensions_mut().insert(original.clone());
    }
    target
}

fn is_foreign_error(response: &Response) -> bool {
    let is_error = response.status().is_client_error() || response.status().is_server_error();
    let content_type = response.headers().get(CONTENT_TYPE);
    let is_problem = content_type.is_some_and(|content_type| {
        content_type
            .as_bytes()
            .starts_with(b"application/problem+json")
    });
    is_error && !is_problem
}

fn of_status(status: StatusCode) -> Problem {
    match status {
        StatusCode::BAD_REQUEST => Problem::bad_request("the request is not valid"),
        StatusCode::UNAUTHORIZED => Problem::unauthorized(),
        StatusCode::FORBIDDEN => {
            Problem::new(ProblemType::Forbidden, "the server does not allow this")
        }
        StatusCode::NOT_FOUND => Problem::no_such_path(),
        StatusCode::REQUEST_TIMEOUT => Problem::slow(),
        StatusCode::PAYLOAD_TOO_LARGE => {
            let detail = "the body is larger than this server accepts";
            Problem::new(ProblemType::PayloadTooLarge, detail)
        }
        StatusCode::INTERNAL_SERVER_ERROR => {
            Problem::internal("a layer outside the endpoints failed")
        }
        status if status.is_server_error() => {
            Problem::plain(status, "the server cannot do this now; try again")
        }
        status => Problem::plain(status, "the server refuses the request"),
    }
}

/// Copies the fields of the replaced response that do not describe its content.
fn keep_fields(replaced: &HeaderMap, problem: &mut HeaderMap) {
    const DESCRIPTIVE: [HeaderName; 9] = [
        CACHE_CONTROL,
        CONTENT_ENCODING,
        CONTENT_LANGUAGE,
        CONTENT_LENGTH,
        CONTENT_LOCATION,
        CONTENT_TYPE,
        ETAG,
        LAST_MODIFIED,
        TRANSFER_ENCODING,
    ];
    // The layer knows better how to authenticate.
    if replaced.contains_key(WWW_AUTHENTICATE) {
        problem.remove(WWW_AUTHENTICATE);
    }
    for (name, value) in replaced {
        if !DESCRIPTIVE.contains(name) {
            problem.append(name.clone(), value.clone());
        }
    }
}

/// A 429 and a 503 say when to try again.
fn add_retry_after(status: StatusCode, headers: &mut HeaderMap) {
    if status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::SERVICE_UNAVAILABLE {
        let later = HeaderValue::from_static("1");
        headers.entry(RETRY_AFTER).or_insert(later);
    }
}

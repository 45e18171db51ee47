//! What the embedder adds to the server: error responses in its own format, labels for the request log.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{Extensions, HeaderMap, HeaderValue, Request, Response};
use tracing::Span;

use crate::rejection::Rejection;

/// Customizes the responses that the server gives by itself, and the request log.
pub trait Hooks: fmt::Debug + Send + Sync + 'static {
    /// Returns the response to a request that the server rejects before it reaches the service.
    ///
    /// `request` holds the URI and the `Host` header. It is `None` if the server did not receive a
    /// complete request. The server sets `Connection: close`, `Content-Length` and `Date` itself.
    fn reject(&self, rejection: Rejection, request: Option<&Request<()>>) -> Response<Bytes> {
        let _ = request;
        let mut response = Response::new(Bytes::from_static(rejection.message().as_bytes()));
        *response.status_mut() = rejection.status();
        let headers = response.headers_mut();
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        headers.insert(CONTENT_TYPE, text);
        if rejection == Rejection::TooManyConnections {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }

    /// Is called with each request before the service, which then finds what this adds to the extensions. `peer` is the address of
    /// the other end of the connection: that of the client or of a proxy, or `None` for a Unix socket.
    fn prepare(&self, peer: Option<IpAddr>, request: &mut Extensions) {
        let _ = (peer, request);
    }

    /// Is called with the span `http` of each request before it is entered. A program that sends its spans elsewhere can give it the
    /// parent that the header fields name, such as `traceparent` (W3C Trace Context).
    fn begin_trace(&self, span: &Span, request: &HeaderMap) {
        let _ = (span, request);
    }

    /// Is called with the span `http` of a request whose route is known then. A program that sends its spans elsewhere can give it a
    /// name such as `GET /users/{id}`.
    fn name_trace(&self, span: &Span, method: &'static str, route: &str) {
        let _ = (span, method, route);
    }

    /// Returns what the request log says about the request, from the extensions of its response.
    fn labels(&self, response: &Extensions) -> RequestLabels {
        let _ = response;
        RequestLabels::default()
    }
}

/// Plain-text error responses and no labels.
#[derive(Debug, Clone, Copy, Default)]
pub struct DefaultHooks;

impl Hooks for DefaultHooks {}

/// What the embedder knows about a request, for the request log. No label may hold a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestLabels {
    /// The template of the path, such as `/users/{id}`; `-` if none matched.
    pub route: Cow<'static, str>,
    /// The authenticated caller.
    pub principal: Option<Cow<'static, str>>,
    /// The experiment, project or tenant of the request.
    pub experiment: Option<Cow<'static, str>>,
    /// The id of the artifact, or of what else the request is about.
    pub artifact: Option<Cow<'static, str>>,
}

impl Default for RequestLabels {
    fn default() -> Self {
        Self {
            route: Cow::Borrowed("-"),
            principal: None,
            experiment: None,
            artifact: None,
        }
    }
}

//! What the embedder adds to the server: error responses in its own format, labels for the request log.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{Extensions, HeaderValue, Request, Response};

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

/// What the embedder knows about a request, for the request log. Neither label may hold a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestLabels {
    /// The template of the path, such as `/users/{id}`; `-` if none matched.
    pub route: Cow<'static, str>,
    /// The authenticated caller.
    pub principal: Option<Cow<'static, str>>,
}

impl Default for RequestLabels {
    fn default() -> Self {
        Self {
            route: Cow::Borrowed("-"),
            principal: None,
        }
    }
}

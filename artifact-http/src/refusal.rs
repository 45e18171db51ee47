//! Responses that the server sends for requests that never reach the router.

use axum::response::Response;
use http::StatusCode;
use http::header::{CONNECTION, RETRY_AFTER};
use http::{HeaderValue, Request};

use crate::config::HttpConfig;
use crate::instance;
use crate::problem::{Problem, ProblemType};

/// A reason to refuse a request before it reaches the router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// 400: the bytes are no HTTP request.
    Malformed,
    /// 400: the request does not have exactly one valid `Host` field.
    InvalidHost,
    /// 400: the length of the body is ambiguous.
    AmbiguousFraming,
    /// 408: the request did not arrive in time.
    Slow,
    /// 413: the body is too large for any request.
    BodyTooLarge,
    /// 414: the path and query are too long.
    UriTooLong,
    /// 431: the header is too long or has too many fields.
    HeaderTooLarge,
    /// 500: a service panicked.
    Internal,
    /// 503 with `Retry-After`: too many connections are open.
    Busy,
}

impl Refusal {
    /// Returns the refusal with this status, if there is one.
    pub fn of_status(status: u16) -> Option<Self> {
        Some(match status {
            400 => Self::Malformed,
            408 => Self::Slow,
            413 => Self::BodyTooLarge,
            414 => Self::UriTooLong,
            431 => Self::HeaderTooLarge,
            _ => return None,
        })
    }

    /// Returns the response to a request. It has `Connection: close`, because bytes that follow may
    /// belong to the refused request. Remove that field over HTTP/2.
    pub fn answer<B>(self, request: &Request<B>, config: &HttpConfig) -> Response {
        self.respond(&instance::of(request, config), config)
    }

    /// Returns the response if no request could be parsed. Its `instance` is the server's own URL.
    pub fn answer_without_request(self, config: &HttpConfig) -> Response {
        self.respond(&instance::of(&Request::new(()), config), config)
    }

    fn respond(self, instance: &str, config: &HttpConfig) -> Response {
        let problem = match self {
            Self::Malformed => {
                Problem::new(ProblemType::BadRequest, "the request is not valid HTTP")
            }
            Self::InvalidHost => {
                Problem::bad_request("the request needs exactly one Host field with a valid value")
            }
            Self::AmbiguousFraming => Problem::bad_request(
                "the length of the body is ambiguous; send either Content-Length or \
                 Transfer-Encoding: chunked",
            ),
            Self::Slow => Problem::slow(),
            Self::BodyTooLarge => {
                Problem::new(ProblemType::PayloadTooLarge, "the body is too large")
            }
            Self::UriTooLong => {
                Problem::plain(StatusCode::URI_TOO_LONG, "the path and query are too long")
            }
            Self::HeaderTooLarge => Problem::plain(
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "the header is too long or has too many fields",
            ),
            Self::Internal => Problem::internal("a service panicked"),
            Self::Busy => Problem::plain(
                StatusCode::SERVICE_UNAVAILABLE,
                "the server has too many connections; try again",
            )
            .with_header(RETRY_AFTER, HeaderValue::from_static("1")),
        };
        let problem = problem.with_header(CONNECTION, HeaderValue::from_static("close"));
        problem.respond(instance, config)
    }
}

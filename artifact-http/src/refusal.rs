//! What the server around the router answers by itself, in the router's own words.

use axum::response::Response;
use http::StatusCode;
use http::header::{CONNECTION, RETRY_AFTER};
use http::{HeaderValue, Request};

use crate::config::HttpConfig;
use crate::instance;
use crate::problem::{Problem, ProblemType};

/// What a server refuses before a router sees it: a time-out, a limit, a request that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// 400: what came is no request.
    Malformed,
    /// 408: the request did not come in time.
    Slow,
    /// 414: the path and query are too long.
    UriTooLong,
    /// 431: the header is too long, or has too many fields.
    HeaderTooLarge,
    /// 500: something panicked.
    Internal,
    /// 503, with `Retry-After`: there are too many connections.
    Busy,
}

impl Refusal {
    /// The refusal of this status, where there is one.
    pub fn of_status(status: u16) -> Option<Self> {
        Some(match status {
            400 => Self::Malformed,
            408 => Self::Slow,
            414 => Self::UriTooLong,
            431 => Self::HeaderTooLarge,
            _ => return None,
        })
    }

    /// The answer to this request. It asks to have the connection closed, since what follows on it
    /// cannot be told from what was refused; over HTTP/2 that field has to be taken away.
    pub fn answer<B>(self, request: &Request<B>, config: &HttpConfig) -> Response {
        self.respond(&instance::of(request, config))
    }

    /// The answer where there is no request to speak of: `instance` is the server's own address.
    pub fn answer_without_request(self, config: &HttpConfig) -> Response {
        self.respond(&instance::of(&Request::new(()), config))
    }

    fn respond(self, instance: &str) -> Response {
        let problem = match self {
            Self::Malformed => Problem::new(ProblemType::BadRequest, "this is no request of HTTP"),
            Self::Slow => Problem::slow(),
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
                "there are too many connections; try again",
            )
            .with_header(RETRY_AFTER, HeaderValue::from_static("1")),
        };
        let problem = problem.with_header(CONNECTION, HeaderValue::from_static("close"));
        problem.respond(instance)
    }
}

//! The reason why the file of a request could not be received.

use std::error::Error;
use std::io;

use artifact_backend::BoxError;
use http::StatusCode;
use http_body_util::LengthLimitError;
use tower_http::timeout::TimeoutError;

use crate::digest_fields::MalformedDigest;

/// The reason why the file of a request could not be received. Its message is for the client: it reveals no internals.
#[derive(Debug, thiserror::Error)]
#[error("{detail}")]
pub struct ReceiveError {
    kind: ReceiveErrorKind,
    detail: String,
    source: Option<BoxError>,
}

/// What is wrong with a request that carries a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReceiveErrorKind {
    /// The form or a header field is malformed or missing: 400.
    Malformed,
    /// The bytes do not have the digest that the client declared: 400.
    DigestMismatch,
    /// The body ended early: 400.
    CutShort,
    /// The body did not arrive in time: 408.
    TimedOut,
    /// The body is larger than allowed: 413.
    TooLarge,
    /// The body has a content coding: 415.
    Encoded,
}

impl ReceiveError {
    pub(crate) fn new(kind: ReceiveErrorKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            source: None,
        }
    }

    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(ReceiveErrorKind::Malformed, detail)
    }

    /// Classifies the error that a request's body ended with, by the errors in its chain:
    ///
    /// | error | kind |
    /// |---|---|
    /// | `std::io::Error` of the kind `TimedOut` | [`TimedOut`](ReceiveErrorKind::TimedOut) |
    /// | `TimeoutError` of tower-http's `RequestBodyTimeoutLayer` | [`TimedOut`](ReceiveErrorKind::TimedOut) |
    /// | `LengthLimitError` of http-body-util, which tower-http's `RequestBodyLimitLayer` and axum's `DefaultBodyLimit` use | [`TooLarge`](ReceiveErrorKind::TooLarge) |
    /// | every other | [`CutShort`](ReceiveErrorKind::CutShort) |
    pub fn of_body(error: impl Into<BoxError>) -> Self {
        let source = error.into();
        let first: &(dyn Error + 'static) = &*source;
        let known = std::iter::successors(Some(first), |error| cause(*error)).find_map(kind_of);
        let kind = known.unwrap_or(ReceiveErrorKind::CutShort);
        let detail = match kind {
            ReceiveErrorKind::TimedOut => "the request did not arrive in time",
            ReceiveErrorKind::TooLarge => "the body is larger than this server accepts",
            _ => "the body was cut short",
        };
        Self::new(kind, detail).with_source(source)
    }

    fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Returns what is wrong.
    pub fn kind(&self) -> ReceiveErrorKind {
        self.kind
    }

    /// Returns the status of the response: 400, 408, 413 or 415.
    pub fn status(&self) -> StatusCode {
        match self.kind {
            ReceiveErrorKind::Malformed
            | ReceiveErrorKind::DigestMismatch
            | ReceiveErrorKind::CutShort => StatusCode::BAD_REQUEST,
            ReceiveErrorKind::TimedOut => StatusCode::REQUEST_TIMEOUT,
            ReceiveErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            ReceiveErrorKind::Encoded => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        }
    }
}

/// Returns the next error of a chain. The source of an `io::Error` is that of the error inside it, which would be left
/// out.
fn cause<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    let inner = error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref);
    inner.map_or_else(|| error.source(), |inner| Some(inner))
}

fn kind_of(error: &(dyn Error + 'static)) -> Option<ReceiveErrorKind> {
    let io = error.downcast_ref::<io::Error>();
    if io.is_some_and(|io| io.kind() == io::ErrorKind::TimedOut) || error.is::<TimeoutError>() {
        return Some(ReceiveErrorKind::TimedOut);
    }
    error
        .is::<LengthLimitError>()
        .then_some(ReceiveErrorKind::TooLarge)
}

impl From<MalformedDigest> for ReceiveError {
    fn from(error: MalformedDigest) -> Self {
        Self::malformed(error.to_string()).with_source(error)
    }
}

impl From<artifact_multipart::Error> for ReceiveError {
    fn from(error: artifact_multipart::Error) -> Self {
        Self::malformed(error.to_string()).with_source(error)
    }
}

//! The error of the client.

mod kind;
mod operation;

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use artifact_backend::error_repr::ErrorRepr;

pub use artifact_backend::BoxError;
pub use kind::ErrorKind;
pub use operation::Operation;

use crate::problem::Problem;

/// The result of a client operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation of the client failed.
///
/// `Display` prints this layer only: operation, kind, status and the server's explanation.
/// [`source`](std::error::Error::source) returns the underlying error. The error never contains the
/// credential.
pub struct Error(Box<ErrorRepr<ErrorKind, Operation, ResponseContext>>);

/// The response that an error is about.
#[derive(Debug, Default)]
struct ResponseContext {
    status: Option<u16>,
    problem: Option<Problem>,
    retry_after: Option<Duration>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, operation: Operation) -> Self {
        Self(ErrorRepr::new(kind, operation))
    }

    pub(crate) fn invalid_input(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::InvalidInput, Operation::Configure).with_detail(detail)
    }

    pub(crate) fn with_detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = detail.into();
        self
    }

    pub(crate) fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    pub(crate) fn with_response(mut self, status: u16, problem: Option<Problem>) -> Self {
        self.0.context.status = Some(status);
        self.0.context.problem = problem;
        self
    }

    pub(crate) fn with_retry_after(mut self, delay: Option<Duration>) -> Self {
        self.0.context.retry_after = delay;
        self
    }

    pub(crate) fn with_operation(mut self, operation: Operation) -> Self {
        self.0.operation = operation;
        self
    }

    /// Returns what went wrong, named after what the caller does next.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the operation that failed.
    pub fn operation(&self) -> Operation {
        self.0.operation
    }

    /// Returns the status of the response, if there was one.
    pub fn status(&self) -> Option<u16> {
        self.0.context.status
    }

    /// Returns the server's explanation, if the response was an RFC 9457 problem.
    pub fn problem(&self) -> Option<&Problem> {
        self.0.context.problem.as_ref()
    }

    /// Returns how long the server asks to wait before the next attempt (`Retry-After`).
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.context.retry_after
    }

    /// Returns a sentence about the failure or what to do about it; may be empty.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// Returns whether the same call may succeed later without a change by the caller.
    ///
    /// The client has already retried as often as its [`RetryPolicy`](crate::RetryPolicy) allows,
    /// unless it must not repeat the operation. A deposit that was
    /// [`Interrupted`](ErrorKind::Interrupted) may have succeeded; repeating it creates another
    /// artifact.
    pub fn is_retryable(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Unavailable | ErrorKind::Interrupted)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind() {
            ErrorKind::NotFound => self.operation().not_found_text(),
            ErrorKind::Unavailable => match self.status() {
                Some(429) => "the server accepts no more requests of this client now",
                Some(_) => "the server cannot serve now",
                None => "the server cannot be reached",
            },
            kind => kind.as_str(),
        };
        write!(f, "{}: {kind}", self.operation())?;
        if let Some(status) = self.status() {
            write!(f, " (status {status})")?;
        }
        let explanation = self.problem().map_or("", Problem::text);
        for text in [self.detail(), explanation] {
            // Servers often explain an error with the words of its kind.
            if !text.is_empty() && text != kind {
                write!(f, ": {text}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

//! One error for the whole client: what the caller does next, and what the server said.

mod kind;
mod operation;

use std::fmt;
use std::time::Duration;

pub use kind::ErrorKind;
pub use operation::Operation;

use crate::problem::Problem;

/// The result of a client's operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the client keeps of the error below.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// Why an operation of the client failed.
///
/// `Display` tells this layer only: operation, kind, status, and what the server said about it.
/// What lies below is in [`source`](std::error::Error::source) and is not repeated. It never holds
/// the credential.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    operation: Operation,
    status: Option<u16>,
    problem: Option<Problem>,
    retry_after: Option<Duration>,
    detail: String,
    source: Option<BoxError>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, operation: Operation) -> Self {
        Self(Box::new(Inner {
            kind,
            operation,
            status: None,
            problem: None,
            retry_after: None,
            detail: String::new(),
            source: None,
        }))
    }

    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidInput, Operation::Configure).with_detail(detail)
    }

    pub(crate) fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = detail.into();
        self
    }

    pub(crate) fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    pub(crate) fn with_answer(mut self, status: u16, problem: Option<Problem>) -> Self {
        self.0.status = Some(status);
        self.0.problem = problem;
        self
    }

    pub(crate) fn with_retry_after(mut self, pause: Option<Duration>) -> Self {
        self.0.retry_after = pause;
        self
    }

    pub(crate) fn with_operation(mut self, operation: Operation) -> Self {
        self.0.operation = operation;
        self
    }

    /// What the caller does next.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The operation that failed.
    pub fn operation(&self) -> Operation {
        self.0.operation
    }

    /// The status that the server answered with, where it answered.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// What the server said about it, where it spoke RFC 9457.
    pub fn problem(&self) -> Option<&Problem> {
        self.0.problem.as_ref()
    }

    /// How long the server asks to wait before the next try (`Retry-After`), where it does.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// A sentence on what was being done or what to do about it; empty where there is none.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// Whether the same call may succeed later with nothing changed by anybody.
    ///
    /// The client has then tried as often as its [`RetryPolicy`](crate::RetryPolicy) allows, unless
    /// it must not repeat the operation: a deposit that was [`Interrupted`](ErrorKind::Interrupted) may
    /// have been made; making it again makes another artifact.
    pub fn is_retryable(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Unavailable | ErrorKind::Interrupted)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        let kind = match inner.kind {
            ErrorKind::NotFound => inner.operation.absent(),
            kind => kind.as_str(),
        };
        write!(f, "{}: {kind}", inner.operation)?;
        if let Some(status) = inner.status {
            write!(f, " (status {status})")?;
        }
        let said = inner.problem.as_ref().map_or("", Problem::text);
        for text in [inner.detail.as_str(), said] {
            if !text.is_empty() {
                write!(f, ": {text}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            kind,
            operation,
            status,
            problem,
            retry_after,
            detail,
            source,
        } = &*self.0;
        f.debug_struct("Error")
            .field("kind", kind)
            .field("operation", operation)
            .field("status", status)
            .field("problem", problem)
            .field("retry_after", retry_after)
            .field("detail", detail)
            .field("source", source)
            .finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

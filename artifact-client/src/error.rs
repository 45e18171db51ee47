//! One error for the whole client: what the caller does next, and what the server said.

use std::fmt;

use crate::problem::Problem;

/// The result of a client's operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the client keeps of the error below.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// What went wrong, named after what the caller does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An argument cannot be used (server address, experiment, credential, content type). Nothing
    /// was sent.
    InvalidInput,
    /// The server does not know this credential (401). Get another.
    Unauthorized,
    /// The credential is good, but not for this (403).
    Forbidden,
    /// No such artifact, or no artifact server at this address (404).
    NotFound,
    /// The artifact is larger than the server takes (413). Nothing was kept of it.
    TooLarge,
    /// The server refuses the request as it stands (another 4xx). Sending it again is no use.
    BadRequest,
    /// The server cannot be reached, or says that it cannot serve now (429, 502, 503, 504).
    Unavailable,
    /// The server has no room left (507). An operator must make some.
    OutOfSpace,
    /// The connection ended, or stood still, in the middle. A deposit may have been made all the
    /// same, under a URI that nobody learnt; deposit again. A fetch may be made again.
    Interrupted,
    /// What arrived, or what the server counted, is not what was sent. Throw it away.
    DigestMismatch,
    /// What was to be deposited could not be read to its end. The server was not given a whole
    /// artifact and keeps nothing.
    Source,
    /// The server failed in itself (500 and other 5xx). Its operator's log says more.
    ServerFault,
    /// The answer is not what an artifact server says: a redirect, another body, another status.
    Protocol,
}

impl ErrorKind {
    /// The kind in words, as it stands in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidInput => "an argument cannot be used",
            Self::Unauthorized => "the server does not know this credential",
            Self::Forbidden => "this credential may not do that",
            Self::NotFound => "there is no such artifact",
            Self::TooLarge => "the artifact is larger than the server takes",
            Self::BadRequest => "the server refuses the request",
            Self::Unavailable => "the server cannot be reached or cannot serve now",
            Self::OutOfSpace => "the server has no room left",
            Self::Interrupted => "the connection ended or stood still in the middle",
            Self::DigestMismatch => "the bytes are not the ones that were deposited",
            Self::Source => "what was to be deposited could not be read",
            Self::ServerFault => "the server failed",
            Self::Protocol => "the answer is not that of an artifact server",
        }
    }

    /// What a status that is not a success stands for.
    pub(crate) const fn of_status(status: u16) -> Self {
        match status {
            401 => Self::Unauthorized,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            413 => Self::TooLarge,
            408 | 429 | 502 | 503 | 504 => Self::Unavailable,
            507 => Self::OutOfSpace,
            400..500 => Self::BadRequest,
            500..600 => Self::ServerFault,
            // A redirect is not followed: it would carry the credential to whom it names.
            _ => Self::Protocol,
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Which operation of a client failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Setting the client up.
    Configure,
    /// [`Client::deposit`](crate::Client::deposit).
    Deposit,
    /// [`Client::fetch`](crate::Client::fetch), up to and in its stream.
    Fetch,
}

impl Operation {
    /// The operation as one word, as it stands in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Configure => "configure",
            Self::Deposit => "deposit",
            Self::Fetch => "fetch",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

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

    /// A sentence on what was being done or what to do about it; empty where there is none.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// Whether the same call may succeed later with nothing changed by anybody.
    ///
    /// A deposit that was [`Interrupted`](ErrorKind::Interrupted) may have been made; making it
    /// again is safe, and makes another artifact.
    pub fn is_retryable(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Unavailable | ErrorKind::Interrupted)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        write!(f, "{}: {}", inner.operation, inner.kind)?;
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
            detail,
            source,
        } = &*self.0;
        f.debug_struct("Error")
            .field("kind", kind)
            .field("operation", operation)
            .field("status", status)
            .field("problem", problem)
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

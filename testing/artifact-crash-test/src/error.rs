//! One error for the whole crate: what the caller does next, where, and why.

use std::fmt;
use std::io;

/// The result of running a simulation. What a simulation finds is not an error: it is in the
/// [`Report`](crate::Report).
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, named after what the caller does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// This machine lacks something: root, `/dev/fuse`, a loop device, a `mkfs`. Install or skip.
    Unavailable,
    /// The subject did not start, did not end in time, or does not speak the protocol.
    Subject,
    /// A system call of the simulator itself failed.
    Io,
}

/// Why a simulation could not be run.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    op: String,
    source: Option<io::Error>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, op: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            op: op.into(),
            source: None,
        }))
    }

    /// For `map_err`: an I/O failure while doing `op`.
    pub(crate) fn io<E: Into<io::Error>>(op: impl Into<String>) -> impl FnOnce(E) -> Self {
        move |source| {
            Self(Box::new(Inner {
                kind: ErrorKind::Io,
                op: op.into(),
                source: Some(source.into()),
            }))
        }
    }

    /// What the caller does next.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.kind {
            ErrorKind::Unavailable => write!(f, "not available here: {}", self.0.op),
            ErrorKind::Subject => write!(f, "the subject: {}", self.0.op),
            ErrorKind::Io => write!(f, "cannot {}", self.0.op),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|source| source as _)
    }
}

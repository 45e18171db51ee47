//! The error of the whole crate, classified by what the caller does next.

use std::fmt;
use std::io;

/// The result of running a simulation. A finding is not an error; findings are in the
/// [`Report`](crate::Report).
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A class of errors, named after what the caller does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// This machine lacks a requirement: root, `/dev/fuse`, a loop device or a `mkfs` program. Install
    /// it or skip the simulation.
    Unavailable,
    /// The subject did not start, did not end in time, or does not speak the protocol.
    Subject,
    /// A system call of the simulator itself failed.
    Io,
}

/// The reason why a simulation could not run.
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

    /// Returns a function for `map_err` that wraps an I/O error of the operation `op`.
    pub(crate) fn io<E: Into<io::Error>>(op: impl Into<String>) -> impl FnOnce(E) -> Self {
        move |source| {
            Self(Box::new(Inner {
                kind: ErrorKind::Io,
                op: op.into(),
                source: Some(source.into()),
            }))
        }
    }

    /// Returns the class of this error.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.kind {
            ErrorKind::Unavailable => write!(f, "not available on this machine: {}", self.0.op),
            ErrorKind::Subject => write!(f, "the subject failed: {}", self.0.op),
            ErrorKind::Io => write!(f, "cannot {}", self.0.op),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|source| source as _)
    }
}

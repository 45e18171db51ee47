//! Errors of an audit log.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use artifact_backend::BoxError;

/// What the caller of a failed operation can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuditErrorKind {
    /// Another process writes this log. Give each process a file of its own.
    Locked,
    /// The file has lines that were changed, or is not an audit log. Look at it, then move it away.
    Damaged,
    /// The file cannot be opened, read or written. Look at the source.
    Io,
    /// The log cannot be written now. Try again later.
    Unavailable,
    /// The log was closed.
    Closed,
}

/// An error of an audit log.
#[derive(Debug)]
pub struct AuditError {
    kind: AuditErrorKind,
    path: PathBuf,
    source: Option<BoxError>,
}

impl AuditError {
    pub(crate) fn new(kind: AuditErrorKind, path: &Path) -> Self {
        Self {
            kind,
            path: path.to_owned(),
            source: None,
        }
    }

    pub(crate) fn io(path: &Path, error: io::Error) -> Self {
        Self::new(AuditErrorKind::Io, path).with_source(error)
    }

    pub(crate) fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Returns what the caller can do.
    pub fn kind(&self) -> AuditErrorKind {
        self.kind
    }

    /// Returns the path of the log.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Display for AuditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match self.kind {
            AuditErrorKind::Locked => write!(
                f,
                "another process writes the audit log {path}; give each process a file of its own"
            ),
            AuditErrorKind::Damaged => write!(
                f,
                "the audit log {path} was changed by something else; look at it with artifact audit verify, and move it to \
                 another folder to begin a new chain"
            ),
            AuditErrorKind::Io => write!(f, "cannot use the audit log {path}"),
            AuditErrorKind::Unavailable => write!(f, "cannot write the audit log {path} now"),
            AuditErrorKind::Closed => write!(f, "the audit log {path} is closed"),
        }
    }
}

impl std::error::Error for AuditError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn std::error::Error + 'static))
    }
}

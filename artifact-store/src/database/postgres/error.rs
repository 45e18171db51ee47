//! What PostgreSQL's codes mean to a caller
//! (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;

use artifact_backend::ArtifactId;
use deadpool_postgres::{HookError, PoolError};
use tokio_postgres::error::SqlState;

use crate::error::{Error, ErrorKind, Operation};

/// Why something was not done. It can be told to many callers.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) kind: ErrorKind,
    detail: &'static str,
    /// The connection is of no use any more, and another one may be: what may be done twice can be
    /// tried again.
    pub(super) lost: bool,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// The connection ended, or nothing came by it, and so nobody knows whether a write was done.
const LOST: &str = "the connection to the database was lost";

impl Failure {
    /// A rule of ours forbids it.
    pub(super) fn new(kind: ErrorKind, detail: &'static str) -> Self {
        Self {
            kind,
            detail,
            lost: false,
            source: None,
        }
    }

    #[must_use = "this gives the failure back, it does not change it in place"]
    pub(super) fn with_detail(mut self, detail: &'static str) -> Self {
        self.detail = detail;
        self
    }

    pub(super) fn closed() -> Self {
        Self::new(ErrorKind::Unavailable, "the rows are closed")
    }

    /// The server says nothing.
    pub(super) fn silent() -> Self {
        Self {
            lost: true,
            ..Self::new(
                ErrorKind::Unavailable,
                "the database did not answer in time",
            )
        }
    }

    /// A statement failed.
    pub(super) fn of(error: tokio_postgres::Error) -> Self {
        let (kind, lost) = classify(&error);
        let detail = match kind {
            ErrorKind::Unavailable if lost => LOST,
            ErrorKind::Unavailable => "the database cannot serve now",
            ErrorKind::OutOfSpace => "the disk of the database is full",
            ErrorKind::Misconfigured => "the database refuses this program",
            ErrorKind::Corrupt => "the database holds what this store did not write",
            ErrorKind::NotFound => "there is no such experiment",
            ErrorKind::AlreadyExists => "it is there already",
            _ => "the database failed",
        };
        Self {
            lost,
            source: Some(Arc::new(error)),
            ..Self::new(kind, detail)
        }
    }

    /// There is no connection. Nothing was asked of the database.
    pub(super) fn to_connect(error: PoolError) -> Self {
        let error = match error {
            PoolError::Closed => return Self::closed(),
            PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => {
                error
            }
            PoolError::Timeout(_)
            | PoolError::PostCreateHook(_)
            | PoolError::NoRuntimeSpecified => {
                return Self {
                    source: Some(Arc::new(error)),
                    ..Self::silent()
                };
            }
        };
        let failure = Self::of(error);
        match failure.kind {
            ErrorKind::Unavailable => Self {
                lost: true,
                detail: "the database cannot be reached",
                ..failure
            },
            // A method of authentication that is not known, a password that is missing, TLS that
            // one side does not have: none of them is an error of the database's.
            ErrorKind::Unexpected => Self {
                kind: ErrorKind::Misconfigured,
                detail: "the database and this program do not come to terms; look at the user, \
                         the password and pg_hba.conf",
                ..failure
            },
            _ => failure,
        }
    }

    /// The same failure, of a write that may have been done by an earlier try.
    pub(super) fn unknown(self) -> Self {
        Self {
            kind: ErrorKind::Unavailable,
            ..self
        }
    }

    /// Whether one row of several may be at fault, and the others not.
    pub(super) fn is_of_a_row(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::Unexpected | ErrorKind::NotFound | ErrorKind::AlreadyExists
        )
    }

    pub(super) fn into_error(self, operation: Operation, id: Option<ArtifactId>) -> Error {
        let mut error = Error::new(self.kind, operation).with_detail(self.detail);
        if let Some(id) = id {
            error = error.with_id(id);
        }
        match self.source {
            Some(source) => error.with_source(source),
            None => error,
        }
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::of(error)
    }
}

/// The kind of a failure, and whether the connection is lost by it.
pub(super) fn classify(error: &tokio_postgres::Error) -> (ErrorKind, bool) {
    if let Some(code) = error.code() {
        return of_code(code);
    }
    let source = error.source();
    let is_io = source.is_some_and(<dyn StdError>::is::<io::Error>);
    if error.is_closed() || is_io {
        return (ErrorKind::Unavailable, true);
    }
    // A column of another type or length than was written.
    let kind = match source {
        Some(_) if error.to_string().starts_with("error deserializing") => ErrorKind::Corrupt,
        _ => ErrorKind::Unexpected,
    };
    (kind, false)
}

fn of_code(code: &SqlState) -> (ErrorKind, bool) {
    use ErrorKind::{
        AlreadyExists, Corrupt, Misconfigured, NotFound, OutOfSpace, Unavailable, Unexpected,
    };
    // Those of a class that differ from the rest of it come first.
    match code.code() {
        "53100" => return (OutOfSpace, false),
        "23505" => return (AlreadyExists, false),
        "23503" => return (NotFound, false),
        // The server ends this session: shut-down, crash, start, the drop of the database, an
        // operator's command, a time-out of idle sessions. It is a standby or set to be read-only,
        // or has too many sessions: another connection may come to one that took its place, or
        // come later.
        "57P01" | "57P02" | "57P03" | "57P04" | "57P05" | "25P03" | "25006" | "53300" => {
            return (Unavailable, true);
        }
        // Cancelled, which a time-out does too; a lock that was not to be had.
        "57014" | "55P03" | "55006" => return (Unavailable, false),
        _ => {}
    }
    match &code.code()[..2] {
        // Connection exceptions.
        "08" => (Unavailable, true),
        // Insufficient resources; a transaction that is to be tried again; a system error.
        "53" | "40" | "58" => (Unavailable, false),
        // Authentication; no such database, no such schema, no such table, no right to it.
        "28" | "3D" | "3F" | "42" => (Misconfigured, false),
        // Data or an index that is damaged.
        "XX" if code.code() != "XX000" => (Corrupt, false),
        _ => (Unexpected, false),
    }
}

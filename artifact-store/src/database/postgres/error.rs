//! Converts PostgreSQL's error codes
//! (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;

use deadpool::managed::PoolError;
use tokio_postgres::error::SqlState;

use super::tls;
use crate::database::rejected::Rejected;
use crate::database::subject::Subject;
use crate::error::{Error, ErrorKind};

const UNREACHABLE: &str = "the database cannot be reached";
const READ_ONLY: &str = "the database is read-only, perhaps a standby; use the URL of the primary";

/// The failure of a statement or of a connection. A clone goes to each caller of a batch.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) kind: ErrorKind,
    detail: &'static str,
    /// Whether the connection is unusable. Idempotent work can be retried on another one.
    pub(super) lost: bool,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Failure {
    pub(super) fn new(kind: ErrorKind, detail: &'static str) -> Self {
        Self {
            kind,
            detail,
            lost: false,
            source: None,
        }
    }

    #[must_use = "returns the changed failure"]
    pub(super) fn with_detail(mut self, detail: &'static str) -> Self {
        self.detail = detail;
        self
    }

    /// The server did not reply in time.
    pub(super) fn timed_out() -> Self {
        Self {
            lost: true,
            ..Self::new(
                ErrorKind::Unavailable,
                "the database did not answer in time",
            )
        }
    }

    /// The server does not accept writes.
    pub(super) fn read_only() -> Self {
        Self {
            lost: true,
            ..Self::new(ErrorKind::Unavailable, READ_ONLY)
        }
    }

    /// Returns whether the server that answered does not accept writes.
    pub(super) fn is_read_only(&self) -> bool {
        self.detail == READ_ONLY
    }

    /// Converts the error of a statement.
    pub(super) fn of(error: tokio_postgres::Error) -> Self {
        let (kind, lost) = classify(&error);
        let detail = match kind {
            ErrorKind::Unavailable if lost => "the connection to the database was lost",
            ErrorKind::Unavailable => "the database is temporarily unavailable",
            ErrorKind::OutOfSpace => "the disk of the database is full",
            ErrorKind::Misconfigured if is_moved(&error) => {
                "this database was moved to another one and accepts no writes; start the server with that one"
            }
            ErrorKind::Misconfigured => {
                "the database rejects this program; check the user, the database name and its permissions"
            }
            ErrorKind::Corrupt => "the database holds data that this store did not write",
            ErrorKind::NotFound => Rejected::NO_EXPERIMENT.detail,
            ErrorKind::AlreadyExists => Rejected::ID_TAKEN.detail,
            _ => "the database failed",
        };
        Self {
            lost,
            source: Some(Arc::new(error)),
            ..Self::new(kind, detail)
        }
    }

    /// Converts the error of opening a connection. No statement was sent.
    pub(super) fn to_connect(error: tokio_postgres::Error) -> Self {
        if let Some(detail) = tls::advice(&error) {
            return Self {
                source: Some(Arc::new(error)),
                ..Self::new(ErrorKind::Misconfigured, detail)
            };
        }
        let is_read_only = is_read_only(&error);
        let failure = Self::of(error);
        match failure.kind {
            ErrorKind::Unavailable if is_read_only => failure.with_detail(READ_ONLY),
            ErrorKind::Unavailable => Self {
                lost: true,
                ..failure.with_detail(UNREACHABLE)
            },
            // An unknown authentication method or a missing password: these errors come from the client library and not from the server.
            ErrorKind::Unexpected => Self {
                kind: ErrorKind::Misconfigured,
                detail: "cannot log in to the database: check the user, the password and pg_hba.conf",
                ..failure
            },
            _ => failure,
        }
    }

    /// Converts the error of looking up a host name.
    pub(super) fn to_look_up(error: impl StdError + Send + Sync + 'static) -> Self {
        Self {
            lost: true,
            source: Some(Arc::new(error)),
            ..Self::new(ErrorKind::Unavailable, UNREACHABLE)
        }
    }

    /// Converts the error of taking a connection from a pool.
    pub(super) fn of_pool(error: PoolError<Self>) -> Self {
        match error {
            PoolError::Backend(failure) => failure,
            PoolError::Closed => Rejected::CLOSED.into(),
            PoolError::Timeout(_)
            | PoolError::NoRuntimeSpecified
            | PoolError::PostCreateHook(_) => Self::timed_out(),
        }
    }

    /// Converts the error of taking a connection from the program's own pool.
    pub(super) fn of_programs_pool(error: PoolError<tokio_postgres::Error>) -> Self {
        match error {
            PoolError::Backend(error) => Self::to_connect(error),
            PoolError::Timeout(_) => Self::new(
                ErrorKind::Unavailable,
                "the program's pool gave no connection in time; raise its max_size, or check whether the server can be \
                 reached",
            ),
            PoolError::Closed => Self::new(
                ErrorKind::Unavailable,
                "the program has closed its pool; close the database first",
            ),
            error => Self {
                source: Some(Arc::new(error)),
                ..Self::new(
                    ErrorKind::Misconfigured,
                    "the program's pool cannot open a connection; check its runtime and hooks",
                )
            },
        }
    }

    /// Changes the kind to `Unavailable`, because an earlier attempt may have done the write.
    pub(super) fn unknown(self) -> Self {
        Self {
            kind: ErrorKind::Unavailable,
            ..self
        }
    }

    /// Changes the kind to `Misconfigured`, because the program is only starting.
    pub(super) fn into_misconfigured(self) -> Self {
        Self {
            kind: ErrorKind::Misconfigured,
            ..self
        }
    }

    /// Returns whether one row of several may have caused the failure.
    pub(super) fn may_concern_one_row(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::Unexpected | ErrorKind::NotFound | ErrorKind::AlreadyExists
        )
    }

    pub(super) fn into_error(self, subject: impl Into<Subject>) -> Error {
        let error = subject.into().error(self.kind).with_detail(self.detail);
        match self.source {
            Some(source) => error.with_source(source),
            None => error,
        }
    }
}

impl From<Rejected> for Failure {
    fn from(rejected: Rejected) -> Self {
        Self::new(rejected.kind, rejected.detail)
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::of(error)
    }
}

/// Returns whether tokio-postgres closed a new connection because of `target_session_attrs`.
fn is_read_only(error: &tokio_postgres::Error) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref());
    source.is_some_and(|error: &io::Error| {
        // Without a code of the operating system: connect(2) also fails with EACCES.
        error.kind() == io::ErrorKind::PermissionDenied && error.raw_os_error().is_none()
    })
}

/// The code of the error with which a database refuses a write because its contents were moved to another one.
pub(super) const MOVED: &str = "ARTMV";

fn is_moved(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| code.code() == MOVED)
}

/// Returns the kind of an error, and whether the connection is lost.
pub(super) fn classify(error: &tokio_postgres::Error) -> (ErrorKind, bool) {
    if let Some(code) = error.code() {
        return of_code(code);
    }
    let source = error.source();
    let is_io = source.is_some_and(<dyn StdError>::is::<io::Error>);
    if error.is_closed() || is_io {
        return (ErrorKind::Unavailable, true);
    }
    // A column has another type or length than this store writes.
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
    // Codes that differ from the rest of their class come first.
    match code.code() {
        "53100" => return (OutOfSpace, false),
        "23505" => return (AlreadyExists, false),
        "23503" => return (NotFound, false),
        MOVED => return (Misconfigured, false),
        // The server ends this session (shut-down, crash, start, drop of the database, an operator's
        // command, a time-out of idle sessions), is a standby or read-only, or has too many
        // sessions. A new connection may reach its successor, or succeed later.
        "57P01" | "57P02" | "57P03" | "57P04" | "57P05" | "25P03" | "25P04" | "25006" | "53300" => {
            return (Unavailable, true);
        }
        // The statement was cancelled, also by a time-out, or a lock was not available.
        "57014" | "55P03" | "55006" => return (Unavailable, false),
        _ => {}
    }
    match &code.code()[..2] {
        // Connection exceptions.
        "08" => (Unavailable, true),
        // Insufficient resources, a transaction that must be repeated, a system error.
        "53" | "40" | "58" => (Unavailable, false),
        // Authentication; the database, schema or table does not exist or permission is missing.
        "28" | "3D" | "3F" | "42" => (Misconfigured, false),
        // Data or an index is damaged.
        "XX" if code.code() != "XX000" => (Corrupt, false),
        _ => (Unexpected, false),
    }
}

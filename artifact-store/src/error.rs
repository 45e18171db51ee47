//! One error for rows, deposits and fetches: what the caller does next, where, and why.

use std::borrow::Cow;
use std::fmt;

use artifact_backend::{ArtifactId, BoxError};

/// The result of an operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, named after what the caller does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no such artifact, experiment, worker or group.
    NotFound,
    /// This principal may not read this artifact.
    Forbidden,
    /// A row, worker or group with this id is there already, and stays.
    AlreadyExists,
    /// The name is one that nobody may take, or that of a group that must stay.
    Reserved,
    /// A group would be its own member, directly or through others.
    Cycle,
    /// The deposit passed the cap. Nothing of it remains.
    TooLarge,
    /// The range holds no byte of the artifact; [`Error::blob_size`] says how many it has.
    InvalidRange,
    /// It cannot be done now, or it cannot be known whether it was done. A deposit is made again
    /// from its beginning; what the first may have left is an orphan.
    Unavailable,
    /// There is no room. An operator must make some.
    OutOfSpace,
    /// What is stored is not what was acknowledged. An operator must look.
    Corrupt,
    /// It cannot work as it is set up: a bad URL, a foreign or newer database, missing rights.
    Misconfigured,
    /// This build or this backend cannot do this at all.
    Unsupported,
    /// None of these: a fault in the store, or a caller that went on after an error.
    Unexpected,
}

impl ErrorKind {
    /// Every kind, for tables and tests.
    pub const ALL: [Self; 13] = [
        Self::NotFound,
        Self::Forbidden,
        Self::AlreadyExists,
        Self::Reserved,
        Self::Cycle,
        Self::TooLarge,
        Self::InvalidRange,
        Self::Unavailable,
        Self::OutOfSpace,
        Self::Corrupt,
        Self::Misconfigured,
        Self::Unsupported,
        Self::Unexpected,
    ];

    /// The kind in words, as it stands in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not found",
            Self::Forbidden => "forbidden",
            Self::AlreadyExists => "already exists",
            Self::Reserved => "reserved name",
            Self::Cycle => "cycle of groups",
            Self::TooLarge => "too large",
            Self::InvalidRange => "range not satisfiable",
            Self::Unavailable => "unavailable",
            Self::OutOfSpace => "out of space",
            Self::Corrupt => "corrupt",
            Self::Misconfigured => "misconfigured",
            Self::Unsupported => "unsupported",
            Self::Unexpected => "unexpected failure",
        }
    }

    /// What a backend's error means to a caller of the store.
    pub(crate) const fn from_backend(kind: artifact_backend::ErrorKind) -> Self {
        use artifact_backend::ErrorKind as Backend;
        match kind {
            Backend::NotFound => Self::NotFound,
            Backend::AlreadyExists => Self::AlreadyExists,
            Backend::Ambiguous | Backend::Unavailable => Self::Unavailable,
            Backend::OutOfSpace => Self::OutOfSpace,
            Backend::TooLarge => Self::TooLarge,
            Backend::InvalidRange => Self::InvalidRange,
            Backend::Corrupt => Self::Corrupt,
            Backend::PermissionDenied | Backend::Misconfigured => Self::Misconfigured,
            Backend::Unsupported => Self::Unsupported,
            _ => Self::Unexpected,
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Which operation of the store failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Reading a URL and opening the backend that it names.
    OpenBackend,
    /// Reading a URL and opening the rows that it names.
    OpenRows,
    /// Closing the rows.
    CloseRows,
    /// Creating or finding experiments.
    Experiment,
    /// Writing a row.
    InsertRow,
    /// Finding a row.
    FindRow,
    /// Deleting a row.
    DeleteRow,
    /// Registering a worker, or replacing its credential.
    WriteWorker,
    /// Finding workers.
    FindWorker,
    /// Finding what a worker's token is verified by.
    FindCredential,
    /// Creating, changing or deleting a group.
    WriteGroup,
    /// Finding groups.
    FindGroup,
    /// Deciding who may read.
    Authorize,
    /// A deposit, from its beginning to its row.
    Deposit,
    /// Reading the bytes.
    Read,
}

impl Operation {
    /// The operation in words, as it stands in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenBackend => "open backend",
            Self::OpenRows => "open rows",
            Self::CloseRows => "close rows",
            Self::Experiment => "find experiment",
            Self::InsertRow => "insert row",
            Self::FindRow => "find row",
            Self::DeleteRow => "delete row",
            Self::WriteWorker => "write worker",
            Self::FindWorker => "find worker",
            Self::FindCredential => "find credential",
            Self::WriteGroup => "write group",
            Self::FindGroup => "find group",
            Self::Authorize => "authorize",
            Self::Deposit => "deposit",
            Self::Read => "read",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why an operation of the store failed.
///
/// `Display` tells this layer only: operation, id, kind and detail. What lies below is in
/// [`source`](std::error::Error::source) and is not repeated.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    operation: Operation,
    id: Option<ArtifactId>,
    detail: Cow<'static, str>,
    blob_size: Option<u64>,
    source: Option<BoxError>,
}

impl Error {
    /// An error of this kind in this operation, with no more said yet.
    pub fn new(kind: ErrorKind, operation: Operation) -> Self {
        Self(Box::new(Inner {
            kind,
            operation,
            id: None,
            detail: Cow::Borrowed(""),
            blob_size: None,
            source: None,
        }))
    }

    /// A backend's error, in the terms of the store.
    pub(crate) fn backend(operation: Operation, source: artifact_backend::Error) -> Self {
        let mut error = Self::new(ErrorKind::from_backend(source.kind()), operation);
        error.0.id = source.id();
        error.0.blob_size = source.blob_size();
        error.with_source(source)
    }

    /// The same error, of another kind.
    #[must_use = "this gives the error back, it does not change it in place"]
    pub(crate) fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// The same error, about this artifact.
    #[must_use = "this gives the error back, it does not change it in place"]
    pub fn with_id(mut self, id: ArtifactId) -> Self {
        self.0.id = Some(id);
        self
    }

    /// The same error, with a sentence on what was being done or what to do about it. It must hold
    /// no secret: it is printed and logged.
    #[must_use = "this gives the error back, it does not change it in place"]
    pub fn with_detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = detail.into();
        self
    }

    /// The same error, with the size that the artifact really has.
    #[must_use = "this gives the error back, it does not change it in place"]
    pub fn with_blob_size(mut self, bytes: u64) -> Self {
        self.0.blob_size = Some(bytes);
        self
    }

    /// The same error, with what caused it.
    #[must_use = "this gives the error back, it does not change it in place"]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(source.into());
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

    /// The artifact in question, where there is one.
    pub fn id(&self) -> Option<ArtifactId> {
        self.0.id
    }

    /// A sentence on what was being done or what to do about it; empty where there is none.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// With [`ErrorKind::InvalidRange`]: the size of the artifact, in bytes.
    pub fn blob_size(&self) -> Option<u64> {
        self.0.blob_size
    }

    /// Whether the same call may succeed later with nothing changed by anybody. For a deposit the
    /// call is the whole of it, from its first byte.
    pub fn is_retryable(&self) -> bool {
        self.kind() == ErrorKind::Unavailable
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.operation)?;
        if let Some(id) = self.0.id {
            write!(f, " of artifact {id}")?;
        }
        write!(f, ": {}", self.0.kind)?;
        if !self.0.detail.is_empty() {
            write!(f, ": {}", self.0.detail)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            kind,
            operation,
            id,
            detail,
            blob_size,
            source,
        } = &*self.0;
        f.debug_struct("Error")
            .field("kind", kind)
            .field("operation", operation)
            .field("id", id)
            .field("detail", detail)
            .field("blob_size", blob_size)
            .field("source", source)
            .finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

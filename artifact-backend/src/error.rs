//! One error for every backend: what the caller does next, where it happened, and why.

use std::borrow::Cow;
use std::fmt;

use crate::error_repr::ErrorRepr;
use crate::id::ArtifactId;
use crate::range::RangeNotSatisfiable;

/// The result of a backend's operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a backend keeps of the error below.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// What went wrong, named after what the caller does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The backend knows that this blob is absent. Nothing else is ever reported so.
    NotFound,
    /// Another blob has this id, and keeps it. Mint a new id.
    AlreadyExists,
    /// Whether the blob was stored cannot be known. Mint a new id; the first may turn up as an
    /// orphan.
    Ambiguous,
    /// The backend cannot serve now. The same call may succeed later.
    Unavailable,
    /// There is no room: disk, quota, inodes or a configured bound. An operator must make some.
    OutOfSpace,
    /// The blob is larger than the backend, or a bound that the caller set, allows.
    TooLarge,
    /// The range holds no byte of the blob; [`Error::blob_size`] says how many it has.
    InvalidRange,
    /// What is stored is not what was acknowledged, or not ours. An operator must look.
    Corrupt,
    /// The backend is not allowed to do this. An operator must grant it.
    PermissionDenied,
    /// The backend cannot work as it is set up: root or bucket missing, wrong layout version.
    Misconfigured,
    /// This backend cannot do this at all.
    Unsupported,
    /// None of these: a fault in the backend, or one of the operating system's rarer ones.
    Unexpected,
}

impl ErrorKind {
    /// Every kind, for tables and tests.
    pub const ALL: [Self; 12] = [
        Self::NotFound,
        Self::AlreadyExists,
        Self::Ambiguous,
        Self::Unavailable,
        Self::OutOfSpace,
        Self::TooLarge,
        Self::InvalidRange,
        Self::Corrupt,
        Self::PermissionDenied,
        Self::Misconfigured,
        Self::Unsupported,
        Self::Unexpected,
    ];

    /// The kind in words, as it stands in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not found",
            Self::AlreadyExists => "already exists",
            Self::Ambiguous => "outcome unknown",
            Self::Unavailable => "unavailable",
            Self::OutOfSpace => "out of space",
            Self::TooLarge => "too large",
            Self::InvalidRange => "range not satisfiable",
            Self::Corrupt => "corrupt",
            Self::PermissionDenied => "permission denied",
            Self::Misconfigured => "misconfigured",
            Self::Unsupported => "unsupported",
            Self::Unexpected => "unexpected failure",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Which operation of a backend failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Opening the backend itself.
    Open,
    /// [`ArtifactBackend::store`](crate::ArtifactBackend::store).
    Store,
    /// [`ArtifactBackend::upload`](crate::ArtifactBackend::upload), the beginning of it.
    Upload,
    /// [`Upload::write`](crate::Upload::write).
    Write,
    /// [`Upload::commit`](crate::Upload::commit).
    Commit,
    /// [`Upload::abort`](crate::Upload::abort).
    Abort,
    /// [`ArtifactBackend::load`](crate::ArtifactBackend::load).
    Load,
    /// [`ArtifactBackend::download`](crate::ArtifactBackend::download), up to and in its stream.
    Download,
    /// [`ArtifactInventory::list`](crate::ArtifactInventory::list).
    List,
    /// [`ArtifactInventory::stat`](crate::ArtifactInventory::stat).
    Stat,
    /// [`ArtifactInventory::delete`](crate::ArtifactInventory::delete).
    Delete,
    /// [`ArtifactInventory::sweep`](crate::ArtifactInventory::sweep).
    Sweep,
}

impl Operation {
    /// The operation as one word, as it stands in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Store => "store",
            Self::Upload => "upload",
            Self::Write => "write",
            Self::Commit => "commit",
            Self::Abort => "abort",
            Self::Load => "load",
            Self::Download => "download",
            Self::List => "list",
            Self::Stat => "stat",
            Self::Delete => "delete",
            Self::Sweep => "sweep",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why an operation of a backend failed.
///
/// `Display` shows this layer only: operation, id, kind and detail. The layer below is in
/// [`source`](std::error::Error::source) and is not repeated.
pub struct Error(Box<ErrorRepr<ErrorKind, Operation>>);

impl Error {
    /// Creates an error without id, detail or source.
    pub fn new(kind: ErrorKind, operation: Operation) -> Self {
        Self(ErrorRepr::new(kind, operation))
    }

    /// Creates an [`ErrorKind::InvalidRange`] that carries the blob's actual size.
    pub fn invalid_range(operation: Operation, id: ArtifactId, range: RangeNotSatisfiable) -> Self {
        let mut error = Self::new(ErrorKind::InvalidRange, operation)
            .with_id(id)
            .with_detail(range.to_string());
        error.0.context.blob_size = Some(range.size);
        error
    }

    /// Sets the blob that the error is about.
    #[must_use = "returns the changed error"]
    pub fn with_id(mut self, id: ArtifactId) -> Self {
        self.0.context.id = Some(id);
        self
    }

    /// Sets a sentence that says what was being done or what to do about it. It is printed and
    /// logged, so it must not contain a secret.
    #[must_use = "returns the changed error"]
    pub fn with_detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = detail.into();
        self
    }

    /// Sets the error that caused this one.
    #[must_use = "returns the changed error"]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Returns the kind, which tells the caller what to do next.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the operation that failed.
    pub fn operation(&self) -> Operation {
        self.0.operation
    }

    /// Returns the blob that the error is about, if it is about one.
    pub fn id(&self) -> Option<ArtifactId> {
        self.0.context.id
    }

    /// Returns the sentence that says what was being done or what to do about it. May be empty.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// Returns the size of the blob in bytes, if the kind is [`ErrorKind::InvalidRange`].
    pub fn blob_size(&self) -> Option<u64> {
        self.0.context.blob_size
    }

    /// Returns whether the same call may succeed later without any other change.
    ///
    /// This is true for [`ErrorKind::Unavailable`] only. It is false for
    /// [`ErrorKind::Ambiguous`]: a retry under the same id could meet the blob of the first try.
    pub fn is_retryable(&self) -> bool {
        self.kind() == ErrorKind::Unavailable
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
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

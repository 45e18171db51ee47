//! The error type of every backend.

use std::borrow::Cow;
use std::fmt;

use crate::error_repr::ErrorRepr;
use crate::id::ArtifactId;
use crate::range::RangeNotSatisfiable;

/// The result of a backend operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The source of an error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// What went wrong, named after what the caller does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
// New variants go to the end: some binary formats write the index.
pub enum ErrorKind {
    /// The backend knows that this blob is absent. No other failure has this kind.
    NotFound,
    /// Another blob has this id and keeps it. Mint a new id.
    AlreadyExists,
    /// It cannot be known whether the blob was stored. Mint a new id; the first blob may exist and
    /// is then an orphan.
    Ambiguous,
    /// The backend cannot serve the call now. The same call may succeed later.
    Unavailable,
    /// Disk, quota, inodes or a configured limit are used up. An operator must make room.
    OutOfSpace,
    /// The blob is larger than the backend or a limit of the caller allows.
    TooLarge,
    /// The range holds no byte of the blob. [`Error::blob_size`] returns the size of the blob.
    InvalidRange,
    /// The stored data is not what was acknowledged, or is foreign. An operator must inspect it.
    Corrupt,
    /// The backend lacks a permission. An operator must grant it.
    PermissionDenied,
    /// The setup is wrong: root or bucket missing, wrong layout version.
    Misconfigured,
    /// This backend does not support the operation.
    Unsupported,
    /// Any other failure: a fault in the backend, or a rare error of the operating system.
    Unexpected,
}

impl ErrorKind {
    /// All kinds, for tables and tests.
    pub const ALL: &'static [Self] = &[
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

    /// Returns the words for this kind in messages.
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

/// The backend operation that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
// New variants go to the end: some binary formats write the index.
pub enum Operation {
    /// Opening the backend.
    Open,
    /// [`ArtifactBackend::store`](crate::ArtifactBackend::store).
    Store,
    /// [`ArtifactBackend::upload`](crate::ArtifactBackend::upload), before the first write.
    Upload,
    /// [`Upload::write`](crate::Upload::write).
    Write,
    /// [`Upload::commit`](crate::Upload::commit).
    Commit,
    /// [`Upload::abort`](crate::Upload::abort).
    Abort,
    /// [`ArtifactBackend::load`](crate::ArtifactBackend::load).
    Load,
    /// [`ArtifactBackend::download`](crate::ArtifactBackend::download) and its stream.
    Download,
    /// [`ArtifactInventory::list`](crate::ArtifactInventory::list).
    List,
    /// [`ArtifactBackend::stat`](crate::ArtifactBackend::stat).
    Stat,
    /// [`ArtifactInventory::delete`](crate::ArtifactInventory::delete).
    Delete,
    /// [`ArtifactInventory::sweep`](crate::ArtifactInventory::sweep).
    Sweep,
    /// [`ArtifactInventory::store_id`](crate::ArtifactInventory::store_id).
    ReadStoreId,
    /// [`ArtifactInventory::create_store_id`](crate::ArtifactInventory::create_store_id).
    CreateStoreId,
    /// [`ArtifactInventory::probe`](crate::ArtifactInventory::probe).
    Probe,
    /// [`NoteLog::position`](crate::NoteLog::position) and [`NoteLog::replay`](crate::NoteLog::replay).
    Replay,
}

impl Operation {
    /// Returns the word for this operation in messages.
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
            Self::ReadStoreId => "read store id",
            Self::CreateStoreId => "create store id",
            Self::Probe => "probe",
            Self::Replay => "replay",
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

    /// Marks the error of a call that has used up its time: the backend retried until a deadline.
    #[must_use = "returns the changed error"]
    pub fn with_timed_out(mut self) -> Self {
        self.0.context.timed_out = true;
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

    /// Returns the id if the error is about one damaged blob: if its kind is
    /// [`Corrupt`](ErrorKind::Corrupt) and it carries an id.
    ///
    /// A [list](crate::ArtifactInventory::list) goes on after such an error and ends after any other.
    pub fn damaged_blob(&self) -> Option<ArtifactId> {
        self.id().filter(|_| self.kind() == ErrorKind::Corrupt)
    }

    /// Returns the sentence that says what was being done or what to do about it. May be empty.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// Returns the size of the blob in bytes, if the kind is [`ErrorKind::InvalidRange`].
    pub fn blob_size(&self) -> Option<u64> {
        self.0.context.blob_size
    }

    /// Returns whether the call has used up its time. Another call at once, also with another id, may
    /// take as long again; so a caller with a deadline of its own should fail.
    pub fn has_timed_out(&self) -> bool {
        self.0.context.timed_out
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

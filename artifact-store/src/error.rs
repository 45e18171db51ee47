//! The error of the store.

use std::borrow::Cow;
use std::fmt;

use artifact_backend::error_repr::ErrorRepr;
use artifact_backend::{ArtifactId, BoxError};

/// The result of an operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The kind of an error, named after what the caller does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
// New variants go to the end: some binary formats write the index.
pub enum ErrorKind {
    /// The artifact, experiment, worker or group does not exist.
    NotFound,
    /// The principal may not read this artifact.
    Forbidden,
    /// A row, worker or group with this id exists already, and stays unchanged.
    AlreadyExists,
    /// The name is reserved, or the group with this name cannot be deleted.
    Reserved,
    /// A group would be its own member, directly or through others.
    Cycle,
    /// The deposit exceeded the size limit, or a group its number of members. Nothing of it remains.
    TooLarge,
    /// The bytes of the deposit do not have the expected digest. Nothing of it remains.
    DigestMismatch,
    /// The range selects no byte of the artifact; [`Error::blob_size`] returns its size.
    InvalidRange,
    /// The operation cannot be done now, or it is unknown whether it was done. Retry it; repeat a
    /// deposit from its first byte. The failed deposit leaves an orphan at most.
    Unavailable,
    /// Storage is full. An operator must free some.
    OutOfSpace,
    /// The stored data is not the data that was acknowledged. An operator must investigate.
    Corrupt,
    /// The setup is wrong: an invalid URL, another program's or a newer database, missing
    /// permissions.
    Misconfigured,
    /// This build or this backend does not support the operation.
    Unsupported,
    /// Any other failure: a bug in the store, or a caller that continued after an error.
    Unexpected,
    /// A hold is on the artifact, so it cannot be removed. An administrator can release the hold.
    Held,
    /// The idempotency key was used for another deposit, or the artifact of that deposit was removed. Nothing was stored.
    /// Use a new key.
    KeyReused,
    /// The upload has another number of bytes; [`Error::blob_size`] returns it. Continue there.
    OffsetMismatch,
    /// The upload would be longer than declared, is shorter, or another length was declared. Send the file that was declared,
    /// or begin a new upload.
    LengthMismatch,
    /// The principal has as many open uploads, or the upload as many parts, as allowed. Complete or end some.
    LimitReached,
    /// The name in the collection was given before, or one above or below it. Nothing was stored. Use another name.
    NameTaken,
    /// The collection is sealed, or is being deleted. Nothing was changed. Use another collection.
    Sealed,
    /// The deposit does not fit into a quota, in bytes or in the number of artifacts. Nothing of it remains. Remove artifacts, or
    /// ask the administrator for more.
    QuotaExceeded,
    /// A quota allows no further deposit at the same time. Nothing was stored. Repeat it when another one has ended.
    TooManyInFlight,
}

impl ErrorKind {
    /// Every kind, for tables and tests.
    pub const ALL: &'static [Self] = &[
        Self::NotFound,
        Self::Forbidden,
        Self::AlreadyExists,
        Self::Reserved,
        Self::Cycle,
        Self::TooLarge,
        Self::DigestMismatch,
        Self::InvalidRange,
        Self::Unavailable,
        Self::OutOfSpace,
        Self::Corrupt,
        Self::Misconfigured,
        Self::Unsupported,
        Self::Unexpected,
        Self::Held,
        Self::KeyReused,
        Self::OffsetMismatch,
        Self::LengthMismatch,
        Self::LimitReached,
        Self::NameTaken,
        Self::Sealed,
        Self::QuotaExceeded,
        Self::TooManyInFlight,
    ];

    /// Returns the text for the kind in error messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not found",
            Self::Forbidden => "forbidden",
            Self::AlreadyExists => "already exists",
            Self::Reserved => "reserved name",
            Self::Cycle => "cycle of groups",
            Self::TooLarge => "too large",
            Self::DigestMismatch => "digest mismatch",
            Self::InvalidRange => "range not satisfiable",
            Self::Unavailable => "unavailable",
            Self::OutOfSpace => "out of space",
            Self::Corrupt => "corrupt",
            Self::Misconfigured => "misconfigured",
            Self::Unsupported => "unsupported",
            Self::Unexpected => "unexpected failure",
            Self::Held => "held",
            Self::KeyReused => "idempotency key reused",
            Self::OffsetMismatch => "offset mismatch",
            Self::LengthMismatch => "length mismatch",
            Self::LimitReached => "limit reached",
            Self::NameTaken => "name taken",
            Self::Sealed => "sealed",
            Self::QuotaExceeded => "quota exceeded",
            Self::TooManyInFlight => "too many deposits at the same time",
        }
    }

    /// Converts the kind of a backend's error.
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

impl From<artifact_backend::ErrorKind> for ErrorKind {
    fn from(kind: artifact_backend::ErrorKind) -> Self {
        Self::from_backend(kind)
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An operation of the store, of its catalog or of its identities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
// New variants go to the end: some binary formats write the index.
pub enum Operation {
    /// Parsing a URL and opening the backend that it names.
    OpenBackend,
    /// Parsing a URL and opening the database that it names.
    OpenDatabase,
    /// Closing the database.
    CloseDatabase,
    /// Listing, deleting or sweeping the blobs of a backend.
    MaintainBackend,
    /// Checking that a database and a backend belong together.
    JoinHalves,
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
    /// Finding the stored credential of a worker or of a named administrator.
    FindCredential,
    /// Creating, changing or deleting a group.
    WriteGroup,
    /// Finding groups.
    FindGroup,
    /// Deciding whether a principal may read.
    Authorize,
    /// A deposit, including its row.
    Deposit,
    /// Reading bytes.
    Read,
    /// Listing rows, or adding up their sizes.
    ListRows,
    /// Placing, releasing or finding a hold.
    Hold,
    /// Setting or finding the retention of an experiment, or finding expired rows.
    Retention,
    /// Finding removed rows.
    FindRemovals,
    /// Taking the lease of a maintenance task.
    Lease,
    /// Finding or writing how far a scrub is.
    RecordScrub,
    /// Copying the contents of a database: reading or writing a dump, [`copy_database`](crate::copy_database).
    Dump,
    /// Backing up a store, or checking a backup.
    Backup,
    /// Restoring a store from a backup.
    Restore,
    /// Writing an archive of an experiment.
    Export,
    /// Reading an archive of an experiment, or writing its rows.
    Import,
    /// Reading or changing where the blobs of a store are.
    Placement,
    /// Copying a blob from one backend to another.
    CopyBlob,
    /// Making, finding or revoking grants and links.
    Share,
    /// Creating, continuing, completing or ending a resumable upload.
    Upload,
    /// Registering or deleting a named administrator, or replacing its credential.
    WriteAdministrator,
    /// Finding named administrators.
    FindAdministrator,
    /// Recording, replacing or finding the admin token that the servers of a database share.
    AdminToken,
    /// Reading or changing a collection.
    Collection,
    /// Setting, removing or reading a quota.
    Quota,
    /// Signing or proving a receipt, or appending to the log of receipts.
    Receipt,
    /// Bringing a database up to the notes of the backend.
    CatchUp,
}

impl Operation {
    /// Returns the text for the operation in error messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenBackend => "open backend",
            Self::OpenDatabase => "open database",
            Self::CloseDatabase => "close database",
            Self::MaintainBackend => "maintain backend",
            Self::JoinHalves => "join database and backend",
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
            Self::ListRows => "list rows",
            Self::Hold => "hold artifact",
            Self::Retention => "keep or expire artifacts",
            Self::FindRemovals => "find removed rows",
            Self::Lease => "take maintenance lease",
            Self::RecordScrub => "record scrub",
            Self::Dump => "copy database",
            Self::Backup => "back up",
            Self::Restore => "restore",
            Self::Export => "export",
            Self::Import => "import",
            Self::Placement => "read or change placement",
            Self::CopyBlob => "copy blob",
            Self::Share => "share",
            Self::Upload => "resumable upload",
            Self::WriteAdministrator => "write administrator",
            Self::FindAdministrator => "find administrator",
            Self::AdminToken => "find or record admin token",
            Self::Collection => "read or change collection",
            Self::Quota => "set or read quota",
            Self::Receipt => "read or extend the log of receipts",
            Self::CatchUp => "catch up with the notes of the backend",
        }
    }

    /// Converts the operation of a backend's error.
    const fn from_backend(operation: artifact_backend::Operation) -> Self {
        use artifact_backend::Operation as Backend;
        match operation {
            Backend::Open | Backend::Probe => Self::OpenBackend,
            Backend::Store
            | Backend::Upload
            | Backend::Write
            | Backend::Commit
            | Backend::Abort => Self::Deposit,
            Backend::Load | Backend::Download | Backend::Stat => Self::Read,
            Backend::ReadStoreId | Backend::CreateStoreId => Self::JoinHalves,
            _ => Self::MaintainBackend,
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
/// `Display` shows this layer only: operation, id, kind and detail. The layer below is in
/// [`source`](std::error::Error::source) and is not repeated.
pub struct Error(Box<ErrorRepr<ErrorKind, Operation>>);

impl Error {
    /// Creates an error without id, detail or source.
    pub fn new(kind: ErrorKind, operation: Operation) -> Self {
        Self(ErrorRepr::new(kind, operation))
    }

    /// Converts a backend's error.
    pub(crate) fn backend(operation: Operation, source: artifact_backend::Error) -> Self {
        let mut error = Self::new(ErrorKind::from_backend(source.kind()), operation);
        error.0.context.id = source.id();
        error.0.context.blob_size = source.blob_size();
        error.with_source(source)
    }

    /// Sets the kind.
    #[must_use = "returns the changed error"]
    pub(crate) fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// Sets the artifact that the error is about.
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

    /// Sets the actual size of the artifact in bytes.
    #[must_use = "returns the changed error"]
    pub fn with_blob_size(mut self, bytes: u64) -> Self {
        self.0.context.blob_size = Some(bytes);
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

    /// Returns the artifact that the error is about, if it is about one.
    pub fn id(&self) -> Option<ArtifactId> {
        self.0.context.id
    }

    /// Returns the sentence that says what was being done or what to do about it. May be empty.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// Returns the size of the artifact in bytes, if the kind is [`ErrorKind::InvalidRange`], or the number of bytes of the
    /// upload, if it is [`ErrorKind::OffsetMismatch`].
    pub fn blob_size(&self) -> Option<u64> {
        self.0.context.blob_size
    }

    /// Returns whether the same call may succeed later without any other change. For a deposit, the
    /// call is the whole deposit from its first byte.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self.kind(),
            ErrorKind::Unavailable | ErrorKind::TooManyInFlight
        )
    }
}

/// So that `?` converts the errors of a backend, for example those of
/// [`Backend::from_url`](crate::Backend::from_url).
impl From<artifact_backend::Error> for Error {
    fn from(error: artifact_backend::Error) -> Self {
        Self::backend(Operation::from_backend(error.operation()), error)
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

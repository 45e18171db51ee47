//! The rules that a write can break.

use super::subject::Subject;
use crate::error::{Error, ErrorKind, Result};

/// The rule because of which a database rejects a write. The write is then not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rejected {
    pub(crate) kind: ErrorKind,
    pub(crate) detail: &'static str,
}

impl Rejected {
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(crate) const CLOSED: Self = Self::new(ErrorKind::Unavailable, "the database is closed");
    pub(crate) const LATE: Self = Self::new(
        ErrorKind::Unavailable,
        "the database is too slow: the write was not begun in time",
    );
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(crate) const LOCKED: Self = Self::new(
        ErrorKind::Unavailable,
        "another process holds the write lock of the database; nothing was written",
    );
    pub(crate) const LEFT_BACKEND: Self = Self::new(
        ErrorKind::Unavailable,
        "the bytes were stored in a backend whose blobs were moved to another one meanwhile; repeat the deposit",
    );
    pub(crate) const PLACEMENT_CHANGED: Self = Self::new(
        ErrorKind::AlreadyExists,
        "another process has changed where the blobs of the store are",
    );
    pub(crate) const NO_EXPERIMENT: Self =
        Self::new(ErrorKind::NotFound, "the experiment does not exist");
    pub(crate) const NO_ARTIFACT: Self =
        Self::new(ErrorKind::NotFound, "the artifact does not exist");
    pub(crate) const NO_WORKER: Self = Self::new(ErrorKind::NotFound, "the worker does not exist");
    pub(crate) const NO_GROUP: Self = Self::new(ErrorKind::NotFound, "the group does not exist");
    pub(crate) const NO_ADMINISTRATOR: Self =
        Self::new(ErrorKind::NotFound, "the administrator does not exist");
    pub(crate) const ROW_EXISTS: Self =
        Self::new(ErrorKind::AlreadyExists, "the artifact has a row already");
    pub(crate) const STAGED_TWICE: Self = Self::new(
        ErrorKind::AlreadyExists,
        "the import has staged the artifact already: an archive has each artifact once",
    );
    pub(crate) const TAKEN_MEANWHILE: Self = Self::new(
        ErrorKind::AlreadyExists,
        "an artifact of the import has got a row, or was removed or condemned, since it was staged; nothing was \
         imported. Repeat the import, which says which artifact it is",
    );
    pub(crate) const TAKEN_OVER: Self = Self::new(
        ErrorKind::Unavailable,
        "another import of the same artifacts runs or ran meanwhile; nothing was imported. Repeat the import when it \
         has ended",
    );
    /// The catalog returns this as a value, not as an error.
    pub(crate) const KEY_TAKEN: Self = Self::new(
        ErrorKind::AlreadyExists,
        "the idempotency key of the deposit is in use",
    );
    pub(crate) const ID_TAKEN: Self = Self::new(ErrorKind::AlreadyExists, "the id is taken");
    pub(crate) const RESERVED_NAME: Self = Self::new(ErrorKind::Reserved, "the name is reserved");
    pub(crate) const TOKEN_OVER: Self = Self::new(
        ErrorKind::AlreadyExists,
        "the admin token was replaced before and is over; make a new one",
    );
    pub(crate) const CYCLE: Self = Self::new(ErrorKind::Cycle, "the group would be its own member");
    pub(crate) const TOO_MANY_MEMBERS: Self = Self::new(
        ErrorKind::TooLarge,
        "a group has at most 32,768 direct members",
    );
    pub(crate) const SIZE: Self =
        Self::new(ErrorKind::TooLarge, "a database holds sizes up to i64::MAX");

    pub(crate) const NO_GRANT: Self = Self::new(ErrorKind::NotFound, "the grant does not exist");
    pub(crate) const NO_LINK: Self = Self::new(ErrorKind::NotFound, "the link does not exist");
    pub(crate) const TOO_MANY_SHARES: Self = Self::new(
        ErrorKind::TooLarge,
        "an artifact has at most 1,000 grants and 1,000 links; revoke some",
    );

    pub(crate) const DIGESTS: Self = Self::new(
        ErrorKind::Unexpected,
        "the chunk digests are those of an artifact of another size",
    );

    pub(crate) const NO_COLLECTION: Self =
        Self::new(ErrorKind::NotFound, "the collection does not exist");
    pub(crate) const COLLECTION_SEALED: Self = Self::new(
        ErrorKind::Sealed,
        "the collection is sealed or is being deleted; create another one",
    );
    pub(crate) const COLLECTION_DELETING: Self =
        Self::new(ErrorKind::Sealed, "the collection is being deleted");
    pub(crate) const NAME_TAKEN: Self = Self::new(
        ErrorKind::NameTaken,
        "the name was given before; a name is given once",
    );
    pub(crate) const NAME_IS_FOLDER: Self = Self::new(
        ErrorKind::NameTaken,
        "the name is that of a folder: names below it were given before",
    );
    pub(crate) const NAME_BELOW_FILE: Self = Self::new(
        ErrorKind::NameTaken,
        "a part of the name up to a slash was given to a file before, which cannot be a folder too",
    );
    pub(crate) const FILE_HELD: Self = Self::new(
        ErrorKind::Held,
        "a hold is on a file of the collection; the administrator can release it",
    );
    pub(crate) const FILES_LEFT: Self =
        Self::new(ErrorKind::Held, "a file is still in the collection");

    const fn new(kind: ErrorKind, detail: &'static str) -> Self {
        Self { kind, detail }
    }

    /// Returns whether an error comes from this rule.
    pub(crate) fn caused(self, error: &Error) -> bool {
        error.kind() == self.kind && error.detail() == self.detail
    }

    pub(crate) fn into_error(self, subject: impl Into<Subject>) -> Error {
        subject.into().error(self.kind).with_detail(self.detail)
    }
}

/// Returns whether a row with a key was inserted: `false` if the key is in use.
pub(crate) fn is_inserted(outcome: Result<()>) -> Result<bool> {
    match outcome {
        Ok(()) => Ok(true),
        Err(error) if Rejected::KEY_TAKEN.caused(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

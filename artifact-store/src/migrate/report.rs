//! What a migrator does and finds.

use artifact_backend::ArtifactId;

use crate::catalog::RowPosition;
use crate::error::Error;

/// Why a blob cannot be moved. The migration does not end before the blob is restored, or the artifact is deleted.
#[derive(Debug)]
#[non_exhaustive]
pub enum MigrateFinding {
    /// The stored bytes, or their number, are not those that were deposited. They were not copied.
    Corrupt {
        /// The artifact.
        id: ArtifactId,
        /// What is wrong, and in which of the two backends.
        error: Error,
    },
    /// The artifact has a row, and neither backend has its blob.
    Missing {
        /// The artifact.
        id: ArtifactId,
    },
}

/// What a migrator does, when it happens.
#[derive(Debug)]
#[non_exhaustive]
pub enum MigrateEvent {
    /// The state has changed.
    Entered(MigrateState),
    /// A blob cannot be moved.
    Found(MigrateFinding),
    /// A blob could not be copied or deleted now, for example because a backend does not answer.
    Failed {
        /// The artifact.
        id: ArtifactId,
        /// Why.
        error: Error,
    },
    /// One more artifact was looked at, or a piece of one was read.
    Progress {
        /// The number of artifacts so far.
        artifacts: u64,
        /// The bytes that were read so far.
        bytes: u64,
    },
    /// The blobs of all rows up to this position are in the new backend, and the database knows it.
    Reached(RowPosition),
}

/// How far a migration is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[non_exhaustive]
pub enum MigrateState {
    /// The placement was not changed.
    #[default]
    NotBegun,
    /// Servers store in the new backend, and read both.
    Copying,
    /// The database refuses rows with bytes in the old backend.
    Fenced,
    /// Servers use the new backend alone.
    Done,
    /// All blobs were deleted from the old backend.
    Emptied,
}

impl MigrateState {
    /// Returns the word for the state.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotBegun => "not begun",
            Self::Copying => "copying",
            Self::Fenced => "fenced",
            Self::Done => "done",
            Self::Emptied => "emptied",
        }
    }
}

/// What one run of a migrator did.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct MigrateReport {
    /// How far the migration is now.
    pub state: MigrateState,
    /// The artifacts that were looked at.
    pub artifacts: u64,
    /// The blobs that were copied, or in a dry run would be.
    pub copied: u64,
    /// Their bytes.
    pub copied_bytes: u64,
    /// The blobs that were in the new backend already.
    pub present: u64,
    /// The blobs that were deleted from the old backend.
    pub deleted: u64,
    /// Their bytes.
    pub deleted_bytes: u64,
    /// Blobs with other bytes than those that were deposited.
    pub corrupt: u64,
    /// Artifacts whose blob neither backend has.
    pub missing: u64,
    /// Rows that cannot be read, so their blobs were not copied; see [`RowPage::unreadable`](crate::RowPage::unreadable).
    pub unreadable_rows: u64,
    /// Blobs that could not be copied or deleted now.
    pub failed: u64,
    /// The bytes that were read.
    pub bytes: u64,
    /// Why the run ended early; `None` if everything was looked at.
    pub unfinished: Option<Error>,
}

impl MigrateReport {
    /// Returns the number of blobs that cannot be moved, including those of rows that cannot be read.
    pub fn findings(&self) -> u64 {
        self.corrupt + self.missing + self.unreadable_rows
    }

    /// Returns whether everything was done, and nothing was found.
    pub fn is_good(&self) -> bool {
        self.findings() == 0 && self.failed == 0 && self.unfinished.is_none()
    }
}

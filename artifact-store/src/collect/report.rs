//! What a collector does and what it found.

use artifact_backend::{ArtifactId, SweepReport};

use crate::error::Error;

/// A part of a collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CollectStep {
    /// Removes expired artifacts.
    Expired,
    /// Lists the blobs, and deletes those without a row.
    Orphans,
    /// Removes the leftovers of crashed deposits.
    Leftovers,
    /// Finds rows without a blob.
    MissingBlobs,
    /// Forgets old keys of deposits. Not in a dry run.
    Keys,
    /// Deletes grants and links that have ended. Not in a dry run.
    Shares,
    /// Removes uploads that are over. Not in a dry run.
    Uploads,
}

impl CollectStep {
    /// Returns the name of the step in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired artifacts",
            Self::Orphans => "orphans",
            Self::Leftovers => "leftovers",
            Self::MissingBlobs => "missing blobs",
            Self::Keys => "idempotency keys",
            Self::Shares => "grants and links",
            Self::Uploads => "resumable uploads",
        }
    }
}

/// Something that a collector did or found, when it happens.
#[derive(Debug)]
#[non_exhaustive]
pub enum CollectEvent {
    /// A step begins.
    Started(CollectStep),
    /// Up to 1,000 more blobs were listed.
    Listed {
        /// The number of blobs so far.
        blobs: u64,
    },
    /// Up to 1,000 more rows were compared with the list of blobs.
    Compared {
        /// The number of rows so far.
        rows: u64,
    },
    /// The row of an expired artifact was removed, or would be without dry run.
    Expired {
        /// The artifact.
        id: ArtifactId,
    },
    /// A blob without a row was deleted, or would be without dry run.
    Orphan {
        /// The id of the blob.
        id: ArtifactId,
        /// The size of the blob in bytes.
        size: u64,
    },
    /// What is stored under this id is not a whole blob. It is left alone.
    Damaged {
        /// The id of the blob.
        id: ArtifactId,
        /// What is wrong.
        error: Error,
    },
    /// The artifact has a row, and its blob is missing. The row is left alone.
    MissingBlob {
        /// The artifact.
        id: ArtifactId,
    },
    /// The work on one id failed. The next collection tries again.
    Failed {
        /// The id.
        id: ArtifactId,
        /// Why.
        error: Error,
    },
}

/// What one collection did. In a dry run, what it would have done.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct CollectReport {
    /// The rows of expired artifacts that were removed.
    pub expired: u64,
    /// Expired artifacts that were kept because of a hold that was placed meanwhile.
    pub held: u64,
    /// The blobs that were listed, without the damaged ones.
    pub blobs: u64,
    /// The bytes of these blobs.
    pub blob_bytes: u64,
    /// The blobs without a row that were deleted.
    pub orphans: u64,
    /// The bytes of these orphans.
    pub orphan_bytes: u64,
    /// The orphans that were found and kept: too many in total, or left to the next collection.
    pub orphans_left: u64,
    /// Damaged blobs, which were left alone.
    pub damaged: u64,
    /// The leftovers of crashed deposits. `None` if the collector did not look for them.
    pub leftovers: Option<SweepReport>,
    /// The rows that were compared with the list of blobs.
    pub rows: u64,
    /// The rows whose blob is missing.
    pub missing: u64,
    /// The ids whose work failed.
    pub failed: u64,
    /// The old keys of deposits that were forgotten.
    pub keys: u64,
    /// The grants and links that had ended, and were deleted.
    pub shares: u64,
    /// The resumable uploads that were over, or complete with parts left, and whose parts were removed.
    pub uploads: u64,
    /// The steps that ended early, and why. The others were done.
    pub unfinished: Vec<(CollectStep, Error)>,
}

impl CollectReport {
    /// Returns whether all steps were done, no id failed and no blob is damaged or missing.
    pub fn is_good(&self) -> bool {
        self.unfinished.is_empty() && self.failed + self.damaged + self.missing == 0
    }
}

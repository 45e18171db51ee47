//! What a scrubber finds.

use artifact_backend::ArtifactId;

use crate::catalog::{RowPosition, ScrubRecord};
use crate::error::Error;

/// Something wrong with one id.
#[derive(Debug)]
#[non_exhaustive]
pub enum ScrubFinding {
    /// The stored bytes, or their number, are not those that were deposited.
    Corrupt {
        /// The artifact, or the id of a damaged blob without a row.
        id: ArtifactId,
        /// What is wrong.
        error: Error,
    },
    /// The artifact has a row, and its blob is missing.
    Missing {
        /// The artifact.
        id: ArtifactId,
    },
    /// The blob has no row, and is as old as the grace period. A [`Collector`](crate::Collector) deletes it. The blob of an
    /// artifact that was removed is no finding, because its deletion may be in progress; the collector deletes what is left of it.
    Orphaned {
        /// The id of the blob.
        id: ArtifactId,
        /// The size of the blob in bytes.
        size: u64,
    },
}

impl ScrubFinding {
    /// Returns the id that the finding is about.
    pub fn id(&self) -> ArtifactId {
        match self {
            Self::Corrupt { id, .. } | Self::Missing { id } | Self::Orphaned { id, .. } => *id,
        }
    }

    /// Returns `corrupt`, `missing` or `orphaned`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Corrupt { .. } => "corrupt",
            Self::Missing { .. } => "missing",
            Self::Orphaned { .. } => "orphaned",
        }
    }
}

/// What a scrubber found or did, when it happens.
#[derive(Debug)]
#[non_exhaustive]
pub enum ScrubEvent {
    /// Something is wrong with an id.
    Found(ScrubFinding),
    /// A blob could not be checked, for example because the storage does not answer.
    Unchecked {
        /// The artifact.
        id: ArtifactId,
        /// Why.
        error: Error,
    },
    /// One more artifact was checked, or a chunk of it was read.
    Progress {
        /// The number of artifacts so far.
        artifacts: u64,
        /// The bytes that were read so far.
        bytes: u64,
    },
    /// All artifacts up to this position were checked. A later [`run`](super::Scrubber::run) can continue after it.
    Reached(RowPosition),
}

/// What one scrub did.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct ScrubReport {
    /// The artifacts that were checked.
    pub artifacts: u64,
    /// The bytes that were read.
    pub bytes: u64,
    /// Artifacts with other bytes than those that were deposited, and damaged blobs without a row.
    pub corrupt: u64,
    /// Artifacts without a blob.
    pub missing: u64,
    /// Old blobs without a row.
    pub orphaned: u64,
    /// Artifacts that had no [chunk digests](crate::ChunkDigests), and got them from this process; see
    /// [`with_added_chunk_digests`](super::ScrubOptions::with_added_chunk_digests).
    pub chunk_digests_added: u64,
    /// Rows that cannot be read, so their blobs were not checked; see [`RowPage::unreadable`](crate::RowPage::unreadable).
    pub unreadable_rows: u64,
    /// Artifacts that could not be checked.
    pub unchecked: u64,
    /// The position up to which all rows were looked at. It is the position after which the last page began.
    pub reached: RowPosition,
    /// Why the scrub ended before everything was looked at; `None` if it did not.
    pub unfinished: Option<Error>,
}

impl ScrubReport {
    /// Returns the number of findings, including the rows that cannot be read.
    pub fn findings(&self) -> u64 {
        self.corrupt + self.missing + self.orphaned + self.unreadable_rows
    }

    /// Returns whether everything was looked at. There can be findings nevertheless.
    pub fn is_complete(&self) -> bool {
        self.unfinished.is_none() && self.unchecked == 0
    }

    /// Creates the report of a scrub that goes on.
    pub(super) fn of(record: &ScrubRecord) -> Self {
        let ScrubRecord {
            number: _,
            is_finished: _,
            age: _,
            reached,
            artifacts,
            bytes,
            corrupt,
            missing,
            orphaned: _,
            unreadable_rows,
            unchecked,
            known_damaged: _,
        } = *record;
        Self {
            artifacts,
            bytes,
            corrupt,
            missing,
            orphaned: 0,
            chunk_digests_added: 0,
            unreadable_rows,
            unchecked,
            reached,
            unfinished: None,
        }
    }

    /// Returns the record of a scrub that goes on later.
    pub(super) fn record(&self, number: u64) -> ScrubRecord {
        ScrubRecord {
            reached: self.reached,
            artifacts: self.artifacts,
            bytes: self.bytes,
            corrupt: self.corrupt,
            missing: self.missing,
            orphaned: self.orphaned,
            unreadable_rows: self.unreadable_rows,
            unchecked: self.unchecked,
            ..ScrubRecord::new(number)
        }
    }
}

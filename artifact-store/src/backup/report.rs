//! What backups, checks and restores find and do.

use artifact_backend::ArtifactId;

use super::manifest::LeftOutReason;
use crate::dump::DumpCounts;
use crate::error::Error;

/// What a backup, a check or a restore found or did, when it happens.
#[derive(Debug)]
#[non_exhaustive]
pub enum BackupEvent {
    /// The records of the database are in the snapshot, or the snapshot was selected.
    Snapshot {
        /// Its number.
        number: u64,
        /// Its records.
        counts: DumpCounts,
    },
    /// An artifact is left out: by a backup because of the store, by a check or a restore because of the backup.
    LeftOut {
        /// The artifact.
        id: ArtifactId,
        /// Why.
        why: LeftOutReason,
        /// What is wrong with its bytes.
        error: Option<Error>,
    },
    /// A blob could not be read or written, for example because the storage does not answer.
    Failed {
        /// The artifact.
        id: ArtifactId,
        /// Why.
        error: Error,
    },
    /// One more artifact was dealt with.
    Progress {
        /// The number of artifacts so far.
        artifacts: u64,
        /// The bytes that were read so far.
        bytes: u64,
    },
    /// An older snapshot was removed.
    Pruned {
        /// Its number.
        number: u64,
    },
}

/// What one backup, check or restore did.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct BackupReport {
    /// The number of the snapshot, if there is one.
    pub number: Option<u64>,
    /// The records of the snapshot.
    pub counts: DumpCounts,
    /// The artifacts of the snapshot that were looked at.
    pub artifacts: u64,
    /// The artifacts whose blob was copied, or read by a check; or would be, in a dry run.
    pub copied: u64,
    /// The bytes of these.
    pub copied_bytes: u64,
    /// The artifacts whose blob was there before.
    pub present: u64,
    /// The artifacts that were removed from the store before their blob was copied.
    pub removed: u64,
    /// The artifacts whose blob is missing.
    pub missing: u64,
    /// The artifacts whose bytes are not those that were deposited.
    pub corrupt: u64,
    /// The artifacts whose blob could not be read or written.
    pub failed: u64,
    /// The older snapshots that were removed.
    pub pruned_snapshots: u64,
    /// The blobs that were removed with them.
    pub pruned_blobs: u64,
    /// Whether an earlier restore had completed, so that this one only tidied up.
    pub was_complete: bool,
    /// Whether the snapshot was completed, checked to its end, or restored. False after a dry run.
    pub is_complete: bool,
    /// Why it ended before everything was done; `None` if it did not.
    pub unfinished: Option<Error>,
}

impl BackupReport {
    /// Returns the number of findings: missing and corrupt blobs, and records that cannot be read.
    pub fn findings(&self) -> u64 {
        self.missing + self.corrupt + self.counts.unreadable
    }
}

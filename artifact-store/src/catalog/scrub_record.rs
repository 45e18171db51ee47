//! What the catalog keeps of a scrub.

use std::time::Duration;

use super::position::RowPosition;

/// How far a scrub is, or what it found, so that another process can continue it; see
/// [`Scrubber::run_due`](crate::Scrubber::run_due).
///
/// The numbers count from the begin of the scrub, across all processes that continued it, up to
/// [`reached`](Self::reached).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ScrubRecord {
    /// The number of the scrub. The first one is 1.
    pub number: u64,
    /// Whether the scrub has looked at everything.
    pub is_finished: bool,
    /// How long ago the scrub began, by the clock of the database. Not written.
    pub age: Duration,
    /// The position up to which all artifacts were checked.
    pub reached: RowPosition,
    /// The artifacts that were checked.
    pub artifacts: u64,
    /// The bytes that were read.
    pub bytes: u64,
    /// The artifacts with other bytes than those that were deposited.
    pub corrupt: u64,
    /// The artifacts without a blob.
    pub missing: u64,
    /// The old blobs without a row. 0 before the end.
    pub orphaned: u64,
    /// The rows that cannot be read.
    pub unreadable_rows: u64,
    /// The artifacts that could not be checked.
    pub unchecked: u64,
    /// The artifacts that are known to be corrupt or missing: the most that a scrub has found since the last one that could check
    /// everything, including that one. A new scrub knows of earlier damage until it has checked everything itself. Not written.
    pub known_damaged: u64,
}

impl ScrubRecord {
    /// Creates the record of a scrub that begins.
    pub fn new(number: u64) -> Self {
        Self {
            number,
            ..Self::default()
        }
    }

    /// Returns how many artifacts this scrub has found to be corrupt or missing.
    pub(crate) fn damaged(&self) -> u64 {
        self.corrupt.saturating_add(self.missing)
    }

    /// Creates the record of the scrub that follows this one.
    pub(crate) fn next(&self) -> Self {
        Self {
            known_damaged: self.known_damaged,
            ..Self::new(self.number.saturating_add(1))
        }
    }
}

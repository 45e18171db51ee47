//! Counts what was made durable.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a backend has done since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PackStats {
    /// The number of records that were made durable: one for each store, each delete, and each blob that a compaction moved.
    pub records: u64,
    /// The number of syncs that made them durable.
    pub syncs: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    records: AtomicU64,
    syncs: AtomicU64,
}

impl Counters {
    /// Counts a sync that made records durable.
    pub(crate) fn count(&self, records: usize) {
        self.records.fetch_add(records as u64, Ordering::Relaxed);
        self.syncs.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> PackStats {
        PackStats {
            records: self.records.load(Ordering::Relaxed),
            syncs: self.syncs.load(Ordering::Relaxed),
        }
    }
}

//! The settings of backups and restores.

use std::num::NonZero;
use std::sync::Arc;

use artifact_backend::{Clock, SystemClock};

/// The settings of a [`Backup`](super::Backup), a check of one, and a [`Restore`](super::Restore).
#[derive(Debug, Clone)]
pub struct BackupOptions {
    pub(super) bytes_per_second: Option<u64>,
    pub(super) keep: Option<NonZero<usize>>,
    pub(super) dry_run: bool,
    pub(super) without_damaged: bool,
    pub(super) rows_in_memory: usize,
    pub(super) clock: Arc<dyn Clock>,
}

impl Default for BackupOptions {
    fn default() -> Self {
        Self {
            bytes_per_second: None,
            keep: None,
            dry_run: false,
            without_damaged: false,
            rows_in_memory: 1 << 18,
            clock: Arc::new(SystemClock),
        }
    }
}

impl BackupOptions {
    /// Sets how many bytes of artifacts are read per second at most. 0 and the default are no limit.
    #[must_use = "returns the changed settings"]
    pub fn with_bytes_per_second(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.bytes_per_second = bytes.into();
        self
    }

    /// Sets how many of the newest snapshots a backup keeps. It removes the older ones at its end, with the blobs that no kept snapshot
    /// needs. The default is that nothing is removed.
    #[must_use = "returns the changed settings"]
    pub fn with_keep(mut self, snapshots: impl Into<Option<NonZero<usize>>>) -> Self {
        self.keep = snapshots.into();
        self
    }

    /// Sets that nothing is written: the report says what would be copied. The default is false.
    #[must_use = "returns the changed settings"]
    pub fn with_dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// Sets that a restore leaves out the artifacts whose blob is damaged in the backup, and completes without them. The
    /// default is that it does not complete then.
    #[must_use = "returns the changed settings"]
    pub fn with_without_damaged(mut self, without_damaged: bool) -> Self {
        self.without_damaged = without_damaged;
        self
    }

    /// Sets how many rows are compared with one list of the blobs, at least 1. Each takes 64 bytes of memory. The default is
    /// 262,144, which is 16 MiB.
    #[must_use = "returns the changed settings"]
    pub fn with_rows_in_memory(mut self, rows: usize) -> Self {
        self.rows_in_memory = rows.max(1);
        self
    }

    /// Sets the clock that dates snapshots. The default is that of the system.
    #[must_use = "returns the changed settings"]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}

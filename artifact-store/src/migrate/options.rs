//! The settings of a migrator.

/// The settings of a [`Migrator`](super::Migrator).
#[derive(Debug, Clone)]
pub struct MigrateOptions {
    pub(super) bytes_per_second: Option<u64>,
    pub(super) parallel: usize,
    pub(super) dry_run: bool,
    pub(super) delete_source: bool,
}

impl Default for MigrateOptions {
    fn default() -> Self {
        Self {
            bytes_per_second: None,
            parallel: 16,
            dry_run: false,
            delete_source: false,
        }
    }
}

impl MigrateOptions {
    /// Sets how many bytes are read per second at most. 0 and the default are no limit.
    #[must_use = "returns the changed settings"]
    pub fn with_bytes_per_second(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.bytes_per_second = bytes.into();
        self
    }

    /// Sets how many blobs are copied at the same time (default: 16, at least 1, at most 64).
    #[must_use = "returns the changed settings"]
    pub fn with_parallel(mut self, blobs: usize) -> Self {
        self.parallel = blobs.clamp(1, 64);
        self
    }

    /// Only counts what would be copied (default: false). Writes nothing, neither to the database nor to a backend.
    #[must_use = "returns the changed settings"]
    pub fn with_dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// Deletes each blob from the backend that was left, once the migration has ended and the blob was read back from the
    /// new backend (default: false). The store can never be moved back to that backend.
    #[must_use = "returns the changed settings"]
    pub fn with_delete_source(mut self, delete: bool) -> Self {
        self.delete_source = delete;
        self
    }
}

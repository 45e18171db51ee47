//! How a folder is used.

/// Settings of an [`FsBackend`](crate::FsBackend); the defaults suit a local disk.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FsConfig {
    /// Use named temporaries in `staging/` even where the file system has unnamed ones
    /// (`O_TMPFILE`). For tests, and for file systems whose unnamed ones are broken.
    pub named_staging: bool,
    /// How many stores and steps of uploads may be in the blocking pool at once; 48 by default.
    /// More callers wait without a thread. More threads than the disk can use only get in each
    /// other's way.
    pub max_concurrent_writes: usize,
    /// How many reads that wait for the disk may be in the blocking pool at once; 32 by default.
    pub max_concurrent_reads: usize,
    /// Blobs, and pieces of downloads, of up to so many bytes are read on the caller's own thread
    /// where that needs no wait for the disk; 1 MiB by default, zero for never. After each MiB a
    /// thread lets others run.
    pub inline_read_bytes: u64,
    /// Memory that was read into and is free again is kept for the next reads, up to so many bytes in
    /// all; 64 MiB by default. It is taken only as loads and downloads need it.
    pub idle_buffer_bytes: usize,
}

impl Default for FsConfig {
    fn default() -> Self {
        Self {
            named_staging: false,
            max_concurrent_writes: 48,
            max_concurrent_reads: 32,
            inline_read_bytes: 1 << 20,
            idle_buffer_bytes: 64 << 20,
        }
    }
}

impl FsConfig {
    /// The same, with named temporaries or without.
    #[must_use = "this gives the settings back, it does not change them in place"]
    pub fn with_named_staging(mut self, named: bool) -> Self {
        self.named_staging = named;
        self
    }

    /// The same, with so many writes at once; at least one.
    #[must_use = "this gives the settings back, it does not change them in place"]
    pub fn with_max_concurrent_writes(mut self, most: usize) -> Self {
        self.max_concurrent_writes = most.max(1);
        self
    }

    /// The same, with so many reads at once; at least one.
    #[must_use = "this gives the settings back, it does not change them in place"]
    pub fn with_max_concurrent_reads(mut self, most: usize) -> Self {
        self.max_concurrent_reads = most.max(1);
        self
    }

    /// The same, reading blobs up to so many bytes on the caller's own thread.
    #[must_use = "this gives the settings back, it does not change them in place"]
    pub fn with_inline_read_bytes(mut self, bytes: u64) -> Self {
        self.inline_read_bytes = bytes;
        self
    }

    /// The same, keeping so many bytes of memory for the next reads.
    #[must_use = "this gives the settings back, it does not change them in place"]
    pub fn with_idle_buffer_bytes(mut self, bytes: usize) -> Self {
        self.idle_buffer_bytes = bytes;
        self
    }
}

//! The settings of a local folder. The fields are public for `artifact-backend-fs` only.

/// The settings of an `FsBackend`. The defaults suit a local disk.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FsConfig {
    #[doc(hidden)]
    pub profile: FsProfile,
    #[doc(hidden)]
    pub named_staging: bool,
    #[doc(hidden)]
    pub max_concurrent_writes: usize,
    #[doc(hidden)]
    pub max_concurrent_reads: usize,
    #[doc(hidden)]
    pub inline_read_bytes: u64,
    #[doc(hidden)]
    pub idle_buffer_bytes: usize,
    #[doc(hidden)]
    pub background_migration: bool,
    #[doc(hidden)]
    pub link_count_sync: bool,
}

/// How the backend uses the operating system. A root that was written with one profile opens with the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum FsProfile {
    /// The profile of this system: on Linux the one that is made for it, on other systems the portable one.
    #[default]
    Native,
    /// The portable profile, which needs only what `std` offers. The README of `artifact-backend-fs` lists what it
    /// cannot do. On Linux it needs the feature `portable` of that crate.
    Portable,
}

impl Default for FsConfig {
    fn default() -> Self {
        Self {
            profile: FsProfile::Native,
            named_staging: false,
            max_concurrent_writes: 48,
            max_concurrent_reads: 32,
            inline_read_bytes: 1 << 20,
            idle_buffer_bytes: 64 << 20,
            background_migration: true,
            link_count_sync: false,
        }
    }
}

impl FsConfig {
    /// Sets how the backend uses the operating system (default [`FsProfile::Native`]).
    #[must_use = "returns the changed settings"]
    pub fn with_profile(mut self, profile: FsProfile) -> Self {
        self.profile = profile;
        self
    }

    /// Sets whether temporary files have a name in `staging/` even if the file system supports
    /// unnamed ones (`O_TMPFILE`). For tests, and for file systems whose `O_TMPFILE` is broken.
    /// Default: false.
    #[must_use = "returns the changed settings"]
    pub fn with_named_staging(mut self, named: bool) -> Self {
        self.named_staging = named;
        self
    }

    /// Sets whether each store syncs the link count of its blob, and waits for syncs that overlap, even on a
    /// file system that is known to have a journal. For tests, and for a journal that is not trusted.
    /// Default: false.
    #[must_use = "returns the changed settings"]
    pub fn with_link_count_sync(mut self, sync: bool) -> Self {
        self.link_count_sync = sync;
        self
    }

    /// Sets how many stores and upload steps run on the blocking pool at once (default 48, at least
    /// 1). Other callers wait without a thread. More threads than the disk can use slow each other
    /// down.
    #[must_use = "returns the changed settings"]
    pub fn with_max_concurrent_writes(mut self, limit: usize) -> Self {
        self.max_concurrent_writes = limit.max(1);
        self
    }

    /// Sets how many reads that wait for the disk run on the blocking pool at once (default 32, at
    /// least 1).
    #[must_use = "returns the changed settings"]
    pub fn with_max_concurrent_reads(mut self, limit: usize) -> Self {
        self.max_concurrent_reads = limit.max(1);
        self
    }

    /// Sets the largest blob or download chunk, in bytes, that is read on the caller's thread if it
    /// is cached (default 1 MiB). Zero turns such reads off. A thread lets other tasks run after each
    /// 2 MiB.
    #[must_use = "returns the changed settings"]
    pub fn with_inline_read_bytes(mut self, bytes: u64) -> Self {
        self.inline_read_bytes = bytes;
        self
    }

    /// Sets how many bytes of free read buffers are kept for the next reads (default 64 MiB). The
    /// memory is allocated only when loads and downloads need it. Beyond 16 MiB, as many bytes are kept
    /// as are in use.
    #[must_use = "returns the changed settings"]
    pub fn with_idle_buffer_bytes(mut self, bytes: usize) -> Self {
        self.idle_buffer_bytes = bytes;
        self
    }

    /// Sets whether the blobs of a root of layout version 1 are moved in the background after
    /// `FsBackend::open` (default true). Otherwise only `FsBackend::migrate` moves them. The backend works the same before,
    /// during and after the migration.
    #[must_use = "returns the changed settings"]
    pub fn with_background_migration(mut self, background: bool) -> Self {
        self.background_migration = background;
        self
    }
}

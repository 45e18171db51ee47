//! The settings of a folder of segments. The fields are public for `artifact-backend-pack` only.

use std::sync::Arc;

use artifact_backend::{Clock, SystemClock};

use crate::fs::FsConfig;

/// The settings of a `PackBackend`. The defaults suit a local disk.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PackConfig {
    #[doc(hidden)]
    pub max_packed_bytes: u32,
    #[doc(hidden)]
    pub segment_bytes: u32,
    #[doc(hidden)]
    pub cached_entries: u32,
    #[doc(hidden)]
    pub fs: FsConfig,
    #[doc(hidden)]
    pub clock: Arc<dyn Clock>,
}

impl Default for PackConfig {
    fn default() -> Self {
        Self {
            max_packed_bytes: 64 << 10,
            segment_bytes: 256 << 20,
            cached_entries: 1 << 18,
            fs: FsConfig::default(),
            clock: Arc::new(SystemClock),
        }
    }
}

impl PackConfig {
    /// The greatest size of a packed blob that can be set: 1 MiB.
    pub const MAX_PACKED_BYTES: u32 = 1 << 20;
    /// The least and the greatest size of a segment that can be set: 4 MiB and 1 GiB.
    pub const SEGMENT_BYTES: std::ops::RangeInclusive<u32> = 4 << 20..=1 << 30;

    /// Sets the size in bytes of the largest blob that is packed into a segment (default 64 KiB, at most 1 MiB). Larger blobs
    /// are files of their own. An upload holds up to this size in memory. Blobs that are stored stay where they are.
    #[must_use = "returns the changed settings"]
    pub fn with_max_packed_bytes(mut self, bytes: u32) -> Self {
        self.max_packed_bytes = bytes.min(Self::MAX_PACKED_BYTES);
        self
    }

    /// Sets the size of a segment in bytes (default 256 MiB, from 4 MiB to 1 GiB). Existing segments keep their size. The entries
    /// of the newest segment are in memory, about 100 bytes for each blob, and each segment is an open file.
    #[must_use = "returns the changed settings"]
    pub fn with_segment_bytes(mut self, bytes: u32) -> Self {
        self.segment_bytes = bytes.clamp(*Self::SEGMENT_BYTES.start(), *Self::SEGMENT_BYTES.end());
        self
    }

    /// Sets how many entries of blobs in full segments are cached (default 262,144; 0 turns the cache off). Each takes about 120 bytes
    /// of memory once the blob was read. A load of a blob that is not in the cache also reads a block of 4 KiB of an index.
    #[must_use = "returns the changed settings"]
    pub fn with_cached_entries(mut self, entries: u32) -> Self {
        self.cached_entries = entries;
        self
    }

    /// Sets the settings of the folder that holds the larger blobs. Its `max_concurrent_reads` and `inline_read_bytes` count
    /// for the segments too.
    #[must_use = "returns the changed settings"]
    pub fn with_fs(mut self, fs: FsConfig) -> Self {
        self.fs = fs;
        self
    }

    /// Sets the clock that [`BlobStat::modified`](artifact_backend::BlobStat) comes from (default: the system clock).
    #[must_use = "returns the changed settings"]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}

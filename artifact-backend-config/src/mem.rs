//! The settings of a map in memory. The fields are public for `artifact-backend-mem` only.

use std::sync::Arc;

use artifact_backend::{Clock, SystemClock};

/// The settings of a `MemBackend`. By default the memory is not limited.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MemConfig {
    #[doc(hidden)]
    pub max_total_bytes: Option<u64>,
    #[doc(hidden)]
    pub clock: Arc<dyn Clock>,
}

impl Default for MemConfig {
    fn default() -> Self {
        Self {
            max_total_bytes: None,
            clock: Arc::new(SystemClock),
        }
    }
}

impl MemConfig {
    /// Limits the bytes of all blobs and uploads in progress together (default: no limit). A write
    /// that would exceed the limit fails with
    /// [`OutOfSpace`](artifact_backend::ErrorKind::OutOfSpace).
    #[must_use = "returns the changed settings"]
    pub fn with_max_total_bytes(mut self, bytes: u64) -> Self {
        self.max_total_bytes = Some(bytes);
        self
    }

    /// Sets the clock that [`BlobStat::modified`](artifact_backend::BlobStat) comes from (default:
    /// the system clock).
    #[must_use = "returns the changed settings"]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}

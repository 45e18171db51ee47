//! What can be set.

use std::sync::Arc;

use artifact_backend::{Clock, SystemClock};

/// How a [`MemBackend`](crate::MemBackend) is set up. The default has no bound on its bytes.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MemConfig {
    /// The most bytes that blobs and uploads in flight may have together; `None` is no bound.
    pub max_total_bytes: Option<u64>,
    /// Where [`BlobStat::modified`](artifact_backend::BlobStat) comes from.
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
    /// The same, with a bound on the bytes of blobs and uploads in flight together. What would go
    /// past it fails with [`OutOfSpace`](artifact_backend::ErrorKind::OutOfSpace).
    #[must_use = "this gives the configuration back, it does not change it in place"]
    pub fn with_max_total_bytes(mut self, bytes: u64) -> Self {
        self.max_total_bytes = Some(bytes);
        self
    }

    /// The same, with another clock.
    #[must_use = "this gives the configuration back, it does not change it in place"]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}

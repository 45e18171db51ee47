//! The settings of a scrubber.

use std::sync::Arc;
use std::time::Duration;

use artifact_backend::Clock;

use crate::config::StoreConfig;

/// The settings of a [`Scrubber`](super::Scrubber).
#[derive(Debug, Clone)]
pub struct ScrubOptions {
    pub(super) bytes_per_second: Option<u64>,
    pub(super) adds_chunk_digests: bool,
    pub(super) grace_period: Duration,
    pub(super) clock: Arc<dyn Clock>,
}

impl Default for ScrubOptions {
    fn default() -> Self {
        Self::new(&StoreConfig::default())
    }
}

impl ScrubOptions {
    /// Creates the settings for the scrubber of a store with these settings. It uses their clock and their
    /// [grace period](StoreConfig::with_grace_period): a younger blob without a row may belong to a deposit in progress.
    pub fn new(config: &StoreConfig) -> Self {
        Self {
            bytes_per_second: None,
            adds_chunk_digests: false,
            grace_period: config.grace_period,
            clock: Arc::clone(&config.clock),
        }
    }

    /// Sets how many bytes are read per second at most. A smaller blob counts as 16 KiB, because reading it costs the storage about
    /// as much. 0 and the default are no limit.
    #[must_use = "returns the changed settings"]
    pub fn with_bytes_per_second(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.bytes_per_second = bytes.into();
        self
    }

    /// Sets whether [chunk digests](crate::ChunkDigests) are added to the artifacts that have none, such as those of older
    /// versions, once their bytes were verified. Default: no, a scrub changes nothing. A server that has read a range of such
    /// an artifact may go on without them until it is restarted.
    #[must_use = "returns the changed settings"]
    pub fn with_added_chunk_digests(mut self, add: bool) -> Self {
        self.adds_chunk_digests = add;
        self
    }
}

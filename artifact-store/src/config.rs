//! The settings of a store.

use std::sync::Arc;
use std::time::Duration;

use artifact_backend::{Clock, SystemClock};

/// The settings of an [`ArtifactStore`](crate::ArtifactStore).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StoreConfig {
    /// The cap: how many bytes one artifact may have at most. 100 MiB by default. An artifact of
    /// exactly so many is accepted.
    pub max_artifact_bytes: u64,
    /// A deposit of up to so many bytes is collected in memory and stored in one call; a larger one
    /// is streamed. 1 MiB by default. So much memory is what a deposit in flight may take, beside a
    /// constant, see [`Deposit`](crate::Deposit).
    pub small_deposit_bytes: usize,
    /// How old a blob without a row must be before it may be collected; 24 hours by default. Every
    /// store and every collector of one backend must agree on it.
    ///
    /// A deposit that takes longer than half of it is refused, so that no blob is collected while
    /// its row is being written. Hence no shorter than minutes in earnest: the other half must
    /// outlast the writing of one row and all differences between clocks.
    pub grace_period: Duration,
    /// Memory for artifacts that were read whole lately, verified: those are not read and hashed again
    /// while their blobs lie untouched. 64 MiB by default, zero for none; one artifact takes an eighth
    /// of it at most. Only for backends whose downloads tell their
    /// [`stamp`](artifact_backend::Download::stamp): those on a local folder do.
    pub verified_cache_bytes: usize,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            max_artifact_bytes: 100 << 20,
            small_deposit_bytes: 1 << 20,
            grace_period: Duration::from_hours(24),
            verified_cache_bytes: 64 << 20,
            clock: Arc::new(SystemClock),
        }
    }
}

impl StoreConfig {
    /// The same settings with this cap, in bytes.
    #[must_use = "this gives the settings back, it does not change them in place"]
    pub fn with_max_artifact_bytes(mut self, bytes: u64) -> Self {
        self.max_artifact_bytes = bytes;
        self
    }

    /// The same settings with this limit of what is stored in one call, in bytes.
    #[must_use = "this gives the settings back, it does not change them in place"]
    pub fn with_small_deposit_bytes(mut self, bytes: usize) -> Self {
        self.small_deposit_bytes = bytes;
        self
    }

    /// The same settings with this grace period.
    #[must_use = "this gives the settings back, it does not change them in place"]
    pub fn with_grace_period(mut self, period: Duration) -> Self {
        self.grace_period = period;
        self
    }

    /// The same settings with so much memory for what was read lately, in bytes.
    #[must_use = "this gives the settings back, it does not change them in place"]
    pub fn with_verified_cache_bytes(mut self, bytes: usize) -> Self {
        self.verified_cache_bytes = bytes;
        self
    }

    /// The same settings with this clock.
    #[must_use = "this gives the settings back, it does not change them in place"]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}

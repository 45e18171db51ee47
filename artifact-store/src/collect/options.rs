//! The settings of a collector.

use std::sync::Arc;
use std::time::Duration;

use artifact_backend::Clock;

use crate::config::StoreConfig;

/// The settings of a [`Collector`](super::Collector).
#[derive(Debug, Clone)]
pub struct CollectOptions {
    pub(super) dry_run: bool,
    pub(super) sweep: bool,
    pub(super) many_orphans: bool,
    pub(super) per_second: Option<u64>,
    pub(super) grace_period: Duration,
    pub(super) clock: Arc<dyn Clock>,
}

impl Default for CollectOptions {
    fn default() -> Self {
        Self::new(&StoreConfig::default())
    }
}

impl CollectOptions {
    /// Creates the settings for the collector of a store with these settings. It uses their clock and their
    /// [grace period](StoreConfig::with_grace_period).
    pub fn new(config: &StoreConfig) -> Self {
        Self {
            dry_run: false,
            sweep: true,
            many_orphans: false,
            per_second: None,
            grace_period: config.grace_period,
            clock: Arc::clone(&config.clock),
        }
    }

    /// Sets whether the collector only reports what it would remove. A dry run writes nothing, and it does not look for
    /// leftovers and old keys of deposits. Default: no.
    #[must_use = "returns the changed settings"]
    pub fn with_dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// Sets whether the collector also [sweeps](artifact_backend::ArtifactInventory::sweep) the backend. Default: yes.
    #[must_use = "returns the changed settings"]
    pub fn with_sweep(mut self, sweep: bool) -> Self {
        self.sweep = sweep;
        self
    }

    /// Sets whether orphans are deleted even if they are more than half of all blobs, or more than 10 and more than a
    /// tenth. That is rarely the work of crashed deposits: the database may be an old copy, or a new one. More than 10 of
    /// them are an alarm; up to 10 are kept without one. Default: no.
    #[must_use = "returns the changed settings"]
    pub fn with_many_orphans(mut self, allowed: bool) -> Self {
        self.many_orphans = allowed;
        self
    }

    /// Sets how many rows or blobs are removed per second at most. 0 and the default are no limit.
    #[must_use = "returns the changed settings"]
    pub fn with_removals_per_second(mut self, removals: impl Into<Option<u64>>) -> Self {
        self.per_second = removals.into();
        self
    }

    /// Sets the age from which a blob without a row is collected. A period that is shorter than the
    /// [grace period of the store](StoreConfig::with_grace_period) has no effect.
    #[must_use = "returns the changed settings"]
    pub fn with_grace_period(mut self, period: Duration) -> Self {
        self.grace_period = self.grace_period.max(period);
        self
    }

    /// Returns the age from which a blob without a row is collected.
    pub fn grace_period(&self) -> Duration {
        self.grace_period
    }
}

//! The metrics of a pool of permits.

use metrics::Gauge;

use super::Metric;

pub(super) const IN_USE: Metric = Metric::gauge(
    "artifact_backend_pool_in_use",
    &["backend", "pool"],
    "Operations that have a permit of a pool",
);
pub(super) const WAITING: Metric = Metric::gauge(
    "artifact_backend_pool_waiting",
    &["backend", "pool"],
    "Operations that wait for a permit of a pool",
);
pub(super) const LIMIT: Metric = Metric::gauge(
    "artifact_backend_pool_limit",
    &["backend", "pool"],
    "Permits of a pool",
);

/// The gauges of a pool that limits how many operations of a backend run at the same time.
#[derive(Debug, Clone)]
pub struct PoolMetrics {
    in_use: Gauge,
    waiting: Gauge,
}

impl PoolMetrics {
    /// Registers the gauges. `backend` and `pool` become their labels.
    pub fn new(backend: &'static str, pool: &'static str, limit: usize) -> Self {
        super::describe(&[IN_USE, WAITING, LIMIT]);
        let labels = [backend, pool];
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        LIMIT.register_gauge(&labels).set(limit);
        Self {
            in_use: IN_USE.register_gauge(&labels),
            waiting: WAITING.register_gauge(&labels),
        }
    }

    /// Counts an operation that has a permit, until the value is dropped.
    pub fn in_use(&self) -> Level {
        Level::raise(&self.in_use)
    }

    /// Counts an operation that waits for a permit, until the value is dropped.
    pub fn waiting(&self) -> Level {
        Level::raise(&self.waiting)
    }
}

/// One that counts in a gauge until this is dropped.
#[derive(Debug)]
#[must_use = "the gauge goes down again when this is dropped"]
pub struct Level(Gauge);

impl Level {
    /// Adds 1 to the gauge.
    pub fn raise(gauge: &Gauge) -> Self {
        gauge.increment(1);
        Self(gauge.clone())
    }
}

impl Drop for Level {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}

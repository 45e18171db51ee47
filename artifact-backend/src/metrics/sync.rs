//! The metrics of syncs: how long they take, and whether one has failed.

use std::time::Instant;

use metrics::{Counter, Gauge, Histogram};

use super::Metric;

pub(super) const DURATION: Metric = Metric::histogram(
    "artifact_backend_sync_duration_seconds",
    &["backend"],
    "Duration of each fsync or fdatasync of a file or folder, also of those that failed",
);
pub(super) const FAILURES: Metric = Metric::counter(
    "artifact_backend_sync_failures_total",
    &["backend"],
    "System calls whose failure can mean that stored bytes were lost",
);
pub(super) const REFUSED: Metric = Metric::gauge(
    "artifact_backend_writes_refused",
    &["backend"],
    "1 after a failed sync, since nothing is acknowledged any more; otherwise 0",
);

/// The metrics of the syncs of one backend.
#[derive(Debug, Clone)]
pub struct SyncMetrics {
    duration: Histogram,
    failures: Counter,
    refused: Gauge,
}

impl SyncMetrics {
    /// Registers the metrics. `backend` becomes their label.
    pub fn new(backend: &'static str) -> Self {
        super::describe(&[DURATION, FAILURES, REFUSED]);
        Self {
            duration: DURATION.register_histogram(&[backend]),
            failures: FAILURES.register_counter(&[backend]),
            refused: REFUSED.register_gauge(&[backend]),
        }
    }

    /// Makes a system call that syncs, and records how long it takes.
    #[expect(
        clippy::disallowed_methods,
        reason = "a blocking call is measured; no test moves its time"
    )]
    pub fn time<T>(&self, sync: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let result = sync();
        self.duration.record(began.elapsed());
        result
    }

    /// Counts a failure after which nothing is acknowledged any more.
    pub fn count_failure(&self) {
        self.failures.increment(1);
        self.refuse_writes();
    }

    /// Records that nothing is acknowledged any more.
    pub fn refuse_writes(&self) {
        self.refused.set(1);
    }
}

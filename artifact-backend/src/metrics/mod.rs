//! Metrics: how the crates define them, and those that every backend shares.
//!
//! The crates record by the facade [`metrics`](https://docs.rs/metrics), so a program chooses where the values go: it installs a
//! recorder. Install it before you open a backend or build a service, because handles that were registered without a recorder record
//! nothing, which costs nearly nothing. Each crate has a list `METRICS` of what it records.
//!
//! No label has a value that a client chose, and each has few values.
//!
//! ```
//! use artifact_backend::metrics::Metric;
//!
//! const JOBS: Metric = Metric::counter("jobs_total", &["outcome"], "Jobs that ended");
//!
//! JOBS.describe();
//! let done = JOBS.register_counter(&["done"]);
//! done.increment(1);
//! ```

mod metric;
mod pool;
mod sync;

pub use self::metric::{Metric, MetricKind, describe};
pub use self::pool::{Level, PoolMetrics};
pub use self::sync::SyncMetrics;

/// Retries of requests that a backend made by itself.
pub const RETRIES: Metric = Metric::counter(
    "artifact_backend_retries_total",
    &["backend"],
    "Requests to the storage that a backend sent again after a failure",
);

/// The metrics that backends share.
pub const METRICS: &[Metric] = &[
    sync::DURATION,
    sync::FAILURES,
    sync::REFUSED,
    pool::IN_USE,
    pool::WAITING,
    pool::LIMIT,
    RETRIES,
];

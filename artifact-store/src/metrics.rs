//! The metrics of a store, of its maintenance and of its database.

use std::time::{Duration, UNIX_EPOCH};

use artifact_backend::Clock;
use artifact_backend::metrics::{Metric, describe};
use metrics::{Counter, Gauge};

use crate::catalog::ScrubRecord;
use crate::collect::{CollectReport, CollectStep};
use crate::scrub::ScrubReport;

const ROW_CACHE: Metric = Metric::counter(
    "artifact_store_row_cache_lookups_total",
    &["result"],
    "Look-ups in the cache of rows of this process",
);
const VERIFIED_CACHE: Metric = Metric::counter(
    "artifact_store_verified_cache_lookups_total",
    &["result"],
    "Look-ups in the cache of verified artifacts of this process",
);
const DEPOSITED: Metric = Metric::counter(
    "artifact_store_deposited_artifacts_total",
    &[],
    "Artifacts that this process has stored with their rows, without imports",
);
const DEPOSITED_BYTES: Metric = Metric::counter(
    "artifact_store_deposited_bytes_total",
    &[],
    "Bytes of the artifacts that this process has stored",
);
const DAMAGED: Metric = Metric::counter(
    "artifact_store_damaged_artifacts_total",
    &["found_by"],
    "Damaged or missing blobs that a read, a scrub or a collection found; each collection counts those that are still there",
);
const KNOWN_DAMAGED: Metric = Metric::gauge(
    "artifact_store_known_damaged_artifacts",
    &["found_by"],
    "Artifacts that are damaged or missing as far as the reads and the last collection of this process, and the scrubs of any process, know; one can be in all three",
);
const GC_RUNS: Metric = Metric::counter(
    "artifact_store_gc_runs_total",
    &["outcome"],
    "Collections that this process has run: complete, or incomplete because a step or an id failed",
);
const GC_COMPLETED: Metric = Metric::gauge(
    "artifact_store_gc_last_completed_timestamp_seconds",
    &[],
    "When this process last ended a collection whose steps were all done; 0 before the first",
);
const GC_DURATION: Metric = Metric::gauge(
    "artifact_store_gc_last_duration_seconds",
    &[],
    "Duration of the last collection of this process",
);
const GC_REMOVED: Metric = Metric::counter(
    "artifact_store_gc_removed_total",
    &["kind"],
    "What collections of this process have removed",
);
const GC_FREED: Metric = Metric::counter(
    "artifact_store_gc_freed_bytes_total",
    &["kind"],
    "Bytes of the orphans and leftovers that collections of this process have removed",
);
const GC_FINDINGS: Metric = Metric::gauge(
    "artifact_store_gc_findings",
    &["kind"],
    "What the last collection of this process found and did not remove",
);
const STORED_BLOBS: Metric = Metric::gauge(
    "artifact_store_blobs",
    &[],
    "Blobs in the backend, as the last collection of this process listed them",
);
const STORED_BYTES: Metric = Metric::gauge(
    "artifact_store_blob_bytes",
    &[],
    "Bytes of the blobs in the backend, as the last collection of this process listed them",
);
const SCRUB_BEGAN: Metric = Metric::gauge(
    "artifact_store_scrub_last_began_timestamp_seconds",
    &[],
    "When the last scrub began, by any process on the database; looked up every five minutes",
);
const SCRUB_FINISHED: Metric = Metric::gauge(
    "artifact_store_scrub_finished",
    &[],
    "1 if the last scrub is finished, 0 while one runs or waits to be continued",
);
const SCRUB_CHECKED: Metric = Metric::gauge(
    "artifact_store_scrub_checked_artifacts",
    &[],
    "Artifacts that the last scrub has checked",
);
const SCRUB_CHECKED_BYTES: Metric = Metric::gauge(
    "artifact_store_scrub_checked_bytes",
    &[],
    "Bytes that the last scrub has read",
);
const SCRUB_FINDINGS: Metric = Metric::gauge(
    "artifact_store_scrub_findings",
    &["kind"],
    "What the last scrub found",
);
const POOL: Metric = Metric::gauge(
    "artifact_store_database_connections",
    &["pool", "state"],
    "Open connections to the database",
);
const POOL_MAX: Metric = Metric::gauge(
    "artifact_store_database_connections_limit",
    &["pool"],
    "Maximum number of connections of a pool",
);
const POOL_WAITING: Metric = Metric::gauge(
    "artifact_store_database_waiting",
    &["pool"],
    "Queries that wait for a connection",
);
const DATABASE_RETRIES: Metric = Metric::counter(
    "artifact_store_database_retries_total",
    &[],
    "Queries and transactions that were repeated because the connection was lost",
);

/// The metrics of a store, of its maintenance and of its database.
///
/// They go to the recorder of the facade [`metrics`](https://docs.rs/metrics) that is installed when the store, the collector or the
/// scrubber is created; see [`artifact_backend::metrics`]. The connections of a database are recorded by
/// [`Database::record_metrics`](crate::Database::record_metrics) only.
///
/// ```
/// use artifact_store::METRICS;
///
/// for metric in METRICS {
///     println!("{} ({}): {}", metric.name, metric.kind.as_str(), metric.help);
/// }
/// ```
pub const METRICS: &[Metric] = &[
    ROW_CACHE,
    VERIFIED_CACHE,
    DEPOSITED,
    DEPOSITED_BYTES,
    DAMAGED,
    KNOWN_DAMAGED,
    GC_RUNS,
    GC_COMPLETED,
    GC_DURATION,
    GC_REMOVED,
    GC_FREED,
    GC_FINDINGS,
    STORED_BLOBS,
    STORED_BYTES,
    SCRUB_BEGAN,
    SCRUB_FINISHED,
    SCRUB_CHECKED,
    SCRUB_CHECKED_BYTES,
    SCRUB_FINDINGS,
    POOL,
    POOL_MAX,
    POOL_WAITING,
    DATABASE_RETRIES,
];

/// The hits and misses of a cache.
#[derive(Debug, Clone)]
pub(crate) struct CacheMetrics {
    pub(crate) hit: Counter,
    pub(crate) miss: Counter,
}

impl CacheMetrics {
    pub(crate) fn of_rows() -> Self {
        Self::of(&ROW_CACHE)
    }

    pub(crate) fn of_verified() -> Self {
        Self::of(&VERIFIED_CACHE)
    }

    fn of(metric: &Metric) -> Self {
        metric.describe();
        Self {
            hit: metric.register_counter(&["hit"]),
            miss: metric.register_counter(&["miss"]),
        }
    }
}

/// What deposits have stored.
#[derive(Debug, Clone)]
pub(crate) struct DepositMetrics {
    artifacts: Counter,
    bytes: Counter,
}

impl DepositMetrics {
    pub(crate) fn register() -> Self {
        describe(&[DEPOSITED, DEPOSITED_BYTES]);
        Self {
            artifacts: DEPOSITED.register_counter(&[]),
            bytes: DEPOSITED_BYTES.register_counter(&[]),
        }
    }

    pub(crate) fn count(&self, bytes: u64) {
        self.artifacts.increment(1);
        self.bytes.increment(bytes);
    }
}

/// Registers the counter of damage that one kind of work finds.
pub(crate) fn damaged(found_by: &'static str) -> Counter {
    DAMAGED.describe();
    DAMAGED.register_counter(&[found_by])
}

/// Registers the gauge of damage that one kind of work knows of.
pub(crate) fn known_damaged(found_by: &'static str) -> Gauge {
    KNOWN_DAMAGED.describe();
    KNOWN_DAMAGED.register_gauge(&[found_by])
}

/// The metrics of a collector. They are set at the end of a collection, so the handles are not kept.
#[derive(Debug)]
pub(crate) struct CollectMetrics;

impl CollectMetrics {
    const COMPLETE: &str = "complete";
    const INCOMPLETE: &str = "incomplete";
    const EXPIRED: &str = "expired";
    const ORPHAN: &str = "orphan";
    const LEFTOVER: &str = "leftover";

    /// Registers the metrics, so that their counters begin with 0.
    pub(crate) fn register() {
        describe(&[
            GC_RUNS,
            GC_COMPLETED,
            GC_DURATION,
            GC_REMOVED,
            GC_FREED,
            GC_FINDINGS,
            STORED_BLOBS,
            STORED_BYTES,
        ]);
        let _ = damaged("gc");
        let _ = known_damaged("gc");
        for outcome in [Self::COMPLETE, Self::INCOMPLETE] {
            let _ = GC_RUNS.register_counter(&[outcome]);
        }
        for kind in [Self::EXPIRED, Self::ORPHAN, Self::LEFTOVER] {
            let _ = GC_REMOVED.register_counter(&[kind]);
        }
        for kind in [Self::ORPHAN, Self::LEFTOVER] {
            let _ = GC_FREED.register_counter(&[kind]);
        }
        let _ = GC_COMPLETED.register_gauge(&[]);
    }

    /// Records a collection that has ended.
    pub(crate) fn record(report: &CollectReport, took: Duration, clock: &dyn Clock) {
        let outcome = if report.unfinished.is_empty() && report.failed == 0 {
            Self::COMPLETE
        } else {
            Self::INCOMPLETE
        };
        GC_RUNS.register_counter(&[outcome]).increment(1);
        GC_DURATION.register_gauge(&[]).set(took);
        if report.unfinished.is_empty() {
            let now = clock.now().duration_since(UNIX_EPOCH).unwrap_or_default();
            GC_COMPLETED.register_gauge(&[]).set(now);
            // A list that ended early has not all of them.
            set(&STORED_BLOBS.register_gauge(&[]), report.blobs);
            set(&STORED_BYTES.register_gauge(&[]), report.blob_bytes);
        }
        let leftovers = report.leftovers.unwrap_or_default();
        for (kind, removed) in [
            (Self::EXPIRED, report.expired),
            (Self::ORPHAN, report.orphans),
            (Self::LEFTOVER, leftovers.removed),
        ] {
            GC_REMOVED.register_counter(&[kind]).increment(removed);
        }
        for (kind, freed) in [
            (Self::ORPHAN, report.orphan_bytes),
            (Self::LEFTOVER, leftovers.removed_bytes),
        ] {
            GC_FREED.register_counter(&[kind]).increment(freed);
        }
        for (kind, found) in [
            ("damaged", report.damaged),
            ("missing", report.missing),
            ("orphan_left", report.orphans_left),
            ("failed", report.failed),
        ] {
            set(&GC_FINDINGS.register_gauge(&[kind]), found);
        }
        let found = report.damaged + report.missing;
        damaged("gc").increment(found);
        // A collection without these steps does not know whether earlier damage is repaired.
        let is_partial = report
            .unfinished
            .iter()
            .any(|(step, _)| matches!(step, CollectStep::Orphans | CollectStep::MissingBlobs));
        if found > 0 || !is_partial {
            set(&known_damaged("gc"), found);
        }
    }

    /// Leaves it to another process to say what is damaged, because that one collects now.
    pub(crate) fn forget_damage() {
        set(&known_damaged("gc"), 0);
    }
}

/// The metrics of a scrubber. They are set now and then, so the handles are not kept.
#[derive(Debug)]
pub(crate) struct ScrubMetrics;

impl ScrubMetrics {
    /// Registers what is known before the first scrub.
    pub(crate) fn register() {
        describe(&[
            SCRUB_BEGAN,
            SCRUB_FINISHED,
            SCRUB_CHECKED,
            SCRUB_CHECKED_BYTES,
            SCRUB_FINDINGS,
        ]);
        let _ = damaged("scrub");
        let _ = known_damaged("scrub");
    }

    /// Sets how many artifacts the scrubs on this database know to be damaged.
    pub(crate) fn set_known_damaged(number: u64) {
        set(&known_damaged("scrub"), number);
    }

    /// Counts a blob that was found to be damaged or missing.
    pub(crate) fn count_damage() {
        damaged("scrub").increment(1);
    }

    /// Records what the database knows of the last scrub.
    pub(crate) fn record(last: &ScrubRecord, clock: &dyn Clock) {
        let now = clock.now().duration_since(UNIX_EPOCH).unwrap_or_default();
        SCRUB_BEGAN
            .register_gauge(&[])
            .set(now.saturating_sub(last.age));
        SCRUB_FINISHED
            .register_gauge(&[])
            .set(u8::from(last.is_finished));
        set(&SCRUB_CHECKED.register_gauge(&[]), last.artifacts);
        set(&SCRUB_CHECKED_BYTES.register_gauge(&[]), last.bytes);
        Self::set_known_damaged(last.known_damaged);
        set_findings([
            last.corrupt,
            last.missing,
            last.orphaned,
            last.unreadable_rows,
            last.unchecked,
        ]);
    }

    /// Records a scrub that this process has finished.
    pub(crate) fn record_end(report: &ScrubReport) {
        if report.unfinished.is_some() {
            return;
        }
        SCRUB_FINISHED.register_gauge(&[]).set(1);
        set(&SCRUB_CHECKED.register_gauge(&[]), report.artifacts);
        set(&SCRUB_CHECKED_BYTES.register_gauge(&[]), report.bytes);
        set_findings([
            report.corrupt,
            report.missing,
            report.orphaned,
            report.unreadable_rows,
            report.unchecked,
        ]);
    }
}

/// Records what a scrub found.
fn set_findings(found: [u64; 5]) {
    let kinds = [
        "corrupt",
        "missing",
        "orphaned",
        "unreadable_row",
        "unchecked",
    ];
    for (kind, found) in kinds.into_iter().zip(found) {
        set(&SCRUB_FINDINGS.register_gauge(&[kind]), found);
    }
}

/// Counts a query that is repeated. Rare enough to register it each time.
#[cfg(feature = "postgres")]
pub(crate) fn count_database_retry() {
    DATABASE_RETRIES.register_counter(&[]).increment(1);
}

/// Registers the counter of retries, so that it begins with 0.
#[cfg(feature = "postgres")]
pub(crate) fn register_database_retries() {
    DATABASE_RETRIES.describe();
    let _ = DATABASE_RETRIES.register_counter(&[]);
}

/// The connections of one pool of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStatus {
    /// What the connections are for: `queries`, `lists`, `credentials` or `background`.
    pub name: &'static str,
    /// The maximum number of connections.
    pub limit: usize,
    /// The connections that run a query.
    pub in_use: usize,
    /// The connections that are open and wait for a query.
    pub idle: usize,
    /// The queries that wait for a connection.
    pub waiting: usize,
}

impl PoolStatus {
    /// Creates the status of a pool.
    pub const fn new(
        name: &'static str,
        limit: usize,
        in_use: usize,
        idle: usize,
        waiting: usize,
    ) -> Self {
        Self {
            name,
            limit,
            in_use,
            idle,
            waiting,
        }
    }

    pub(crate) fn record(&self) {
        let gauge = |gauge: Gauge, number: usize| set(&gauge, number as u64);
        let name = self.name;
        gauge(POOL.register_gauge(&[name, "in_use"]), self.in_use);
        gauge(POOL.register_gauge(&[name, "idle"]), self.idle);
        gauge(POOL_MAX.register_gauge(&[name]), self.limit);
        gauge(POOL_WAITING.register_gauge(&[name]), self.waiting);
    }
}

/// Records the connections of the pools of a database.
pub(crate) fn record_pools(pools: &[PoolStatus]) {
    describe(&[POOL, POOL_MAX, POOL_WAITING]);
    for pool in pools {
        pool.record();
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the values of a gauge are numbers with 53 bits"
)]
pub(crate) fn set(gauge: &Gauge, value: u64) {
    gauge.set(value as f64);
}

//! Orphan collection: removes expired artifacts, blobs without a row and leftovers.

mod alone;
mod expired;
mod keys;
mod listed;
mod missing;
mod options;
mod orphans;
mod report;
mod shares;
mod uploads;

use std::sync::Arc;

use artifact_backend::{ArtifactId, ArtifactInventory, background};
use tokio::time::Instant;

use crate::catalog::CatalogInventory;
use crate::error::{Error, Operation, Result};
use crate::metrics::CollectMetrics;
use crate::pace::Pace;
use crate::sharing::SharingRecord;

use self::listed::ListedIds;
pub use options::CollectOptions;
pub use report::{CollectEvent, CollectReport, CollectStep};

/// How many rows or blobs a collector removes at the same time.
const PARALLEL: usize = 8;
/// The number of records in a page or a batch of ids.
const BATCH: u32 = 1_000;

/// Removes what no artifact needs any more, while servers run.
///
/// One [`run`](Self::run) has up to seven steps:
///
/// 1. Expired artifacts: the row is removed, unless there is a hold on it, then the blob.
/// 2. Orphans: blobs that are older than the [grace period](CollectOptions::with_grace_period) and have no row. Their ids are
///    [condemned](CatalogInventory::condemn) first, and only the ids that the catalog returns are deleted. So a
///    deposit of any age, on any machine, either gets its row and keeps its blob, or gets an error.
/// 3. Leftovers of crashed deposits: [`ArtifactInventory::sweep`].
/// 4. Rows whose blob is missing are an alarm (`alarm="missing-blobs"` in the log). Nothing is deleted because of them.
///    They are found by comparison with the list of blobs, which costs no request per row. With more than 65,536 blobs, a
///    run overlooks a missing blob by chance: less than one in a billion with 1 million blobs, 2 of 1,000 with 10 million.
///    The next run overlooks others. A [`Scrubber`](crate::Scrubber) finds all.
/// 5. The [keys of deposits](crate::IdempotencyKey) that are no longer kept are [forgotten](CatalogInventory::forget_keys).
/// 6. Grants and links that have ended are [deleted](SharingRecord::forget_shares), if the collector
///    [knows](Self::with_sharing) where they are. They count no more in any case.
/// 7. [Uploads](crate::Uploads) that are over: their parts are deleted, then their records. The parts of the others are no
///    orphans.
///
/// Damaged blobs are reported and left alone. If one id fails, the collector reports it and goes on; if a step fails, it
/// goes on with the next one. Step 4 needs the list of step 2.
///
/// It runs in the [background lane](artifact_backend::background()), so deposits and fetches wait for no permit and no
/// connection of it.
///
/// Any number of collectors may run at the same time, in any processes. To save work, use [`run_alone`](Self::run_alone).
///
/// **What an end at any moment leaves**, by a dropped future, a kill or a power cut: each row is still there with its
/// blob, or both are gone, or a blob without a row is left. That blob is an orphan; the next run deletes it once it is as old as
/// the grace period. There is never a row whose blob was deleted. Condemned ids stay condemned, and no client knows them.
///
/// **Memory**: 2 MiB for step 4 with up to 65,536 blobs, else 16 MiB; up to 24 MiB for the ids of orphans (the rest is left
/// to the next run); and the constant memory of [`ArtifactInventory::list_shard`].
///
/// ```
/// use artifact_store::{Backend, CollectOptions, Collector, Database};
///
/// # async fn example(database: Database, backend: Backend) {
/// let options = CollectOptions::default().with_dry_run(true);
/// let collector = Collector::new(database.inventory, backend.inventory(), options);
/// let report = collector.run(|event| println!("{event:?}")).await;
/// println!("{} orphans", report.orphans);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Collector {
    catalog: Arc<dyn CatalogInventory>,
    backend: Arc<dyn ArtifactInventory>,
    options: CollectOptions,
    sharing: Option<Arc<dyn SharingRecord>>,
}

impl Collector {
    /// Creates a collector. Does no I/O.
    pub fn new(
        catalog: Arc<dyn CatalogInventory>,
        backend: Arc<dyn ArtifactInventory>,
        options: CollectOptions,
    ) -> Self {
        CollectMetrics::register();
        Self {
            catalog,
            backend,
            options,
            sharing: None,
        }
    }

    /// Also deletes grants and links that have ended (default: no). `records` is [`Database::sharing`](crate::Database::sharing)
    /// of the database of the catalog.
    #[must_use = "returns the changed collector"]
    pub fn with_sharing(mut self, records: Arc<dyn SharingRecord>) -> Self {
        self.sharing = Some(records);
        self
    }

    /// Collects once. Calls `observe` for each event, on the task of the caller.
    ///
    /// What fails is in the report, and an alarm is also in the log. A dropped future stops the collection; see
    /// [`Collector`] for what that leaves.
    pub async fn run(&self, observe: impl FnMut(CollectEvent) + Send) -> CollectReport {
        let began = Instant::now();
        let report = background(self.collect(observe)).await;
        if !self.options.dry_run {
            CollectMetrics::record(&report, began.elapsed(), &*self.options.clock);
        }
        report
    }

    async fn collect(&self, observe: impl FnMut(CollectEvent) + Send) -> CollectReport {
        let pace = Pace::new(self.options.per_second);
        let mut run = Run {
            catalog: &*self.catalog,
            backend: &*self.backend,
            options: &self.options,
            pace: &pace,
            listed: ListedIds::new(),
            report: CollectReport::default(),
            observe,
        };
        run.begin(CollectStep::Expired);
        let expired = run.remove_expired().await;
        run.end(CollectStep::Expired, expired);

        run.begin(CollectStep::Orphans);
        let orphans = run.find_orphans().await;
        let is_listed = orphans.is_ok();
        let deleted = match orphans {
            Ok(orphans) => run.delete_orphans(orphans).await,
            Err(error) => Err(error),
        };
        run.end(CollectStep::Orphans, deleted);

        if self.options.sweep && !self.options.dry_run {
            run.begin(CollectStep::Leftovers);
            let swept = run.sweep().await;
            run.end(CollectStep::Leftovers, swept);
        }
        if is_listed {
            run.begin(CollectStep::MissingBlobs);
            let compared = run.find_missing().await;
            run.end(CollectStep::MissingBlobs, compared);
        }
        if !self.options.dry_run {
            run.begin(CollectStep::Keys);
            let forgotten = run.forget_keys().await;
            run.end(CollectStep::Keys, forgotten);
            if let Some(records) = &self.sharing {
                run.begin(CollectStep::Shares);
                let forgotten = run.forget_shares(&**records).await;
                run.end(CollectStep::Shares, forgotten);
            }

            run.begin(CollectStep::Uploads);
            let removed = run.remove_uploads().await;
            run.end(CollectStep::Uploads, removed);
        }
        run.report
    }
}

/// One collection that runs.
struct Run<'c, F> {
    catalog: &'c dyn CatalogInventory,
    backend: &'c dyn ArtifactInventory,
    options: &'c CollectOptions,
    pace: &'c Pace,
    listed: ListedIds,
    report: CollectReport,
    observe: F,
}

impl<F: FnMut(CollectEvent) + Send> Run<'_, F> {
    fn begin(&mut self, step: CollectStep) {
        (self.observe)(CollectEvent::Started(step));
    }

    fn end(&mut self, step: CollectStep, outcome: Result<()>) {
        if let Err(error) = outcome {
            self.report.unfinished.push((step, error));
        }
    }

    fn failed(&mut self, id: ArtifactId, error: Error) {
        self.report.failed += 1;
        (self.observe)(CollectEvent::Failed { id, error });
    }

    async fn sweep(&mut self) -> Result<()> {
        let swept = self.backend.sweep(self.options.grace_period).await;
        self.report.leftovers = Some(swept.map_err(backend_error)?);
        Ok(())
    }
}

/// Converts an error of the backend.
fn backend_error(error: artifact_backend::Error) -> Error {
    Error::backend(Operation::MaintainBackend, error)
}

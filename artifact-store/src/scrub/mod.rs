//! Scrub: reads every stored byte and compares it with its row.

mod blob;
mod due;
mod options;
mod report;

use std::sync::{Arc, Mutex, PoisonError};

use artifact_backend::{ArtifactInventory, background};

use self::blob::Checked;
use crate::blob_survey::{Removed, Surveyed, survey};
use crate::catalog::{CatalogInventory, RowFilter, RowPosition, ScrubRecord};
use crate::error::Result;
use crate::metrics::ScrubMetrics;
use crate::pace::Pace;
pub use due::ScrubTurn;
pub use options::ScrubOptions;
pub use report::{ScrubEvent, ScrubFinding, ScrubReport};

/// The rows of a page, and so the least that a continued scrub reads again.
const PAGE: u32 = 64;

/// Checks that every artifact has the bytes that were deposited, while servers run. Changes nothing, unless
/// [chunk digests are to be added](ScrubOptions::with_added_chunk_digests).
///
/// A scrub reads one blob after the other, in the order of the rows, and compares its size and SHA-256 with the row, and the
/// digests of its chunks with those that the database has. It reads from the backend, not from a cache of the store, in the
/// [background lane](artifact_backend::background()). Then it lists the blobs, and reports old ones without a row.
///
/// Memory: one page of 64 rows, one chunk of a blob, up to 1 MiB of digests, and the constant memory of [`ArtifactInventory::list_shard`].
///
/// ```
/// use artifact_store::{Backend, Database, RowPosition, ScrubEvent, ScrubOptions, Scrubber};
///
/// # async fn example(database: Database, backend: Backend) {
/// let options = ScrubOptions::default().with_bytes_per_second(50 << 20);
/// let scrubber = Scrubber::new(database.inventory, backend.inventory(), options);
/// let observe = |event| {
///     if let ScrubEvent::Found(finding) = event {
///         println!("{} {}", finding.as_str(), finding.id());
///     }
/// };
/// let report = scrubber.run(RowPosition::START, observe).await;
/// println!("{} artifacts, {} findings", report.artifacts, report.findings());
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Scrubber {
    catalog: Arc<dyn CatalogInventory>,
    backend: Arc<dyn ArtifactInventory>,
    options: ScrubOptions,
}

impl Scrubber {
    /// Creates a scrubber. Does no I/O.
    pub fn new(
        catalog: Arc<dyn CatalogInventory>,
        backend: Arc<dyn ArtifactInventory>,
        options: ScrubOptions,
    ) -> Self {
        ScrubMetrics::register();
        Self {
            catalog,
            backend,
            options,
        }
    }

    /// Checks all artifacts after a position, then looks for orphans. Calls `observe` for each event, on the task of the
    /// caller.
    ///
    /// [`ScrubEvent::Reached`] gives the position to continue after. A dropped future stops the scrub and leaves nothing. Needs
    /// a Tokio runtime with a timer if there is a limit of bytes per second.
    pub async fn run(
        &self,
        after: RowPosition,
        observe: impl FnMut(ScrubEvent) + Send,
    ) -> ScrubReport {
        let start = ScrubReport {
            reached: after,
            ..ScrubReport::default()
        };
        self.run_from(start, &Mutex::default(), observe).await
    }

    /// Goes on with a scrub. Keeps in `checkpoint` what was found up to the last position that was reached.
    async fn run_from(
        &self,
        start: ScrubReport,
        checkpoint: &Mutex<ScrubRecord>,
        observe: impl FnMut(ScrubEvent) + Send,
    ) -> ScrubReport {
        let mut run = Run {
            catalog: &*self.catalog,
            backend: &*self.backend,
            options: &self.options,
            pace: Pace::new(self.options.bytes_per_second),
            report: start,
            checkpoint,
            observe,
        };
        let outcome = background(async {
            match run.check_rows().await {
                Ok(()) => run.find_orphans().await,
                failed => failed,
            }
        });
        let outcome = outcome.await;
        run.report.unfinished = outcome.err();
        ScrubMetrics::record_end(&run.report);
        run.report
    }
}

/// One scrub that runs.
struct Run<'s, F> {
    catalog: &'s dyn CatalogInventory,
    backend: &'s dyn ArtifactInventory,
    options: &'s ScrubOptions,
    pace: Pace,
    report: ScrubReport,
    checkpoint: &'s Mutex<ScrubRecord>,
    observe: F,
}

impl<F: FnMut(ScrubEvent) + Send> Run<'_, F> {
    async fn check_rows(&mut self) -> Result<()> {
        let all = RowFilter::default();
        loop {
            let page = self.catalog.scan(&all, self.report.reached, PAGE).await?;
            self.report.unreadable_rows += page.unreadable;
            for row in &page.rows {
                match self.check(row).await {
                    Ok(Checked::Sound | Checked::Removed) => {}
                    Ok(Checked::Corrupt(error)) => {
                        self.report.corrupt += 1;
                        let id = row.id;
                        self.found(ScrubFinding::Corrupt { id, error });
                    }
                    Ok(Checked::Missing) => {
                        self.report.missing += 1;
                        self.found(ScrubFinding::Missing { id: row.id });
                    }
                    Err(error) => {
                        self.report.unchecked += 1;
                        let id = row.id;
                        (self.observe)(ScrubEvent::Unchecked { id, error });
                    }
                }
                self.report.artifacts += 1;
                self.progress();
            }
            let Some(next) = page.next else {
                return Ok(());
            };
            self.report.reached = next;
            self.keep_checkpoint();
            (self.observe)(ScrubEvent::Reached(next));
        }
    }

    async fn find_orphans(&mut self) -> Result<()> {
        let (now, grace) = (self.options.clock.now(), self.options.grace_period);
        let mut damaged = Vec::new();
        let (report, observe) = (&mut self.report, &mut self.observe);
        let mut found = |surveyed| match surveyed {
            Surveyed::Blob(_) => {}
            Surveyed::Damaged(id, error) => damaged.push((id, error)),
            Surveyed::Orphan(blob) => {
                report.orphaned += 1;
                let (id, size) = (blob.id, blob.size);
                observe(ScrubEvent::Found(ScrubFinding::Orphaned { id, size }));
            }
        };
        let removed = Removed::IsLeftOut;
        survey(self.catalog, self.backend, now, grace, removed, &mut found).await?;
        for (id, error) in damaged {
            // With a row, the check of the rows has reported it.
            if self.catalog.missing(&[id]).await?.contains(&id) {
                self.report.corrupt += 1;
                let error = crate::Error::from(error);
                self.found(ScrubFinding::Corrupt { id, error });
            }
        }
        Ok(())
    }

    fn keep_checkpoint(&self) {
        let mut kept = self
            .checkpoint
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *kept = self.report.record(kept.number);
    }

    fn found(&mut self, finding: ScrubFinding) {
        ScrubMetrics::count_damage();
        (self.observe)(ScrubEvent::Found(finding));
    }

    fn progress(&mut self) {
        let (artifacts, bytes) = (self.report.artifacts, self.report.bytes);
        (self.observe)(ScrubEvent::Progress { artifacts, bytes });
    }
}

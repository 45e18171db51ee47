//! Moves the blobs of a store from one backend to another.

mod begin;
mod blob;
mod options;
mod report;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use artifact_backend::{ArtifactId, ArtifactInventory, background};
use futures_util::{StreamExt as _, stream};

use self::blob::Outcome;
use crate::catalog::{CatalogInventory, RowFilter, RowPage, RowPosition};
use crate::database::Database;
use crate::error::{Error, Result};
use crate::pace::Pace;
use crate::placement::{Placement, PlacementRecord};
use crate::store_id::StoreIdRecord;
pub use options::MigrateOptions;
pub use report::{MigrateEvent, MigrateFinding, MigrateReport, MigrateState};

/// The rows of a page, and so the most that a resumed migration looks at again.
const PAGE: u32 = 256;

/// A backend and its URL.
#[derive(Debug, Clone)]
pub struct NamedBackend {
    url: String,
    backend: Arc<dyn ArtifactInventory>,
}

impl NamedBackend {
    /// Names an open backend. Servers must find it by this URL, so it is the text that
    /// [`BackendUrl`](crate::BackendUrl) prints.
    pub fn new(url: impl Into<String>, backend: Arc<dyn ArtifactInventory>) -> Self {
        Self {
            url: url.into(),
            backend,
        }
    }
}

/// Moves the blobs of a store from one backend to another, while servers run. The URIs stay the same.
///
/// A migration has these steps. Each is durable before the next, and a run that is stopped at any moment, by a dropped
/// future or a power cut, is resumed by the next run:
///
/// 1. The new backend gets the [store id](artifact_backend::StoreId). It must be empty, or have that id already.
/// 2. The [`Placement`] of the store names the new backend as current and the old one as previous
///    ([`MigrateState::Copying`]). A [`PlacedBackend`](crate::PlacedBackend) in any process then stores in the new one, and
///    reads both.
/// 3. The blobs of all rows are copied, in the order of the rows. The SHA-256 of each is compared with its row before it is
///    committed in the new backend.
/// 4. The database refuses rows whose bytes may be in the old backend ([`MigrateState::Fenced`]), and the blobs of the rows
///    that were written meanwhile are copied.
/// 5. The placement names the new backend alone ([`MigrateState::Done`]). The old backend keeps its blobs, unless
///    [`delete_source`](MigrateOptions::with_delete_source) is set: each is deleted once its copy was read back.
///
/// A blob that is damaged or missing is reported and left alone, and the migration does not end before the blob is restored
/// or the artifact is removed. Blobs without rows are not copied. Holds and expiry are in the rows, so they do not change.
///
/// The same call with the two backends exchanged moves the blobs back, at any time before `delete_source`.
///
/// Memory: one page of 256 rows, and for each blob that is copied at a time one chunk, or 64 KiB, and what an upload of
/// the new backend needs.
///
/// ```
/// use artifact_store::{Backend, BackendUrl, Database, MigrateOptions, Migrator, NamedBackend};
///
/// # async fn example(database: Database) -> artifact_store::Result<()> {
/// let mut sides = Vec::new();
/// for url in ["/srv/artifacts/blobs", "s3://artifacts/blobs"] {
///     let url = BackendUrl::parse(url)?;
///     sides.push(NamedBackend::new(url.to_string(), url.open().await?.inventory()));
/// }
/// let [from, to] = sides.try_into().expect("there are two");
/// let options = MigrateOptions::default().with_bytes_per_second(50 << 20);
/// let report = Migrator::new(&database, from, to, options).run(|_| {}).await;
/// println!("{}: {} blobs copied", report.state.as_str(), report.copied);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Migrator {
    catalog: Arc<dyn CatalogInventory>,
    record: Arc<dyn PlacementRecord>,
    store_id: Arc<dyn StoreIdRecord>,
    from: NamedBackend,
    to: NamedBackend,
    options: MigrateOptions,
}

impl Migrator {
    /// Creates a migrator. Does no I/O.
    pub fn new(
        database: &Database,
        from: NamedBackend,
        to: NamedBackend,
        options: MigrateOptions,
    ) -> Self {
        Self {
            catalog: Arc::clone(&database.inventory),
            record: Arc::clone(&database.placement),
            store_id: Arc::clone(&database.store_id),
            from,
            to,
            options,
        }
    }

    /// Begins a migration, or resumes it, and goes on until it has ended or something prevents that. Calls `observe` for
    /// each event, on the task of the caller.
    ///
    /// [`MigrateReport::unfinished`] says why it could not begin or go on: `Misconfigured`, with a
    /// [`PlacementConflict`](crate::PlacementConflict) or a [`Mismatch`](crate::Mismatch) as its source, if these two backends
    /// are not the right ones; `Unavailable` and others if the database or a backend fails. A run on a migration that has
    /// ended succeeds and copies nothing.
    ///
    /// It runs in the [background lane](artifact_backend::background()). Needs a Tokio runtime with a timer if there is a limit of
    /// bytes per second.
    pub async fn run(&self, observe: impl FnMut(MigrateEvent) + Send) -> MigrateReport {
        let run = Run {
            catalog: &*self.catalog,
            record: &*self.record,
            from: &*self.from.backend,
            to: &*self.to.backend,
            options: &self.options,
            pace: Pace::new(self.options.bytes_per_second),
            shown: Mutex::new(Shown {
                artifacts: 0,
                bytes: 0,
                observe,
            }),
        };
        let mut report = MigrateReport::default();
        let outcome = background(self.migrate(&run, &mut report)).await;
        report.unfinished = outcome.err();
        let shown = run
            .shown
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        report.bytes = shown.bytes;
        report.artifacts = shown.artifacts;
        report
    }

    async fn migrate<F: FnMut(MigrateEvent) + Send>(
        &self,
        run: &Run<'_, F>,
        report: &mut MigrateReport,
    ) -> Result<()> {
        let mut placement = self.begin(run, report).await?;
        if report.state < MigrateState::Done {
            run.copy_all(&mut placement, report).await?;
            if self.options.dry_run || !report.is_good() {
                return Ok(());
            }
            let ended = placement.ended();
            run.change(&placement, &ended).await?;
            placement = ended;
            run.enter(MigrateState::Done, report);
        }
        if self.options.delete_source && !self.options.dry_run {
            let is_emptied = placement
                .former(&self.from.url)
                .is_some_and(|from| from.is_emptied);
            if !is_emptied {
                // Before the first deletion: from here on the store never uses that backend again.
                run.change(&placement, &placement.emptying(&self.from.url))
                    .await?;
            }
            run.delete_all(report).await?;
            if report.is_good() {
                run.enter(MigrateState::Emptied, report);
            }
        }
        Ok(())
    }
}

/// One run of a migrator.
struct Run<'m, F> {
    catalog: &'m dyn CatalogInventory,
    record: &'m dyn PlacementRecord,
    from: &'m dyn ArtifactInventory,
    to: &'m dyn ArtifactInventory,
    options: &'m MigrateOptions,
    pace: Pace,
    shown: Mutex<Shown<F>>,
}

/// What an observer has been informed of.
struct Shown<F> {
    artifacts: u64,
    bytes: u64,
    observe: F,
}

impl<F: FnMut(MigrateEvent) + Send> Run<'_, F> {
    /// Copies the blobs of all rows. If all could be copied, raises the fence and copies those of the rows since then.
    async fn copy_all(&self, placement: &mut Placement, report: &mut MigrateReport) -> Result<()> {
        let mut after = placement.reached;
        let mut last_page = HashSet::new();
        loop {
            let mut page = self.page(after).await?;
            page.rows.retain(|row| !last_page.contains(&row.id));
            self.copy_page(&page, report).await?;
            let Some(next) = page.next else {
                if self.options.dry_run || !report.is_good() || placement.is_fenced() {
                    return Ok(());
                }
                let fenced = placement.fenced();
                self.change(placement, &fenced).await?;
                *placement = fenced;
                self.enter(MigrateState::Fenced, report);
                // Rows that were inserted since are on this page or after it.
                last_page.extend(page.rows.iter().map(|row| row.id));
                continue;
            };
            after = next;
            if !self.options.dry_run && report.is_good() {
                self.record.set_reached(placement.epoch, next).await?;
                placement.reached = next;
                self.observe(MigrateEvent::Reached(next));
            }
        }
    }

    async fn copy_page(&self, page: &RowPage, report: &mut MigrateReport) -> Result<()> {
        report.unreadable_rows += page.unreadable;
        let copies = page
            .rows
            .iter()
            .map(|row| async move { (row, self.copy(row).await) });
        let mut copies = stream::iter(copies).buffer_unordered(self.options.parallel);
        let mut new = Vec::new();
        while let Some((row, outcome)) = copies.next().await {
            if matches!(outcome, Outcome::Copied) {
                new.push(row.id);
            }
            self.count(row.id, row.size, outcome, report).await?;
        }
        if new.is_empty() || self.options.dry_run {
            return Ok(());
        }
        // An artifact that was removed meanwhile leaves no copy. If this fails, the collector deletes the copy later.
        for id in self.catalog.missing(&new).await? {
            if let Err(error) = self.to.delete(id).await {
                tracing::warn!(%id, error = &error as &dyn std::error::Error, "the copy of a removed artifact stays for now");
            }
        }
        Ok(())
    }

    /// Deletes the blobs of all rows from the old backend.
    async fn delete_all(&self, report: &mut MigrateReport) -> Result<()> {
        let mut after = RowPosition::START;
        loop {
            let page = self.page(after).await?;
            let deletions = page
                .rows
                .iter()
                .map(|row| async move { (row, self.delete(row).await) });
            let mut deletions = stream::iter(deletions).buffer_unordered(self.options.parallel);
            while let Some((row, outcome)) = deletions.next().await {
                self.count(row.id, row.size, outcome, report).await?;
            }
            let Some(next) = page.next else {
                return Ok(());
            };
            after = next;
        }
    }

    async fn page(&self, after: RowPosition) -> Result<RowPage> {
        self.catalog.scan(&RowFilter::default(), after, PAGE).await
    }

    /// Counts and reports the outcome of one blob.
    async fn count(
        &self,
        id: ArtifactId,
        size: u64,
        outcome: Outcome,
        report: &mut MigrateReport,
    ) -> Result<()> {
        let is_good = matches!(
            outcome,
            Outcome::Copied | Outcome::Present | Outcome::Deleted | Outcome::Absent
        );
        // The collector, or a client, may have removed the artifact meanwhile.
        let is_removed = !is_good && self.catalog.missing(&[id]).await?.contains(&id);
        match outcome {
            _ if is_removed => {}
            Outcome::Copied => {
                report.copied += 1;
                report.copied_bytes += size;
            }
            Outcome::Present => report.present += 1,
            Outcome::Deleted => {
                report.deleted += 1;
                report.deleted_bytes += size;
            }
            Outcome::Absent => {}
            Outcome::Corrupt(error) => {
                report.corrupt += 1;
                self.observe(MigrateEvent::Found(MigrateFinding::Corrupt { id, error }));
            }
            Outcome::Missing => {
                report.missing += 1;
                self.observe(MigrateEvent::Found(MigrateFinding::Missing { id }));
            }
            Outcome::Failed(error) => {
                report.failed += 1;
                self.observe(MigrateEvent::Failed { id, error });
            }
        }
        self.progress(1, 0);
        Ok(())
    }

    /// Writes a new placement, and lets servers notice it.
    async fn change(&self, before: &Placement, new: &Placement) -> Result<()> {
        self.record.replace_placement(before.epoch, new).await?;
        self.announce().await
    }

    /// Lets servers read the placement: they watch removals, and read it after each. The id is a fresh one that no artifact
    /// has.
    async fn announce(&self) -> Result<()> {
        self.catalog.condemn(&[ArtifactId::mint()]).await.map(drop)
    }

    fn enter(&self, state: MigrateState, report: &mut MigrateReport) {
        report.state = state;
        self.observe(MigrateEvent::Entered(state));
    }

    fn progress(&self, artifacts: u64, bytes: u64) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.artifacts += artifacts;
        shown.bytes += bytes;
        let (artifacts, bytes) = (shown.artifacts, shown.bytes);
        (shown.observe)(MigrateEvent::Progress { artifacts, bytes });
    }

    fn observe(&self, event: MigrateEvent) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        (shown.observe)(event);
    }
}

/// Returns an error of the kind `Misconfigured`.
fn refused(detail: impl Into<String>) -> Error {
    Error::new(crate::ErrorKind::Misconfigured, crate::Operation::Placement)
        .with_detail(detail.into())
}

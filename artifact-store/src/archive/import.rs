//! Reads the archive of an experiment into a store.

use std::sync::Arc;
use std::time::Duration;

use artifact_backend::{ArtifactId, ArtifactInventory, background};
use bytes::BytesMut;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::io::AsyncRead;

use super::meter::Meter;
use super::options::ImportOptions;
use super::place::{self, Stored};
use super::reader::ArchiveReader;
use super::records::{ArchivedRow, Head};
use super::report::{ImportEvent, ImportReport};
use crate::catalog::{CatalogInventory, ImportId, RowFilter, RowPosition, StagedRow};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::experiment::{Experiment, ExperimentId};
use crate::pace::Pace;
use crate::placement::{Epochs, PlacedBackend};
use crate::row::Row;

/// A blob up to this size is read as a whole, so that several can be stored at the same time.
const SMALL: u64 = 64 << 10;
/// The number of small blobs that are stored at the same time.
const PARALLEL: usize = 16;
/// Rows are staged before the end of a part once their chunk digests have this size in bytes.
const MAX_DIGEST_BYTES: usize = 4 << 20;

/// Reads an archive that an [`Exporter`](super::Exporter) wrote into a store, while servers run. Either all artifacts of the
/// archive become visible or none.
///
/// # What is imported
///
/// Each artifact keeps its id, so its URI works here too, and its row: depositor, size, content type, file name, SHA-256,
/// time of creation, expiry. Its hold comes with it. Its [chunk digests](crate::ChunkDigests) are computed while it is read. The experiment is created if it does not exist. It gets the
/// retention of the archive if it has no artifact and no retention of its own. The depositors are ids: their workers are not in
/// the archive, so here only an administrator can read the artifacts.
///
/// - An artifact that is here already, with the same row and the same bytes, stays as it is. So an import whose outcome is
///   unknown can be repeated.
/// - An id that has another row here is refused.
/// - An id that was removed here is refused, unless the [options](ImportOptions::with_skip_removed) say to leave it out.
///
/// # What is checked
///
/// Everything, because an archive may come from anywhere: each byte is part of the form, the SHA-256 of each artifact is
/// compared before its blob exists, and the last member has the SHA-256 of all that is no artifact. No name in the archive
/// becomes a path; an archive cannot unpack to more than it has. An artifact that is in two parts of the archive is
/// refused when it is staged, which a dry run does not do.
///
/// # All or nothing
///
/// The importer stores the blobs of a part, then [stages](CatalogInventory::stage) its rows. At the end of a complete
/// archive it [publishes](CatalogInventory::publish) all rows in one transaction. An end before that, by an error, a dropped
/// future, a kill or a power cut, leaves blobs without a row, and staged rows that no reader sees. A repeated import uses these blobs. The
/// collector leaves them alone for seven days after the last call; then it condemns their ids, and this
/// store can never take these artifacts. Collectors that run beside the import, with any grace period, do not disturb it.
///
/// # Memory and background
///
/// The rows of one part, up to 1,000, with up to 4 MiB of chunk digests, and 16 small artifacts or two chunks of a large one. It runs in the [background lane](artifact_backend::background()).
///
/// ```
/// use artifact_store::{Backend, Database, ImportOptions, Importer};
///
/// # async fn example(database: Database, backend: Backend, archive: &[u8]) -> artifact_store::Result<()> {
/// let options = ImportOptions::default().with_dry_run(true);
/// let importer = Importer::new(database.inventory, backend.inventory(), options);
/// let report = importer.run(archive, |event| println!("{event:?}")).await?;
/// println!("{} artifacts, {} new", report.artifacts, report.new);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Importer {
    catalog: Arc<dyn CatalogInventory>,
    backend: Arc<dyn ArtifactInventory>,
    placed: Option<PlacedBackend>,
    options: ImportOptions,
}

impl Importer {
    /// Creates an importer for a store whose blobs are never [moved](crate::Migrator). Does no I/O.
    ///
    /// If they were moved, an import fails at its end with `Unavailable`; see [`placed`](Self::placed).
    pub fn new(
        catalog: Arc<dyn CatalogInventory>,
        backend: Arc<dyn ArtifactInventory>,
        options: ImportOptions,
    ) -> Self {
        Self {
            catalog,
            backend,
            placed: None,
            options,
        }
    }

    /// Creates an importer that follows the [`Placement`](crate::Placement) of the store. Does no I/O.
    ///
    /// An import that began before the blobs were moved, and ends after it, fails at its end with `Unavailable`. Repeat it.
    pub fn placed(
        catalog: Arc<dyn CatalogInventory>,
        backend: PlacedBackend,
        options: ImportOptions,
    ) -> Self {
        Self {
            placed: Some(backend.clone()),
            ..Self::new(catalog, Arc::new(backend), options)
        }
    }

    /// Imports an archive. Calls `observe` for each event, on the task of the caller.
    ///
    /// `Ok` means that the whole archive was read. The [report](ImportReport::is_good) says whether the store can take it;
    /// if so, and without a dry run, the artifacts are durable and visible. Needs a Tokio runtime, with a timer if there is
    /// a limit of bytes per second.
    ///
    /// # Errors
    ///
    /// Nothing became visible, except after `Unavailable` from the transaction at the end, of which it may be unknown
    /// whether it was done; repeat the import to know. `Corrupt` if the archive is damaged, cut off or not one, or if the
    /// storage has other bytes under an id, which the error then names; `Unsupported` for an archive of a newer version; `AlreadyExists` if an artifact is twice in the archive, or
    /// if its id was taken while the import ran; otherwise the errors of the catalog and of the backend.
    pub async fn run(
        &self,
        archive: impl AsyncRead + Unpin + Send,
        observe: impl FnMut(ImportEvent) + Send,
    ) -> Result<ImportReport> {
        background(self.import(archive, observe)).await
    }

    async fn import(
        &self,
        archive: impl AsyncRead + Unpin + Send,
        observe: impl FnMut(ImportEvent) + Send,
    ) -> Result<ImportReport> {
        let mut reader = ArchiveReader::open(archive).await?;
        let head = reader.head().clone();
        let experiment = self.options.experiment.as_ref().unwrap_or(&head.experiment);
        let mut run = Run {
            catalog: &*self.catalog,
            backend: &*self.backend,
            placed: self.placed.as_ref(),
            options: &self.options,
            import: ImportId::mint(),
            meter: Meter::new(Pace::new(self.options.bytes_per_second), observe),
            report: ImportReport {
                experiment: experiment.clone(),
                artifacts: 0,
                bytes: 0,
                new: 0,
                already_here: 0,
                skipped: 0,
                refused: 0,
            },
        };
        while let Some(rows) = reader.next_part().await? {
            run.take_part(&mut reader, rows).await?;
        }
        if run.writes() {
            run.publish(&head).await?;
        }
        run.report.artifacts = run.meter.artifacts;
        run.report.bytes = run.meter.bytes;
        Ok(run.report)
    }
}

/// One import that runs.
struct Run<'i, F> {
    catalog: &'i dyn CatalogInventory,
    backend: &'i dyn ArtifactInventory,
    placed: Option<&'i PlacedBackend>,
    options: &'i ImportOptions,
    import: ImportId,
    meter: Meter<F>,
    report: ImportReport,
}

/// What the store knows about an artifact of the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Nothing,
    SameRow,
    OtherRow,
    Removed,
}

impl<F: FnMut(ImportEvent) + Send> Run<'_, F> {
    /// Returns whether the import still writes. After the first refusal it only checks the rest.
    fn writes(&self) -> bool {
        !self.options.dry_run && self.report.refused == 0
    }

    async fn take_part<R: AsyncRead + Unpin + Send>(
        &mut self,
        reader: &mut ArchiveReader<R>,
        mut rows: Vec<ArchivedRow>,
    ) -> Result<()> {
        for archived in &mut rows {
            archived.row.experiment = self.report.experiment.clone();
        }
        let known = self.look_up(&rows).await?;
        // Before any byte of the part is stored.
        let epochs = self.epochs().await?;
        let mut found_before = false;
        let backend = self.backend;
        let mut storing = FuturesUnordered::new();
        let (mut staged, mut digest_bytes) = (Vec::new(), 0);
        while let Some(index) = reader.next_blob().await? {
            let ArchivedRow { row, hold } = &rows[index];
            let known = known[index];
            let is_taken = self.judge(row, known);
            if !is_taken || !self.writes() {
                while let Some(chunk) = reader.chunk().await? {
                    self.meter.count(chunk.len()).await;
                }
            } else if row.size <= SMALL {
                let mut bytes = BytesMut::new();
                while let Some(chunk) = reader.chunk().await? {
                    self.meter.count(chunk.len()).await;
                    bytes.extend_from_slice(&chunk);
                }
                let may_exist = known == Known::SameRow;
                storing.push(place::store(
                    backend,
                    row.clone(),
                    bytes.freeze(),
                    may_exist,
                ));
                // To their end, and not polled before: one that was begun and is not polled could have a permit that a
                // large artifact waits for.
                if storing.len() == PARALLEL {
                    while let Some(stored) = storing.next().await.transpose()? {
                        found_before |= stored == Stored::Before;
                    }
                }
            } else {
                let may_exist = known == Known::SameRow;
                let stored =
                    place::upload(backend, row, may_exist, reader, &mut self.meter).await?;
                found_before |= stored == Stored::Before;
            }
            let digests = reader.take_chunk_digests();
            if is_taken && known == Known::Nothing {
                digest_bytes += digests.as_ref().map_or(0, |list| list.as_bytes().len());
                let new = StagedRow::new(row.clone()).with_hold(hold.clone());
                staged.push(new.with_chunk_digests(digests));
            }
            self.meter.end_artifact();
            if digest_bytes > MAX_DIGEST_BYTES {
                while let Some(stored) = storing.next().await.transpose()? {
                    found_before |= stored == Stored::Before;
                }
                self.stage(&mut staged, epochs.of_rows(found_before))
                    .await?;
                digest_bytes = 0;
            }
        }
        while let Some(stored) = storing.next().await.transpose()? {
            found_before |= stored == Stored::Before;
        }
        self.stage(&mut staged, epochs.of_rows(found_before)).await
    }

    /// Stages rows whose blobs are durable under this epoch. From then on their ids are protected from collectors.
    async fn stage(&mut self, rows: &mut Vec<StagedRow>, epoch: u64) -> Result<()> {
        let mut rows = std::mem::take(rows);
        if !self.writes() || rows.is_empty() {
            return Ok(());
        }
        for staged in &mut rows {
            staged.placement = epoch;
        }
        self.catalog.stage(self.import, &rows).await
    }

    /// Returns the epochs of blobs that are stored or found from now on, after a look at the placement.
    async fn epochs(&mut self) -> Result<Epochs> {
        match self.placed {
            Some(placed) if self.writes() => {
                placed.refresh().await?;
                Ok(placed.epochs())
            }
            _ => Ok(Epochs::default()),
        }
    }

    /// Finds out what the store knows about each row.
    async fn look_up(&mut self, rows: &[ArchivedRow]) -> Result<Vec<Known>> {
        let ids: Vec<_> = rows.iter().map(|archived| archived.row.id).collect();
        let mut missing = self.catalog.missing(&ids).await?;
        missing.sort_unstable();
        let mut removed = self.catalog.removed(&missing).await?;
        removed.sort_unstable();
        let mut known = Vec::with_capacity(rows.len());
        for ArchivedRow { row, .. } in rows {
            known.push(if removed.binary_search(&row.id).is_ok() {
                Known::Removed
            } else if missing.binary_search(&row.id).is_ok() {
                Known::Nothing
            } else {
                match self.catalog.get(row.id).await? {
                    Some(stored) if stored == *row => Known::SameRow,
                    Some(_) => Known::OtherRow,
                    None => Known::Removed,
                }
            });
        }
        Ok(known)
    }

    /// Counts an artifact, and reports one that is not taken. Returns whether it is.
    fn judge(&mut self, row: &Row, known: Known) -> bool {
        let id = row.id;
        match known {
            Known::Nothing => self.report.new += 1,
            Known::SameRow => self.report.already_here += 1,
            Known::Removed if self.options.skip_removed => {
                self.report.skipped += 1;
                self.meter.observe(ImportEvent::Skipped { id });
                return false;
            }
            Known::Removed => {
                self.refuse(id, "it was removed from this store, and an id is never used again; leave such artifacts out, or import into another store");
                return false;
            }
            Known::OtherRow => {
                self.refuse(id, "this store has an artifact with this id and another row, for example of another experiment");
                return false;
            }
        }
        true
    }

    fn refuse(&mut self, id: ArtifactId, why: &'static str) {
        self.report.refused += 1;
        let error = Error::new(ErrorKind::AlreadyExists, Operation::Import);
        let error = error.with_id(id).with_detail(why);
        self.meter.observe(ImportEvent::Refused { id, error });
    }

    async fn publish(&mut self, head: &Head) -> Result<()> {
        let experiment = self.report.experiment.clone();
        let new = Experiment::new(experiment.clone(), head.created_at);
        self.catalog.create_experiment(&new).await?;
        self.set_retention(&experiment, head.retention_us).await?;
        let rows = self.report.new;
        if rows > 0 {
            self.meter.observe(ImportEvent::Publishing { rows });
            self.catalog.publish(self.import, rows).await?;
        }
        Ok(())
    }

    /// Gives the retention of the archive to an experiment without artifacts and without one.
    async fn set_retention(&mut self, experiment: &ExperimentId, keep: Option<u64>) -> Result<()> {
        let Some(keep) = keep else {
            return Ok(());
        };
        let filter = RowFilter::of_experiment(experiment.clone());
        let page = self.catalog.scan(&filter, RowPosition::START, 1).await?;
        let is_empty = page.rows.is_empty() && page.unreadable == 0 && page.next.is_none();
        if is_empty && self.catalog.retention(experiment).await?.is_none() {
            let keep = Duration::from_micros(keep);
            self.catalog.set_retention(experiment, Some(keep)).await?;
        }
        Ok(())
    }
}

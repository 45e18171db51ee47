//! Brings a database up to what the notes of the backend say.

use std::collections::HashSet;
use std::sync::Arc;

use artifact_backend::{ArtifactId, ArtifactInventory, NoteEvent, NoteLog};
use artifact_open::Backend;
use futures_util::{StreamExt as _, stream::BoxStream};

use super::format::decode;
use super::recorder::RowNotes;
use crate::catalog::{Catalog, ReplayCatalog, ReplayEvent};
use crate::database::Database;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::experiment::{Experiment, ExperimentId};
use crate::placement::PlacementRecord;
use crate::store_id::StoreIdRecord;

/// The number of events that are applied in one transaction.
const BATCH: usize = 1_000;

/// Brings a database up to what the notes of the backend say: it gets the rows that it misses, and loses those whose blobs were
/// deleted.
///
/// A store whose rows are [notes](crate::ArtifactStore::with_row_notes) needs this before anything else uses its database: at the start
/// of a server, and before maintenance. Otherwise a power cut may have taken rows away whose deposits were acknowledged, and a collector
/// would take their blobs for orphans. It also brings an old copy of the database up to date, and fills a new one.
///
/// What it restores:
///
/// - Rows, with everything that [`Row`](crate::Row) has, and the [keys](crate::IdempotencyKey) of their deposits. Their experiments are
///   created if they are missing.
/// - Removals: a row whose blob was deleted is removed, and its id never gets a row again.
///
/// What only the database has, and no replay restores: workers, groups, administrators, experiments without artifacts, holds,
/// retention, quotas, grants, links, the log of receipts, collections and the names in them, chunk digests (a scrub can
/// [add](crate::ScrubOptions::with_added_chunk_digests) them), and the rows of blobs that were stored without a note: by an import, a restore or
/// a migration, or before the store used notes.
///
/// A blob whose deposit was refused or never answered may get a row too, unless it was collected since.
///
/// ```
/// use artifact_store::{ArtifactStore, Backend, CatchUp, Database, StoreConfig};
///
/// # async fn example(database: Database, backend: Backend) -> artifact_store::Result<()> {
/// let catalog = database.catalog.clone();
/// let mut store = ArtifactStore::new(backend.backend(), catalog, StoreConfig::default());
/// if let Some(catch_up) = CatchUp::new(&database, &backend) {
///     let (notes, report) = catch_up.run().await?;
///     println!("{} rows were missing", report.rows);
///     store = store.with_row_notes(notes);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct CatchUp {
    catalog: Arc<dyn Catalog>,
    placement: Arc<dyn PlacementRecord>,
    store_id: Arc<dyn StoreIdRecord>,
    backend: Arc<dyn ArtifactInventory>,
    log: Arc<dyn NoteLog>,
}

/// What a [`CatchUp`] has found and done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CatchUpReport {
    /// Whether all notes were read, because the database had no position, or one that the backend does not know.
    pub from_beginning: bool,
    /// The number of events that were read.
    pub events: u64,
    /// The number of rows that were missing.
    pub rows: u64,
    /// The number of rows that were removed, because their blobs were deleted.
    pub removed: u64,
    /// The experiments of these rows that did not exist.
    pub experiments: Vec<ExperimentId>,
    /// The number of blobs that were stored without a note, of which some may have been deleted since.
    pub without_note: u64,
    /// The blobs whose note is damaged or not that of a row.
    pub unreadable: Vec<ArtifactId>,
    /// The number of places where events are lost, because the backend is damaged there.
    pub lost: u64,
}

impl CatchUp {
    /// Prepares to bring a database up to date. Returns `None` if the backend keeps no notes, or this kind of database is not filled
    /// from them. Does no I/O.
    pub fn new(database: &Database, backend: &Backend) -> Option<Self> {
        let backend = backend.inventory();
        let log = backend.note_log()?;
        database.catalog.replayed()?;
        Some(Self {
            catalog: Arc::clone(&database.catalog),
            placement: Arc::clone(&database.placement),
            store_id: Arc::clone(&database.store_id),
            backend,
            log,
        })
    }

    /// Applies all events after the position of the database, and records the new position. Does nothing while the blobs are
    /// [moved](crate::Placement) to another backend.
    ///
    /// A dropped future and an error leave some of the events applied, in their order. The next run begins at the same position again,
    /// which changes nothing twice.
    ///
    /// # Errors
    ///
    /// `Misconfigured`, and nothing is changed, if the database and the backend have different [store ids](crate::StoreHalves). `Unavailable`,
    /// `OutOfSpace` and the kinds that an operator must resolve, of the database or the backend. Damage is no error, but in the report, and
    /// raised an alarm.
    pub async fn run(&self) -> Result<(RowNotes, CatchUpReport)> {
        let catalog = replayed(&*self.catalog)?;
        self.check_store_ids().await?;
        let placement = self.placement.placement().await?;
        if placement.is_some_and(|placement| placement.is_moving()) {
            // A blob that was moved away was not deleted. The migration has caught up when it began, and no note was written since.
            return Ok((self.notes(), CatchUpReport::default()));
        }
        let after = catalog.replayed_to().await?;
        if after.is_none() && !self.log.has_notes() {
            // Nothing can be missing, so a store that was used without notes is not read as a whole.
            let position = self.log.position().await.map_err(backend_error)?;
            catalog.record_replayed(position).await?;
            return Ok((self.notes(), CatchUpReport::default()));
        }
        let replay = self.log.replay(after).await.map_err(backend_error)?;
        let mut run = Run {
            catalog: &*self.catalog,
            known: HashSet::new(),
            report: CatchUpReport {
                from_beginning: replay.from_beginning,
                ..CatchUpReport::default()
            },
        };
        run.apply(replay.events).await?;
        catalog.record_replayed(replay.end).await?;
        let report = run.report;
        if report.rows > 0 || report.removed > 0 {
            tracing::info!(
                rows = report.rows,
                removed = report.removed,
                events = report.events,
                "the database was brought up to the notes of the backend"
            );
        }
        Ok((self.notes(), report))
    }

    /// Fails if each half has a store id, but not the same one: the backend would delete rows of another store. A half without one is new.
    async fn check_store_ids(&self) -> Result<()> {
        let Some(database) = self.store_id.store_id().await? else {
            return Ok(());
        };
        let backend = self.backend.store_id().await.map_err(backend_error)?;
        match backend.filter(|backend| *backend != database) {
            None => Ok(()),
            Some(backend) => Err(Error::new(ErrorKind::Misconfigured, Operation::CatchUp).with_detail(format!(
                "the database belongs to {database}, and the backend to {backend}: open those of one store"
            ))),
        }
    }

    fn notes(&self) -> RowNotes {
        RowNotes::new(Arc::clone(&self.catalog), Arc::clone(&self.log))
    }
}

/// Returns the catalog as one that is filled from notes.
pub(super) fn replayed(catalog: &dyn Catalog) -> Result<&dyn ReplayCatalog> {
    catalog.replayed().ok_or_else(|| {
        Error::new(ErrorKind::Unsupported, Operation::CatchUp)
            .with_detail("this kind of database is not filled from notes")
    })
}

pub(super) fn backend_error(error: artifact_backend::Error) -> Error {
    Error::backend(Operation::CatchUp, error)
}

/// A run of a [`CatchUp`].
struct Run<'c> {
    catalog: &'c dyn Catalog,
    /// Experiments that exist.
    known: HashSet<ExperimentId>,
    report: CatchUpReport,
}

impl Run<'_> {
    async fn apply(
        &mut self,
        mut events: BoxStream<'static, artifact_backend::Result<NoteEvent>>,
    ) -> Result<()> {
        let mut batch = Vec::new();
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => batch.extend(self.decode(event)),
                Err(error) => self.count_damage(error)?,
            }
            if batch.len() >= BATCH {
                self.write(std::mem::take(&mut batch)).await?;
            }
        }
        self.write(batch).await
    }

    /// Returns what the database must do because of an event, if anything.
    fn decode(&mut self, event: NoteEvent) -> Option<ReplayEvent> {
        self.report.events += 1;
        match event {
            NoteEvent::Deleted { id } => Some(ReplayEvent::Deleted(id)),
            NoteEvent::Stored { note: None, .. } => {
                self.report.without_note += 1;
                None
            }
            NoteEvent::Stored {
                id,
                size,
                note: Some(note),
            } => {
                let found = decode(id, &note).filter(|(row, _)| row.size == size);
                if found.is_none() {
                    tracing::error!(
                        alarm = "row-notes",
                        %id,
                        "the note of a blob is not that of its row, perhaps of a newer version, so its row is not restored"
                    );
                    self.report.unreadable.push(id);
                }
                found.map(|(row, key)| ReplayEvent::Stored(Box::new(row), key))
            }
            _ => None,
        }
    }

    /// Counts damage, which raised an alarm in the backend. Returns any other error.
    fn count_damage(&mut self, error: artifact_backend::Error) -> Result<()> {
        match error.damaged_blob() {
            Some(id) => self.report.unreadable.push(id),
            None if error.kind() == artifact_backend::ErrorKind::Corrupt => self.report.lost += 1,
            None => return Err(backend_error(error)),
        }
        Ok(())
    }

    async fn write(&mut self, batch: Vec<ReplayEvent>) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        for event in &batch {
            if let ReplayEvent::Stored(row, _) = event
                && !self.known.contains(&row.experiment)
            {
                self.create(&row.experiment, row.created_at).await?;
            }
        }
        let counts = replayed(self.catalog)?.replay(batch).await?;
        self.report.rows += counts.rows;
        self.report.removed += counts.removed;
        Ok(())
    }

    /// Creates an experiment, unless it exists.
    async fn create(&mut self, id: &ExperimentId, at: jiff::Timestamp) -> Result<()> {
        if self.catalog.experiment(id).await?.is_none() {
            let new = Experiment::new(id.clone(), at);
            self.catalog.create_experiment(&new).await?;
            tracing::warn!(experiment = %id, "an experiment of a restored row was missing, and was created");
            self.report.experiments.push(id.clone());
        }
        self.known.insert(id.clone());
        Ok(())
    }
}

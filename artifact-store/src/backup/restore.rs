//! One restore: the blobs, then the database, in one transaction.

use std::collections::HashSet;
use std::sync::Arc;

use artifact_backend::{ArtifactId, ArtifactInventory, Shard};
use artifact_open::Backend;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};

use super::copy::{Copied, PARALLEL, copy_blob};
use super::manifest::{BackupManifest, LeftOutReason, MAX_LEFT_OUT};
use super::options::BackupOptions;
use super::place::{BackupPlace, Control, has_blobs, store_once};
use super::reader::DumpReader;
use super::report::{BackupEvent, BackupReport};
use super::rows::{NeededBlob, Presence, find_present};
use super::verify::check_counts;
use crate::database::Database;
use crate::dump::DumpRecord;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::pace::Pace;
use crate::sharing::{AccessGrant, AccessLink, GrantSubject};

/// Restores a store from a backup, into an empty database and an empty backend.
///
/// 1. The backend gets a mark and the store id, so that no server starts with it: its database is still empty.
/// 2. The backend gets every blob that the snapshot needs. The SHA-256 of each is compared with its row before it is stored.
/// 3. The database gets all records in one transaction. When that is durable, the store is complete.
///
/// After a dropped future, a kill or a power cut, call it again with the same snapshot: it continues. It refuses a database or a backend
/// that holds anything else, and changes nothing then.
///
/// The restored store has the same store id, serves every artifact that was acknowledged before the backup, and accepts the
/// tokens of the workers. What was removed before the backup stays removed. A grant or a link that was revoked after the backup is
/// there again. An artifact that the
/// backup [left out](BackupManifest::left_out) counts as removed.
///
/// ```
/// use artifact_store::{Backend, BackupOptions, BackupPlace, Database, Restore};
///
/// # async fn example() -> artifact_store::Result<()> {
/// let place = BackupPlace::open(&Backend::from_url("/mnt/backup/artifacts").await?).await?;
/// let database = Database::from_url("/srv/artifacts/rows.sqlite").await?;
/// let backend = Backend::from_url("/srv/artifacts/blobs").await?;
/// let restore = Restore::new(&place, &database, &backend, BackupOptions::default());
/// let report = restore.run(None, |_| {}).await;
/// println!("restored: {}", report.is_complete);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Restore {
    place: BackupPlace,
    database: Database,
    target: Arc<dyn ArtifactInventory>,
    options: BackupOptions,
}

impl Restore {
    /// Creates a restore. Does no I/O.
    pub fn new(
        place: &BackupPlace,
        database: &Database,
        backend: &Backend,
        options: BackupOptions,
    ) -> Self {
        Self {
            place: place.clone(),
            database: database.clone(),
            target: backend.inventory(),
            options,
        }
    }

    /// Restores a snapshot; `None` stands for the newest one, or for the one whose restore is not finished. Calls `observe` for
    /// each event, on the task of the caller. Needs a Tokio runtime with a timer if there is a limit of bytes per second.
    ///
    /// What fails is in the report: [`AlreadyExists`](ErrorKind::AlreadyExists) if the database or the backend is not
    /// empty, [`NotFound`](ErrorKind::NotFound) if there is no such snapshot.
    pub async fn run(
        &self,
        number: Option<u64>,
        observe: impl FnMut(BackupEvent) + Send,
    ) -> BackupReport {
        let mut run = Run {
            restore: self,
            pace: Arc::new(Pace::new(self.options.bytes_per_second)),
            report: BackupReport::default(),
            left_out: HashSet::new(),
            observe,
        };
        run.report.unfinished = run.run(number).await.err();
        run.report
    }
}

struct Run<'r, F> {
    restore: &'r Restore,
    pace: Arc<Pace>,
    report: BackupReport,
    /// The artifacts whose rows are not restored.
    left_out: HashSet<ArtifactId>,
    observe: F,
}

fn failed(error: artifact_backend::Error) -> Error {
    Error::backend(Operation::Restore, error)
}

fn refused(kind: ErrorKind, detail: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(kind, Operation::Restore).with_detail(detail)
}

impl<F: FnMut(BackupEvent) + Send> Run<'_, F> {
    async fn run(&mut self, number: Option<u64>) -> Result<()> {
        let Restore {
            place,
            database,
            target,
            options,
        } = self.restore;
        let begun = self.find_mark().await?;
        if let (Some(begun), Some(number)) = (begun, number)
            && begun != number
        {
            return Err(refused(
                ErrorKind::AlreadyExists,
                format!(
                    "the restore of snapshot {begun} has begun here; finish that one, or use an empty backend"
                ),
            ));
        }
        let manifest = place.snapshot(begun.or(number)).await?;
        let store = manifest.store_id()?;
        let (number, counts) = (manifest.number, manifest.counts);
        self.report.number = Some(number);
        self.report.counts = counts;
        let mark = place.control_id(Control::Restoring, number);
        if begun.is_some() && database.store_id.store_id().await? == Some(store) {
            // Only the end of an earlier restore is missing.
            target.delete(mark).await.map_err(failed)?;
            self.report.was_complete = true;
            self.report.is_complete = true;
            return Ok(());
        }
        let found = target.store_id().await.map_err(failed)?;
        let is_empty = found.is_none() && !has_blobs(&**target).await?;
        if begun.is_none() && !is_empty || begun.is_some() && found.is_some_and(|id| id != store) {
            return Err(refused(
                ErrorKind::AlreadyExists,
                "the backend is not empty; it was not changed. Use a new one, which no server has used",
            ));
        }
        // Fails if the database is not empty.
        drop(database.portable()?.begin_load().await?);
        (self.observe)(BackupEvent::Snapshot { number, counts });
        if !options.dry_run {
            let text = format!("snapshot {number} is being restored\n");
            store_once(&**target, mark, Bytes::from(text)).await?;
            let created = target.create_store_id(store).await.map_err(failed)?;
            if created != store {
                return Err(refused(
                    ErrorKind::AlreadyExists,
                    "another program uses the backend; restore into an empty one",
                ));
            }
        }
        self.left_out = manifest
            .left_out
            .iter()
            .map(|left_out| left_out.id)
            .collect();
        self.copy_blobs(&manifest).await?;
        if options.dry_run {
            return Ok(());
        }
        if self.report.failed > 0 {
            return Err(refused(
                ErrorKind::Unavailable,
                "some blobs could not be copied, so the store is not complete; restore again",
            ));
        }
        if self.report.missing + self.report.corrupt > 0 && !options.without_damaged {
            return Err(refused(
                ErrorKind::Corrupt,
                "some blobs are damaged in the backup, so the store is not complete; repair them, restore an older snapshot \
                 into an empty place, or restore again without these artifacts",
            ));
        }
        self.load(&manifest).await?;
        self.report.is_complete = true;
        target.delete(mark).await.map_err(failed)
    }

    /// Returns the number of the snapshot whose restore has begun in the backend.
    async fn find_mark(&mut self) -> Result<Option<u64>> {
        let Restore { place, target, .. } = self.restore;
        let first = place.control_id(Control::Restoring, 0);
        let list = target.list_shard(Shard::of(first), Some(first)).await;
        let mut list = list.map_err(failed)?;
        let id = match list.next().await {
            None => return Ok(None),
            Some(Ok(blob)) => blob.id,
            Some(Err(error)) => error.damaged_blob().ok_or(error).map_err(failed)?,
        };
        let control = place.control(id);
        let mark = control.filter(|(kind, _)| *kind == Control::Restoring as u8);
        Ok(mark.map(|(_, number)| number))
    }

    async fn copy_blobs(&mut self, manifest: &BackupManifest) -> Result<()> {
        let Restore { place, options, .. } = self.restore;
        let mut reader = DumpReader::open(place, manifest.number).await?;
        let mut needed = Vec::new();
        while let Some(records) = reader.next().await? {
            for record in records {
                if let DumpRecord::Artifact { row, .. } = record
                    && !self.left_out.contains(&row.id)
                {
                    needed.push(NeededBlob::from(&row));
                }
            }
            if needed.len() >= options.rows_in_memory {
                self.copy_some(&mut needed).await?;
            }
        }
        check_counts(manifest, reader)?;
        self.copy_some(&mut needed).await
    }

    async fn copy_some(&mut self, needed: &mut Vec<NeededBlob>) -> Result<()> {
        let Restore {
            place,
            target,
            options,
            ..
        } = self.restore;
        let found = find_present(&**target, needed).await?;
        let mut absent = Vec::new();
        for (blob, presence) in needed.drain(..).zip(found) {
            match presence {
                Presence::Absent => absent.push(blob),
                // An earlier call has verified and stored it.
                Presence::Present => {
                    self.report.present += 1;
                    self.looked_at();
                }
                Presence::Damaged(error) => self.failed(blob.id, error),
            }
        }
        if options.dry_run {
            let found = find_present(&*place.inventory, &mut absent).await?;
            for (blob, presence) in absent.into_iter().zip(found) {
                let copied = match presence {
                    Presence::Present => Ok(Copied::Done),
                    Presence::Absent => Ok(Copied::Missing),
                    Presence::Damaged(error) => Ok(Copied::Corrupt(error)),
                };
                self.count(&blob, copied)?;
            }
            return Ok(());
        }
        let (source, target, pace) = (&*place.inventory, &**target, Arc::clone(&self.pace));
        let pace = &*pace;
        let copy = |blob: NeededBlob| async move {
            (blob, copy_blob(source, Some(target), &blob, pace).await)
        };
        for part in absent.chunks(PARALLEL * 16) {
            let copies = stream::iter(part.to_vec()).map(copy);
            let copies: Vec<_> = copies.buffer_unordered(PARALLEL).collect().await;
            for (blob, copied) in copies {
                self.count(&blob, copied)?;
            }
        }
        Ok(())
    }

    fn count(&mut self, blob: &NeededBlob, copied: Result<Copied>) -> Result<()> {
        let (why, error) = match copied {
            Ok(Copied::Done) => {
                self.report.copied += 1;
                self.report.copied_bytes += blob.size;
                self.looked_at();
                return Ok(());
            }
            Err(error) => {
                self.failed(blob.id, error);
                return Ok(());
            }
            Ok(Copied::Missing) => (LeftOutReason::Missing, None),
            Ok(Copied::Corrupt(error)) => (LeftOutReason::Corrupt, Some(error)),
        };
        let id = blob.id;
        self.left_out.insert(id);
        self.report.leave_out(why);
        (self.observe)(BackupEvent::LeftOut { id, why, error });
        self.looked_at();
        if self.left_out.len() > 2 * MAX_LEFT_OUT {
            return Err(refused(
                ErrorKind::Corrupt,
                format!("more than {MAX_LEFT_OUT} blobs of the backup are damaged"),
            ));
        }
        Ok(())
    }

    /// Writes the records into the database. The ids of what is left out count as removed.
    async fn load(&mut self, manifest: &BackupManifest) -> Result<()> {
        let Restore {
            place, database, ..
        } = self.restore;
        let mut load = database.portable()?.begin_load().await?;
        let mut reader = DumpReader::open(place, manifest.number).await?;
        let mut removed = Vec::new();
        while let Some(mut records) = reader.next().await? {
            records.retain(|record| match record {
                DumpRecord::Artifact { row, .. } if self.left_out.contains(&row.id) => {
                    removed.push(DumpRecord::Removed(row.id));
                    false
                }
                DumpRecord::ChunkDigests { id, .. }
                | DumpRecord::AccessGrant(AccessGrant {
                    subject: GrantSubject::Artifact(id),
                    ..
                })
                | DumpRecord::AccessLink {
                    link: AccessLink { artifact: id, .. },
                    ..
                } => !self.left_out.contains(id),
                DumpRecord::Hold(hold) => !self.left_out.contains(&hold.id),
                _ => true,
            });
            load.write(records).await?;
        }
        check_counts(manifest, reader)?;
        for some in removed.chunks(1_000) {
            load.write(some.to_vec()).await?;
        }
        load.commit(Some(manifest.store_id()?)).await
    }

    fn failed(&mut self, id: ArtifactId, error: Error) {
        self.report.failed += 1;
        (self.observe)(BackupEvent::Failed { id, error });
        self.looked_at();
    }

    fn looked_at(&mut self) {
        self.report.artifacts += 1;
        let (artifacts, bytes) = (self.report.artifacts, self.report.copied_bytes);
        (self.observe)(BackupEvent::Progress { artifacts, bytes });
    }
}

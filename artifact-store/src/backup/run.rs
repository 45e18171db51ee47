//! One backup: a snapshot of the database, then the blobs that its rows need, then the manifest.

use std::sync::Arc;
use std::time::Duration;

use artifact_backend::{ArtifactId, ArtifactInventory, Clock, StoreId, Upload, background};
use artifact_open::Backend;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;

use super::copy::{Copied, PARALLEL, copy_blob};
use super::manifest::{BackupManifest, LeftOut, LeftOutReason, MAX_LEFT_OUT};
use super::options::BackupOptions;
use super::place::{BackupPlace, Control, failed};
use super::reader::DumpReader;
use super::report::{BackupEvent, BackupReport};
use super::rows::{NeededBlob, Presence, find_present};
use crate::database::Database;
use crate::dump::{DumpCounts, DumpEncoder, DumpHeader, DumpRecord};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::pace::Pace;

/// The size of the chunks in which a dump is written.
const CHUNK: usize = 1 << 20;
/// The age from which on leftovers of killed backups are removed.
const LEFTOVERS: Duration = Duration::from_hours(24);

/// Backs up a store into another backend, the place, while servers run.
///
/// 1. A snapshot of the database is written into the place. Everything that was acknowledged before is in it.
/// 2. The place gets each blob that a row of the snapshot needs and that it does not have. The SHA-256 of each is compared with
///    its row before it is stored. Blobs never change, so those that are there from an earlier backup are not read again.
/// 3. The manifest is stored. Only then is the snapshot complete.
/// 4. With [`with_keep`](BackupOptions::with_keep), older snapshots are removed, and the blobs that only they needed.
///
/// An artifact that is removed during the backup, or whose blob is missing or corrupt in the store, is left out and listed in the
/// manifest. If a blob cannot be read or written for another reason, there is no manifest.
///
/// A dropped future, a kill or a power cut at any moment leaves the earlier snapshots whole, and blobs that the next
/// backup need not copy again. Any number of backups of one store may run into one place at the same time.
///
/// It reads the store in the [background lane](artifact_backend::background()), so deposits and fetches do not wait for it.
///
/// Memory: 64 bytes for each of up to [262,144 rows](BackupOptions::with_rows_in_memory), eight chunks, and the list of what
/// was left out.
///
/// ```
/// use artifact_store::{Backend, Backup, BackupOptions, Database};
///
/// # async fn example(database: Database, backend: Backend) -> artifact_store::Result<()> {
/// let place = Backend::from_url("/mnt/backup/artifacts").await?;
/// let backup = Backup::new(&database, &backend, &place, BackupOptions::default());
/// let report = backup.run(|_| {}).await;
/// println!("copied {} blobs, complete: {}", report.copied, report.is_complete);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Backup {
    database: Database,
    source: Arc<dyn ArtifactInventory>,
    place: Backend,
    options: BackupOptions,
}

impl Backup {
    /// Creates a backup of the two halves of a store. Does no I/O. Check before that
    /// the halves [belong together](crate::StoreHalves::check).
    pub fn new(
        database: &Database,
        backend: &Backend,
        place: &Backend,
        options: BackupOptions,
    ) -> Self {
        Self {
            database: database.clone(),
            source: backend.inventory(),
            place: place.clone(),
            options,
        }
    }

    /// Backs up once. Calls `observe` for each event, on the task of the caller. Needs a Tokio runtime with a timer if there is a
    /// limit of bytes per second.
    ///
    /// What fails is in the report: [`Misconfigured`](ErrorKind::Misconfigured) if the place belongs to something else.
    pub async fn run(&self, observe: impl FnMut(BackupEvent) + Send) -> BackupReport {
        let mut run = Run {
            backup: self,
            pace: Arc::new(Pace::new(self.options.bytes_per_second)),
            report: BackupReport::default(),
            left_out: Vec::new(),
            observe,
        };
        run.report.unfinished = run.run().await.err();
        run.report
    }
}

pub(super) struct Run<'b, F> {
    backup: &'b Backup,
    pace: Arc<Pace>,
    pub(super) report: BackupReport,
    left_out: Vec<LeftOut>,
    pub(super) observe: F,
}

impl<F: FnMut(BackupEvent) + Send> Run<'_, F> {
    async fn run(&mut self) -> Result<()> {
        let Backup {
            database,
            place,
            options,
            ..
        } = self.backup;
        let Some(store) = background(database.store_id.store_id()).await? else {
            return Err(Error::new(ErrorKind::Misconfigured, Operation::Backup).with_detail(
                "the store has no store id; start the server with its database and its backend once",
            ));
        };
        let place = BackupPlace::of_store(place, store, options.dry_run).await?;
        let last = place
            .entries()
            .await?
            .last_key_value()
            .map_or(0, |(number, _)| *number);
        let number = last + 1;
        if options.dry_run {
            return self.look(&place, number).await;
        }
        let taken_at = self.now()?;
        let counts = self.write_dump(&place, number, store, taken_at).await?;
        self.report.number = Some(number);
        self.copy_blobs(&place, number, counts).await?;
        if self.report.failed > 0 {
            return Err(Error::new(ErrorKind::Unavailable, Operation::Backup).with_detail(
                "some blobs could not be copied, so the snapshot is not complete; back up again",
            ));
        }
        let left_out = std::mem::take(&mut self.left_out);
        let manifest = BackupManifest::new(store, number, taken_at, self.now()?, counts, left_out);
        place.store_manifest(&manifest).await?;
        self.report.is_complete = true;
        if let Some(keep) = options.keep {
            self.prune(&place, &*database.inventory, keep, options.rows_in_memory)
                .await?;
        }
        place.inventory.sweep(LEFTOVERS).await.map_err(failed)?;
        Ok(())
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.backup.options.clock
    }

    fn now(&self) -> Result<Timestamp> {
        Timestamp::try_from(self.clock().now()).map_err(|error| {
            Error::new(ErrorKind::Misconfigured, Operation::Backup)
                .with_detail("the clock of this machine is set to an impossible time")
                .with_source(error)
        })
    }

    /// Writes the records of the database into the place.
    async fn write_dump(
        &mut self,
        place: &BackupPlace,
        number: u64,
        store: StoreId,
        taken_at: Timestamp,
    ) -> Result<DumpCounts> {
        let mut snapshot = background(self.backup.database.portable()?.snapshot()).await?;
        if snapshot.store_id() != Some(store) {
            return Err(Error::new(ErrorKind::Misconfigured, Operation::Backup)
                .with_detail("the store id of the database changed; back up again"));
        }
        let id = place.control_id(Control::Dump, number);
        let mut upload = place.inventory.upload(id).await.map_err(failed)?;
        let mut text = Vec::new();
        let mut encoder = DumpEncoder::begin(&DumpHeader::new(Some(store), taken_at), &mut text);
        while let Some(records) = snapshot.next().await? {
            for record in &records {
                if let DumpRecord::Artifact { row, .. } = record
                    && place.control(row.id).is_some()
                {
                    return Err(Error::new(ErrorKind::Unsupported, Operation::Backup)
                        .with_id(row.id)
                        .with_detail(
                            "the id of this artifact begins as those of the snapshots do",
                        ));
                }
                encoder.push(record, &mut text);
            }
            if text.len() >= CHUNK {
                write(&mut *upload, &mut text).await?;
            }
        }
        let counts = encoder.finish(snapshot.unreadable(), &mut text);
        drop(snapshot);
        write(&mut *upload, &mut text).await?;
        upload.commit().await.map_err(failed)?;
        Ok(counts)
    }

    /// Copies the blobs that the snapshot needs. Reads the snapshot from the place, so that it is verified too.
    async fn copy_blobs(
        &mut self,
        place: &BackupPlace,
        number: u64,
        counts: DumpCounts,
    ) -> Result<()> {
        self.report.counts = counts;
        (self.observe)(BackupEvent::Snapshot { number, counts });
        let mut reader = DumpReader::open(place, number).await?;
        let mut needed = Vec::new();
        while let Some(records) = reader.next().await? {
            for record in records {
                if let DumpRecord::Artifact { row, .. } = record {
                    needed.push(NeededBlob::from(&row));
                }
            }
            if needed.len() >= self.backup.options.rows_in_memory {
                self.copy_some(place, &mut needed).await?;
            }
        }
        if reader.finish()? != counts {
            return Err(Error::new(ErrorKind::Corrupt, Operation::Backup)
                .with_detail("the snapshot that was read back is not the one that was written"));
        }
        self.copy_some(place, &mut needed).await
    }

    async fn copy_some(&mut self, place: &BackupPlace, needed: &mut Vec<NeededBlob>) -> Result<()> {
        let found = find_present(&*place.inventory, needed).await?;
        let mut absent = Vec::new();
        for (blob, presence) in needed.drain(..).zip(found) {
            match presence {
                Presence::Absent => absent.push(blob),
                Presence::Present => {
                    self.report.present += 1;
                    self.looked_at();
                }
                Presence::Damaged(error) => self.failed(blob.id, error),
            }
        }
        let (source, limit) = (&*self.backup.source, Arc::clone(&self.pace));
        let limit = &*limit;
        if self.backup.options.dry_run {
            for blob in absent {
                self.report.copied += 1;
                self.report.copied_bytes += blob.size;
                self.looked_at();
            }
            return Ok(());
        }
        let target = &*place.inventory;
        let copy = |blob: NeededBlob| async move {
            (blob, copy_blob(source, Some(target), &blob, limit).await)
        };
        // The futures borrow parts of `self`, so what they return is dealt with in between.
        for part in absent.chunks(PARALLEL * 16) {
            let copies = stream::iter(part.to_vec()).map(copy);
            let copies: Vec<_> = copies.buffer_unordered(PARALLEL).collect().await;
            for (blob, copied) in copies {
                self.count(&blob, copied).await?;
            }
        }
        Ok(())
    }

    async fn count(&mut self, blob: &NeededBlob, copied: Result<Copied>) -> Result<()> {
        let (why, error) = match copied {
            Ok(Copied::Done) => {
                self.report.copied += 1;
                self.report.copied_bytes += blob.size;
                self.looked_at();
                return Ok(());
            }
            // Another backup into this place was faster.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                self.report.present += 1;
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
        let missing = background(self.backup.database.inventory.missing(&[blob.id])).await?;
        let (why, error) = if missing.contains(&blob.id) {
            (LeftOutReason::Removed, None)
        } else {
            (why, error)
        };
        self.left_out.push(LeftOut { id: blob.id, why });
        self.report.leave_out(why);
        let id = blob.id;
        (self.observe)(BackupEvent::LeftOut { id, why, error });
        self.looked_at();
        if self.left_out.len() > MAX_LEFT_OUT {
            return Err(Error::new(ErrorKind::Corrupt, Operation::Backup).with_detail(format!(
                "more than {MAX_LEFT_OUT} artifacts have no intact blob; the snapshot is not complete"
            )));
        }
        Ok(())
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

    /// Finds out what would be copied. Writes nothing.
    async fn look(&mut self, place: &BackupPlace, number: u64) -> Result<()> {
        let mut snapshot = background(self.backup.database.portable()?.snapshot()).await?;
        let (mut counts, mut needed) = (DumpCounts::default(), Vec::new());
        while let Some(records) = snapshot.next().await? {
            for record in &records {
                counts.add(record);
                if let DumpRecord::Artifact { row, .. } = record {
                    needed.push(NeededBlob::from(row));
                }
            }
            if needed.len() >= self.backup.options.rows_in_memory {
                self.copy_some(place, &mut needed).await?;
            }
        }
        counts.unreadable = snapshot.unreadable();
        drop(snapshot);
        self.copy_some(place, &mut needed).await?;
        self.report.counts = counts;
        (self.observe)(BackupEvent::Snapshot { number, counts });
        Ok(())
    }
}

impl BackupReport {
    pub(super) fn leave_out(&mut self, why: LeftOutReason) {
        match why {
            LeftOutReason::Removed => self.removed += 1,
            LeftOutReason::Missing => self.missing += 1,
            LeftOutReason::Corrupt => self.corrupt += 1,
        }
    }
}

async fn write(upload: &mut dyn Upload, text: &mut Vec<u8>) -> Result<()> {
    let chunk = Bytes::from(std::mem::take(text));
    upload.write(chunk).await.map_err(failed)
}

//! Reads a backup back.

use std::sync::Arc;

use futures_util::{StreamExt as _, stream};

use super::copy::{Copied, PARALLEL, copy_blob};
use super::manifest::{BackupManifest, LeftOut, LeftOutReason};
use super::options::BackupOptions;
use super::place::BackupPlace;
use super::reader::DumpReader;
use super::report::{BackupEvent, BackupReport};
use super::rows::NeededBlob;
use crate::dump::DumpRecord;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::pace::Pace;

impl BackupPlace {
    /// Checks a snapshot, or all if `number` is `None`: reads the dumps and every blob that their rows need, and compares
    /// sizes and SHA-256. A blob that several snapshots need is read once. Calls `observe` for each event. Changes
    /// nothing.
    ///
    /// Memory: as [`Backup`](super::Backup). Needs a Tokio runtime with a timer if there is a limit of bytes per second.
    pub async fn verify(
        &self,
        number: Option<u64>,
        options: &BackupOptions,
        observe: impl FnMut(BackupEvent) + Send,
    ) -> BackupReport {
        let mut check = Check {
            place: self,
            options,
            pace: Arc::new(Pace::new(options.bytes_per_second)),
            report: BackupReport::default(),
            observe,
        };
        check.report.unfinished = check.run(number).await.err();
        check.report.is_complete = check.report.unfinished.is_none() && check.report.failed == 0;
        check.report
    }
}

struct Check<'p, F> {
    place: &'p BackupPlace,
    options: &'p BackupOptions,
    pace: Arc<Pace>,
    report: BackupReport,
    observe: F,
}

impl<F: FnMut(BackupEvent) + Send> Check<'_, F> {
    async fn run(&mut self, number: Option<u64>) -> Result<()> {
        let snapshots = match number {
            None => self.place.snapshots().await?,
            Some(_) => vec![self.place.snapshot(number).await?],
        };
        if snapshots.is_empty() {
            return Err(Error::new(ErrorKind::NotFound, Operation::Backup)
                .with_detail("there is no complete backup in this place"));
        }
        let mut newer: Vec<&BackupManifest> = Vec::new();
        for manifest in snapshots.iter().rev() {
            self.check(manifest, &newer).await?;
            newer.push(manifest);
        }
        Ok(())
    }

    async fn check(&mut self, manifest: &BackupManifest, newer: &[&BackupManifest]) -> Result<()> {
        let (number, counts) = (manifest.number, manifest.counts);
        self.report.number = Some(number);
        self.report.counts = counts;
        (self.observe)(BackupEvent::Snapshot { number, counts });
        let mut reader = DumpReader::open(self.place, number).await?;
        let left_out = sorted_ids(&manifest.left_out);
        let mut needed = Vec::new();
        while let Some(records) = reader.next().await? {
            for record in records {
                if let DumpRecord::Artifact { row, .. } = record
                    && left_out.binary_search(&row.id).is_err()
                {
                    needed.push(NeededBlob::from(&row));
                }
            }
            if needed.len() >= self.options.rows_in_memory {
                self.check_blobs(&mut needed, newer).await?;
            }
        }
        check_counts(manifest, reader)?;
        self.check_blobs(&mut needed, newer).await
    }

    async fn check_blobs(
        &mut self,
        needed: &mut Vec<NeededBlob>,
        newer: &[&BackupManifest],
    ) -> Result<()> {
        self.remove_checked(needed, newer).await?;
        let (place, limit) = (&*self.place.inventory, Arc::clone(&self.pace));
        let limit = &*limit;
        let check =
            |blob: NeededBlob| async move { (blob, copy_blob(place, None, &blob, limit).await) };
        for part in needed.chunks(PARALLEL * 16) {
            let checks = stream::iter(part.to_vec()).map(check);
            let checks: Vec<_> = checks.buffer_unordered(PARALLEL).collect().await;
            for (blob, checked) in checks {
                self.count(&blob, checked);
            }
        }
        needed.clear();
        Ok(())
    }

    /// Removes the blobs that were checked for a newer snapshot.
    async fn remove_checked(
        &mut self,
        needed: &mut Vec<NeededBlob>,
        newer: &[&BackupManifest],
    ) -> Result<()> {
        needed.sort_unstable_by_key(|blob| blob.id);
        let mut is_checked = vec![false; needed.len()];
        for manifest in newer {
            let left_out = sorted_ids(&manifest.left_out);
            let mut reader = DumpReader::open(self.place, manifest.number).await?;
            while let Some(records) = reader.next().await? {
                for record in records {
                    if let DumpRecord::Artifact { row, .. } = record
                        && let Ok(at) = needed.binary_search_by_key(&row.id, |blob| blob.id)
                        && left_out.binary_search(&row.id).is_err()
                        && needed[at].sha256 == row.sha256
                    {
                        is_checked[at] = true;
                    }
                }
            }
            check_counts(manifest, reader)?;
        }
        let mut checked = is_checked.into_iter();
        needed.retain(|_| !checked.next().unwrap_or(false));
        Ok(())
    }

    fn count(&mut self, blob: &NeededBlob, checked: Result<Copied>) {
        let id = blob.id;
        match checked {
            Ok(Copied::Done) => {
                self.report.copied += 1;
                self.report.copied_bytes += blob.size;
            }
            Ok(Copied::Missing) => {
                self.leave_out(blob, LeftOutReason::Missing, None);
            }
            Ok(Copied::Corrupt(error)) => {
                self.leave_out(blob, LeftOutReason::Corrupt, Some(error));
            }
            Err(error) => {
                self.report.failed += 1;
                (self.observe)(BackupEvent::Failed { id, error });
            }
        }
        self.report.artifacts += 1;
        let (artifacts, bytes) = (self.report.artifacts, self.report.copied_bytes);
        (self.observe)(BackupEvent::Progress { artifacts, bytes });
    }

    fn leave_out(&mut self, blob: &NeededBlob, why: LeftOutReason, error: Option<Error>) {
        let id = blob.id;
        self.report.leave_out(why);
        (self.observe)(BackupEvent::LeftOut { id, why, error });
    }
}

pub(super) fn sorted_ids(left_out: &[LeftOut]) -> Vec<artifact_backend::ArtifactId> {
    let mut ids: Vec<_> = left_out.iter().map(|left_out| left_out.id).collect();
    ids.sort_unstable();
    ids
}

/// Checks that a dump that was read is whole and the one of the manifest.
pub(super) fn check_counts(manifest: &BackupManifest, reader: DumpReader) -> Result<()> {
    if reader.finish()? == manifest.counts {
        return Ok(());
    }
    Err(
        Error::new(ErrorKind::Corrupt, Operation::Backup).with_detail(format!(
            "snapshot {} has other records than its manifest says; use another snapshot",
            manifest.number
        )),
    )
}

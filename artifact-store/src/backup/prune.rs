//! Removes old snapshots, and the blobs that only they needed.

use std::num::NonZero;
use std::time::Duration;

use artifact_backend::{ArtifactId, ErrorKind as BackendErrorKind, Shard, background};
use futures_util::StreamExt as _;

use super::place::{BackupPlace, Control, failed};
use super::reader::DumpReader;
use super::report::BackupEvent;
use super::run::Run;
use crate::catalog::{CatalogInventory, MAX_PAGE};
use crate::dump::DumpRecord;
use crate::error::Result;

/// The age from which on a snapshot without a manifest is that of a killed backup.
const ABANDONED: Duration = Duration::from_hours(7 * 24);

impl<F: FnMut(BackupEvent) + Send> Run<'_, F> {
    /// Removes all complete snapshots but the newest ones, and what killed backups left.
    ///
    /// The manifests go first, so a snapshot that is listed is whole. A blob is deleted only if no dump that stays names it, and if the
    /// store has no row for it any more. Such a row never comes back, so no later backup needs the blob. The dumps
    /// go last: a prune that was cut off is finished by the next one.
    pub(super) async fn prune(
        &mut self,
        place: &BackupPlace,
        catalog: &dyn CatalogInventory,
        keep: NonZero<usize>,
        rows_in_memory: usize,
    ) -> Result<()> {
        let entries = place.entries().await?;
        let complete = entries.iter().filter(|(_, entry)| entry.has_manifest);
        let kept: Vec<_> = complete
            .rev()
            .take(keep.get())
            .map(|(number, _)| *number)
            .collect();
        let oldest = kept.last().copied().unwrap_or(u64::MAX);
        let mut dropped = Vec::new();
        for (number, entry) in &entries {
            if entry.has_manifest && *number < oldest {
                let id = place.control_id(Control::Manifest, *number);
                place.inventory.delete(id).await.map_err(failed)?;
                self.report.pruned_snapshots += 1;
                let number = *number;
                (self.observe)(BackupEvent::Pruned { number });
                dropped.push(number);
            // A younger one may be that of a backup that still runs.
            } else if !entry.has_manifest && self.is_abandoned(place, *number).await? {
                dropped.push(*number);
            }
        }
        if dropped.is_empty() {
            return Ok(());
        }
        let mut batch = Vec::new();
        for shard in Shard::ALL {
            let mut list = place
                .inventory
                .list_shard(shard, None)
                .await
                .map_err(failed)?;
            while let Some(item) = list.next().await {
                let id = match item {
                    Ok(blob) => blob.id,
                    // It is left for an operator to inspect.
                    Err(error) if error.damaged_blob().is_some() => continue,
                    Err(error) => return Err(failed(error)),
                };
                if place.control(id).is_none() {
                    batch.push(id);
                }
                if batch.len() >= rows_in_memory {
                    self.prune_blobs(place, catalog, &dropped, &mut batch)
                        .await?;
                }
            }
        }
        self.prune_blobs(place, catalog, &dropped, &mut batch)
            .await?;
        for number in dropped {
            let id = place.control_id(Control::Dump, number);
            place.inventory.delete(id).await.map_err(failed)?;
        }
        Ok(())
    }

    async fn is_abandoned(&mut self, place: &BackupPlace, number: u64) -> Result<bool> {
        let id = place.control_id(Control::Dump, number);
        let found = match place.inventory.stat(id).await {
            Ok(found) => found,
            Err(error) if error.kind() == BackendErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(failed(error)),
        };
        let age = self.clock().now().duration_since(found.modified);
        Ok(age.is_ok_and(|age| age >= ABANDONED))
    }

    /// Deletes those of the blobs, in the order of their ids, that nothing needs.
    async fn prune_blobs(
        &mut self,
        place: &BackupPlace,
        catalog: &dyn CatalogInventory,
        dropped: &[u64],
        ids: &mut Vec<ArtifactId>,
    ) -> Result<()> {
        let mut is_needed = vec![false; ids.len()];
        // Listed again, because another backup may have begun.
        for (number, entry) in place.entries().await? {
            if !entry.has_dump || dropped.contains(&number) {
                continue;
            }
            let mut reader = DumpReader::open(place, number).await?;
            while let Some(records) = reader.next().await? {
                for record in records {
                    if let DumpRecord::Artifact { row, .. } = record
                        && let Ok(at) = ids.binary_search(&row.id)
                    {
                        is_needed[at] = true;
                    }
                }
            }
            reader.finish()?;
        }
        let mut needed = is_needed.into_iter();
        ids.retain(|_| !needed.next().unwrap_or(true));
        for some in ids.chunks(MAX_PAGE) {
            for id in background(catalog.missing(some)).await? {
                place.inventory.delete(id).await.map_err(failed)?;
                self.report.pruned_blobs += 1;
            }
        }
        ids.clear();
        Ok(())
    }
}

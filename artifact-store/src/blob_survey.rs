//! Lists the blobs of a backend and finds those without a row.

use std::time::{Duration, SystemTime};

use artifact_backend::{ArtifactId, ArtifactInventory, BlobStat, Shard};
use futures_util::StreamExt as _;

use crate::catalog::{CatalogInventory, MAX_PAGE};
use crate::error::{Operation, Result};

/// One result of a survey.
#[derive(Debug)]
pub(crate) enum Surveyed {
    /// A blob of any age is stored.
    Blob(BlobStat),
    /// What is stored under the id of this error is not a whole blob.
    Damaged(ArtifactId, artifact_backend::Error),
    /// An earlier blob has no row, is no part of an upload, and is as old as the grace period.
    Orphan(BlobStat),
}

/// Whether a blob whose artifact was removed counts as an orphan. Its deletion may be in progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Removed {
    Counts,
    IsLeftOut,
}

/// Lists all blobs in the order of their ids, and asks the catalog about those that are at least as old as `grace` by the
/// time of the storage. Memory does not grow with the number of blobs.
///
/// # Errors
///
/// If the list or the catalog fails. Blobs that were not listed before may exist.
pub(crate) async fn survey(
    catalog: &dyn CatalogInventory,
    backend: &dyn ArtifactInventory,
    now: SystemTime,
    grace: Duration,
    removed: Removed,
    found: &mut (dyn FnMut(Surveyed) + Send),
) -> Result<()> {
    let failed = |error| crate::Error::backend(Operation::MaintainBackend, error);
    let mut batch = Vec::with_capacity(MAX_PAGE);
    for shard in Shard::ALL {
        let mut list = backend.list_shard(shard, None).await.map_err(failed)?;
        while let Some(item) = list.next().await {
            match item {
                Ok(blob) => {
                    found(Surveyed::Blob(blob));
                    // A blob from the future has no age.
                    let age = now.duration_since(blob.modified).unwrap_or_default();
                    if age >= grace {
                        batch.push(blob);
                    }
                }
                Err(error) => match error.damaged_blob() {
                    Some(id) => found(Surveyed::Damaged(id, error)),
                    None => return Err(failed(error)),
                },
            }
            if batch.len() == MAX_PAGE {
                find_orphans(catalog, &mut batch, removed, found).await?;
            }
        }
    }
    find_orphans(catalog, &mut batch, removed, found).await
}

async fn find_orphans(
    catalog: &dyn CatalogInventory,
    batch: &mut Vec<BlobStat>,
    removed: Removed,
    found: &mut (dyn FnMut(Surveyed) + Send),
) -> Result<()> {
    if batch.is_empty() {
        return Ok(());
    }
    let ids: Vec<_> = batch.iter().map(|blob| blob.id).collect();
    let mut missing = catalog.missing(&ids).await?;
    if removed == Removed::IsLeftOut && !missing.is_empty() {
        let mut gone = catalog.removed(&missing).await?;
        gone.sort_unstable();
        missing.retain(|id| gone.binary_search(id).is_err());
    }
    if !missing.is_empty() {
        let mut parts = catalog.parts_among(&missing).await?;
        parts.sort_unstable();
        missing.retain(|id| parts.binary_search(id).is_err());
    }
    missing.sort_unstable();
    for blob in batch.drain(..) {
        if missing.binary_search(&blob.id).is_ok() {
            found(Surveyed::Orphan(blob));
        }
    }
    Ok(())
}

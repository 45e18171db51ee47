//! Removes files that no record refers to, then compacts segments.

use std::sync::Arc;
use std::time::Duration;

use artifact_backend::{ArtifactInventory, BlobStat, Operation, Result, SweepReport};
use futures_util::TryStreamExt;

use crate::format::entry::Content;
use crate::linux::compaction;
use crate::linux::shared::Shared;

pub(crate) async fn sweep(shared: &Arc<Shared>, older_than: Duration) -> Result<SweepReport> {
    shared.root.check_alive(Operation::Sweep)?;
    if let Err(error) = shared.check_complete(Operation::Sweep, None) {
        tracing::error!(
            alarm = "corrupt-segment",
            "nothing is swept, because the record of a file may have been in a damaged frame"
        );
        return Err(error);
    }
    let mut report = shared.large.sweep(older_than).await?;
    let mut files = shared.large.list().await?;
    loop {
        match files.try_next().await {
            Ok(None) => break,
            Ok(Some(file)) => remove_orphan(shared, file, older_than, &mut report).await?,
            // A damaged file is one for an operator to inspect.
            Err(error) if error.damaged_blob().is_some() => {}
            Err(error) => return Err(error),
        }
    }
    if shared.root.is_in_doubt() == Ok(false) {
        compaction::compact(shared).await?;
    }
    Ok(report)
}

/// Removes a file that has no record: of a store that a crash interrupted, or of a deleted blob.
async fn remove_orphan(
    shared: &Arc<Shared>,
    file: BlobStat,
    older_than: Duration,
    report: &mut SweepReport,
) -> Result<()> {
    // No store or delete of the id is in progress while it is claimed.
    let _claim = shared.claims.acquire(file.id).await;
    let found = shared.find(Operation::Sweep, file.id).await?;
    if found.is_some_and(|found| matches!(found.entry.content, Content::Large { .. })) {
        return Ok(());
    }
    let age = shared.clock.now().duration_since(file.modified);
    if age.unwrap_or_default() < older_than {
        report.count_kept();
        return Ok(());
    }
    shared.large.delete(file.id).await?;
    report.count_removed(file.size);
    Ok(())
}

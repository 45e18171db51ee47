//! Removes the parts of sessions that are over or complete.

use artifact_backend::ArtifactInventory;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::UploadId;
use crate::catalog::CatalogInventory;
use crate::error::{Error, Operation, Result};

/// How many blobs are deleted at the same time.
const PARALLEL: usize = 8;
const BATCH: u32 = 256;

/// Deletes the parts of a session, and forgets the session if it is over. Returns whether the session is over or complete;
/// otherwise nothing is deleted.
///
/// The record of a part goes after its blob, and the session goes last. So whatever ends this early, the next call finds
/// what is left, and meanwhile no blob is an orphan.
pub(crate) async fn clean(
    catalog: &dyn CatalogInventory,
    backend: &dyn ArtifactInventory,
    id: UploadId,
) -> Result<bool> {
    if !catalog.end_upload(id, false).await? {
        return Ok(false);
    }
    loop {
        let parts = catalog.list_parts(id, 0, BATCH).await?;
        if parts.is_empty() {
            break;
        }
        let ids: Vec<_> = parts.iter().map(|part| part.id).collect();
        stream::iter(ids.clone())
            .map(|part| backend.delete(part))
            .buffer_unordered(PARALLEL)
            .try_collect::<Vec<()>>()
            .await
            .map_err(|error| Error::backend(Operation::MaintainBackend, error))?;
        catalog.forget_parts(&ids).await?;
    }
    catalog.forget_upload(id).await?;
    Ok(true)
}

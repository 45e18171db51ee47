//! Deletes blobs: a durable tombstone first, then the bytes.

use std::sync::Arc;

use artifact_backend::{ArtifactId, ArtifactInventory, ErrorKind, Operation, Result};

use crate::format::BLOCK;
use crate::format::entry::Content;
use crate::format::frame::{Body, Record};
use crate::linux::index::{Found, Holder};
use crate::linux::shared::Shared;

/// Deletes a blob.
pub(crate) async fn delete(shared: &Arc<Shared>, id: ArtifactId) -> Result<()> {
    let operation = Operation::Delete;
    shared.root.check_trusted(operation, Some(id))?;
    let claim = shared.claims.acquire(id).await;
    let found = shared.find(operation, id).await?;
    if found.is_none() && !shared.lost.is_empty() {
        // Its record may be lost, and return with a backup of the segment.
        let record = shared.record(id, Body::Tombstone { freed: 0 });
        return shared.commit(operation, record, claim).await;
    }
    let Some(found) = found.filter(Found::is_blob) else {
        // What the index does not have is durably absent: a tombstone gets there only when it is durable.
        return shared.root.check_alive(operation);
    };
    let freed = match found.entry.content {
        Content::Blob { length, .. } => length,
        Content::Large { .. } | Content::Tombstone { .. } => 0,
    };
    let record = Record {
        replaces: found.holder.file().number,
        ..shared.record(id, Body::Tombstone { freed })
    };
    shared.commit(operation, record, claim).await?;
    match found.entry.content {
        Content::Large { .. } => remove_file(shared, id).await,
        _ => give_back(shared, found).await,
    }
    Ok(())
}

/// Removes the file of a deleted blob. The tombstone is durable, so if this fails, a sweep removes it later.
async fn remove_file(shared: &Shared, id: ArtifactId) {
    let claim = shared.claims.acquire(id).await;
    if let Err(error) = shared.large.delete(id).await
        && error.kind() != ErrorKind::NotFound
    {
        tracing::warn!(%id, %error, "the file of a deleted blob could not be removed; a sweep removes it");
    }
    drop(claim);
}

/// Gives the whole blocks of a deleted blob back to the file system. Only sealed segments get holes: the frames of the open one
/// must stay whole until then, because recovery reads them.
async fn give_back(shared: &Arc<Shared>, found: Found) {
    let Content::Blob { offset, length, .. } = found.entry.content else {
        return;
    };
    let block = BLOCK as u64;
    let begin = u64::from(offset).next_multiple_of(block);
    let end = (u64::from(offset) + u64::from(length)) / block * block;
    if begin >= end || matches!(found.holder, Holder::Open(_)) {
        return;
    }
    let punching = Arc::clone(shared);
    let work = move || {
        let file = &found.holder.file().file;
        punching.root.punch(file, begin, end - begin);
        Ok(())
    };
    // The blob is deleted already.
    let _ = shared.reads.run(Operation::Delete, work).await;
}

//! Stores blobs: small ones as a record, larger ones as a file and a record that makes it visible.

use std::sync::Arc;

use artifact_backend::{
    ArtifactBackend, ArtifactId, ArtifactInventory, Error, ErrorKind, Operation, Result, Upload,
};
use bytes::Bytes;

use crate::format::entry::blob_checksum;
use crate::format::frame::{Body, Record};
use crate::linux::claims::Claim;
use crate::linux::error::of;
use crate::linux::shared::Shared;

/// Stores a blob of any size, with a note if there is one.
pub(crate) async fn store(
    shared: &Arc<Shared>,
    operation: Operation,
    id: ArtifactId,
    bytes: Bytes,
    note: Option<Bytes>,
) -> Result<()> {
    shared.root.check_trusted(operation, Some(id))?;
    if bytes.len() > shared.max_packed_bytes {
        return store_large(shared, id, bytes, note).await;
    }
    let claim = claim_absent(shared, operation, id).await?;
    let record = Record {
        note,
        ..shared.record(id, Body::Blob(bytes))
    };
    shared.commit(operation, record, claim).await
}

/// Claims an id under which nothing is or was stored.
async fn claim_absent(shared: &Arc<Shared>, operation: Operation, id: ArtifactId) -> Result<Claim> {
    let claim = shared.claims.acquire(id).await;
    match shared.find(operation, id).await? {
        None => Ok(claim),
        // Of a deleted blob, too: its id is never used again.
        Some(_) => Err(of(ErrorKind::AlreadyExists, operation, id)),
    }
}

/// Stores a blob as a file. The task goes on if the caller's future is dropped, so that the claim lasts as long as the work.
async fn store_large(
    shared: &Arc<Shared>,
    id: ArtifactId,
    bytes: Bytes,
    note: Option<Bytes>,
) -> Result<()> {
    let operation = Operation::Store;
    let (size, crc) = (bytes.len() as u64, blob_checksum(id, &bytes));
    let task_shared = Arc::clone(shared);
    let work = async move {
        let shared = task_shared;
        let claim = claim_absent(&shared, operation, id).await?;
        remove_orphan(&shared, operation, id).await?;
        shared.large.store(id, bytes).await?;
        publish_large(&shared, operation, claim, (id, size, crc), note).await
    };
    detached(shared, operation, id, work).await
}

/// Publishes an upload whose bytes are in a file.
pub(crate) async fn commit_large(
    shared: &Arc<Shared>,
    id: ArtifactId,
    upload: Box<dyn Upload>,
    (size, crc): (u64, u64),
    note: Option<Bytes>,
) -> Result<()> {
    let operation = Operation::Commit;
    let task_shared = Arc::clone(shared);
    let work = async move {
        let shared = task_shared;
        let claim = match claim_absent(&shared, operation, id).await {
            Ok(claim) => claim,
            Err(error) => {
                // What cannot be removed now is a leftover.
                let _ = upload.abort().await;
                return Err(error);
            }
        };
        remove_orphan(&shared, operation, id).await?;
        upload.commit().await?;
        publish_large(&shared, operation, claim, (id, size, crc), note).await
    };
    detached(shared, operation, id, work).await
}

/// Removes the file of a store that ended before its record was written. The caller has claimed the id, which no record has.
async fn remove_orphan(shared: &Shared, operation: Operation, id: ArtifactId) -> Result<()> {
    match shared.large.stat(id).await {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(renamed(error, operation)),
        Ok(_) => {
            shared.check_complete(operation, Some(id))?;
            let deleted = shared.large.delete(id).await;
            deleted.map_err(|error| renamed(error, operation))
        }
    }
}

/// Makes a durable file visible.
async fn publish_large(
    shared: &Arc<Shared>,
    operation: Operation,
    claim: Claim,
    (id, size, crc): (ArtifactId, u64, u64),
    note: Option<Bytes>,
) -> Result<()> {
    let record = Record {
        note,
        ..shared.record(id, Body::Large { size, crc })
    };
    let published = shared.commit(operation, record, claim).await;
    if let Err(error) = &published
        && error.kind() != ErrorKind::Ambiguous
    {
        // Nothing refers to the file. If it cannot be removed now, a sweep does it.
        let _ = shared.large.delete(id).await;
    }
    published
}

/// Runs work that goes on if the caller's future is dropped, and that `close` waits for.
async fn detached<F>(
    shared: &Arc<Shared>,
    operation: Operation,
    id: ArtifactId,
    work: F,
) -> Result<()>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let running = Arc::clone(&shared.tasks).read_owned().await;
    let in_background = artifact_backend::is_background();
    let task = tokio::spawn(async move {
        let _running = running;
        if in_background {
            artifact_backend::background(work).await
        } else {
            work.await
        }
    });
    task.await.unwrap_or_else(|stopped| {
        Err(of(ErrorKind::Ambiguous, operation, id)
            .with_detail("the task that stores the blob was stopped")
            .with_source(stopped))
    })
}

/// Returns the error of another operation as one of this operation.
fn renamed(error: Error, operation: Operation) -> Error {
    let kind = match error.kind() {
        ErrorKind::AlreadyExists | ErrorKind::NotFound => ErrorKind::Unexpected,
        kind => kind,
    };
    Error::new(kind, operation)
        .with_detail("cannot remove the file that an interrupted store left")
        .with_source(error)
}

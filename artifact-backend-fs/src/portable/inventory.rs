//! Lists and deletes blobs.

use std::io;
use std::sync::Arc;

use artifact_backend::{ArtifactId, BlobList, BlobStat, ErrorKind, Operation, Result};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::error::{failed, with_kind};
use super::files::{self, OpenFolder};
use super::profile::Shared;
use super::root::Root;
use super::{blob, layout};
use crate::failed_syncs::DiskCall;
use crate::layout::{fan_out, fan_out_of};
use crate::list_end::end_at_error;

/// The number of blobs that one task on the blocking pool inspects.
const BATCH: usize = 256;

/// Lists one fan-out folder after the other.
pub(super) async fn list(shared: Arc<Shared>) -> Result<BlobList> {
    let root = Arc::clone(&shared.root);
    let check = move || root.check(Operation::List);
    shared.reads.run(Operation::List, check).await?;
    let shards =
        stream::iter(fan_out()).then(move |number| list_shard(Arc::clone(&shared), number, None));
    Ok(end_at_error(shards.try_flatten()).boxed())
}

/// Lists one fan-out folder in the order of the ids, from the first id after `after`.
pub(super) async fn list_shard(
    shared: Arc<Shared>,
    number: u8,
    after: Option<ArtifactId>,
) -> Result<BlobList> {
    let root = Arc::clone(&shared.root);
    let read = move || read_ids(&root, number, after);
    let ids = shared.reads.run(Operation::List, read).await?;
    let batches: Vec<Vec<_>> = ids.chunks(BATCH).map(<[_]>::to_vec).collect();
    let blobs = stream::iter(batches).then(move |batch| {
        let (root, reads) = (Arc::clone(&shared.root), shared.reads.clone());
        async move {
            let inspected = reads.run(Operation::List, move || inspect(&root, batch));
            inspected.await.map(stream::iter)
        }
    });
    Ok(end_at_error(blobs.try_flatten()).boxed())
}

fn read_ids(root: &Root, number: u8, after: Option<ArtifactId>) -> Result<Vec<ArtifactId>> {
    root.check_fan_out(Operation::List, number)?;
    let names = layout::names(&root.fan_out(number))
        .map_err(|error| failed(Operation::List, None, "read the folder of blobs", error))?;
    let mut ids: Vec<_> = names
        .iter()
        // A name that is not an id belongs to a foreign file.
        .filter_map(|name| ArtifactId::from_ascii(name.as_encoded_bytes()).ok())
        // A blob under a name of another shard would be listed, but never found.
        .filter(|id| fan_out_of(*id) == number && after.is_none_or(|after| *id > after))
        .collect();
    // A folder that changes while it is read may show a name twice (readdir(3)).
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

fn inspect(root: &Root, batch: Vec<ArtifactId>) -> Result<Vec<Result<BlobStat>>> {
    let mut stats = Vec::with_capacity(batch.len());
    for id in batch {
        match blob::stat(root, Operation::List, id) {
            Ok(stat) => stats.push(Ok(stat)),
            Err(error) if error.damaged_blob().is_some() => stats.push(Err(error)),
            // Deleted meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(stats)
}

/// Deletes a blob and makes its absence durable.
pub(super) fn delete(root: &Root, id: ArtifactId) -> Result<()> {
    let operation = Operation::Delete;
    let fail = |error| failed(operation, Some(id), "remove the blob", error);
    let ambiguous = |error| {
        let action = "remove the blob durably";
        with_kind(ErrorKind::Ambiguous, operation, Some(id), action, error)
    };
    root.failed_syncs().check(operation, Some(id))?;
    root.check_for(operation, id)?;
    let folder = OpenFolder::open(&root.fan_out(fan_out_of(id))).map_err(fail)?;
    let path = root.blob(id);
    // An open file keeps its blocks. Without a journal, another file could otherwise get them before the name
    // is gone from the disk, and a power cut would leave the name with foreign bytes.
    let mut held = None;
    match blob::stat(root, operation, id) {
        Ok(_) => {
            held = files::open(&path).ok();
            match root.track(DiskCall::ChangeName, || files::remove(&path)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) if DiskCall::ChangeName.loses_writes(&error) => {
                    return Err(ambiguous(error));
                }
                Err(error) => return Err(fail(error)),
            }
        }
        // Another caller may be deleting it. Its absence must be durable for this caller too.
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    root.sync(&folder).map_err(ambiguous)?;
    drop(held);
    // Another caller may have removed the name, and its sync may be about to fail.
    root.confirm(operation, Some(id))
        .and_then(|()| root.check_for(operation, id))
        .map_err(|error| ambiguous(io::Error::other(error)))
}

//! Lists and deletes blobs.

use std::io;
use std::sync::Arc;

use artifact_backend::{ArtifactId, BlobList, BlobStat, ErrorKind, Operation, Result, Shard};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::error::{failed, with_kind};
use super::files::{self, OpenFolder};
use super::profile::Shared;
use super::root::Root;
use super::{blob, layout};
use crate::failed_syncs::DiskCall;
use crate::layout::fan_out_of;
use crate::list_end::end_at_error;
use crate::passes::{self, Pass, Smallest};

/// The number of blobs that one task on the blocking pool inspects.
const BATCH: usize = 256;

/// Lists one fan-out folder after the other.
pub(super) async fn list(shared: Arc<Shared>) -> Result<BlobList> {
    let root = Arc::clone(&shared.root);
    let check = move || root.check(Operation::List);
    shared.reads.run(Operation::List, check).await?;
    let shards =
        stream::iter(Shard::ALL).then(move |shard| list_shard(Arc::clone(&shared), shard, None));
    Ok(end_at_error(shards.try_flatten()).boxed())
}

/// Lists one fan-out folder in the order of the ids, from the first id after `after`.
pub(super) async fn list_shard(
    state: Arc<Shared>,
    shard: Shard,
    after: Option<ArtifactId>,
) -> Result<BlobList> {
    let read = {
        let state = Arc::clone(&state);
        move |after| {
            let state = Arc::clone(&state);
            async move {
                let root = Arc::clone(&state.root);
                let pass = move || read_pass(&root, shard, after);
                state.reads.run(Operation::List, pass).await
            }
        }
    };
    let first = read(after).await?;
    let batches = passes::batches(first, BATCH, move |after| read(Some(after)));
    let blobs = batches.and_then(move |batch| {
        let (root, reads) = (Arc::clone(&state.root), state.reads.clone());
        async move {
            let inspected = reads.run(Operation::List, move || inspect(&root, batch));
            inspected.await.map(stream::iter)
        }
    });
    Ok(end_at_error(blobs.try_flatten()).boxed())
}

fn read_pass(root: &Root, shard: Shard, after: Option<ArtifactId>) -> Result<Pass> {
    root.check_fan_out(Operation::List, shard.number())?;
    let fail = |error| failed(Operation::List, None, "read the folder of blobs", error);
    let mut smallest = Smallest::new(shard, after);
    let read = layout::for_each_name(&root.fan_out(shard.number()), |name| {
        // A name that is not an id belongs to a foreign file. A blob under a name of another shard would be
        // listed, but never found.
        if let Ok(id) = ArtifactId::from_ascii(name.as_encoded_bytes()) {
            smallest.offer(id, ());
        }
    });
    read.map_err(fail)?;
    Ok(Pass::new(smallest))
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

//! Lists and deletes blobs.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, PoisonError};

use artifact_backend::{ArtifactId, BlobList, BlobStat, ErrorKind, Operation, Result, Shard};
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use rustix::io::Errno;

use crate::failed_syncs::{DiskCall, Overlap};
use crate::layout::{self, BlobName};
use crate::linux::error::{failed, with_kind};
use crate::linux::root::Root;
use crate::linux::shared::Shared;
use crate::linux::{blob, sys};
use crate::list_end::end_at_error;
use crate::passes::{self, Pass, Smallest};

/// The number of blobs that one task on the blocking pool inspects.
const BATCH: usize = 256;

/// Lists one fan-out folder after the other.
pub(crate) async fn list(shared: Arc<Shared>) -> Result<BlobList> {
    let root = Arc::clone(&shared.root);
    let flat = move || flat_ids(&root);
    let flat = shared.reads.run(Operation::List, flat).await?;
    let shards = stream::iter(layout::fan_out()).then(move |number| {
        let begin = flat.partition_point(|id| layout::fan_out_of(*id) < number);
        let end = flat.partition_point(|id| layout::fan_out_of(*id) <= number);
        list_fan_out(Arc::clone(&shared), number, flat[begin..end].to_vec())
    });
    Ok(end_at_error(shards.try_flatten()).boxed())
}

/// Lists one fan-out folder in the order of the ids, from the first id after `after`.
pub(crate) async fn list_shard(
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
    let blobs = batches.and_then(move |batch| inspect(Arc::clone(&state), shard.number(), batch));
    Ok(end_at_error(blobs.try_flatten()).boxed())
}

/// Reads the names in `blobs/` itself first: a blob that has left it since is in its fan-out folder.
fn read_pass(root: &Root, shard: Shard, after: Option<ArtifactId>) -> Result<Pass> {
    root.check_alive(Operation::List)?;
    let mut smallest = Smallest::new(shard, after);
    if root.is_migrating() {
        read_ids(root.blobs(), |id| smallest.offer(id, ()))?;
    }
    let folder = open_fan_out(root, shard.number())?;
    // A blob under a name of another shard would be listed, but never found.
    read_ids(folder.as_fd(), |id| smallest.offer(id, ()))?;
    Ok(Pass::new(smallest))
}

/// Reads the ids of a fan-out folder in one task, then inspects the blobs in batches. `flat` contains the ids
/// that were in `blobs/` itself before: a blob that has left it since is in its fan-out folder.
async fn list_fan_out(shared: Arc<Shared>, number: u8, flat: Vec<ArtifactId>) -> Result<BlobList> {
    let root = Arc::clone(&shared.root);
    let read = move || {
        let folder = open_fan_out(&root, number)?;
        let mut ids = flat;
        // A blob under a name of another shard would be listed, but never found.
        read_ids(folder.as_fd(), |id| {
            if layout::fan_out_of(id) == number {
                ids.push(id);
            }
        })?;
        Ok(sorted(ids))
    };
    let ids = shared.reads.run(Operation::List, read).await?;
    let batches: Vec<Vec<_>> = ids.chunks(BATCH).map(<[_]>::to_vec).collect();
    let blobs =
        stream::iter(batches).then(move |batch| inspect(Arc::clone(&shared), number, batch));
    Ok(blobs.try_flatten().boxed())
}

/// Returns the stats of blobs of one fan-out folder.
async fn inspect(
    shared: Arc<Shared>,
    number: u8,
    batch: Vec<ArtifactId>,
) -> Result<impl Stream<Item = Result<BlobStat>>> {
    let root = Arc::clone(&shared.root);
    let inspect = move || {
        let folder = open_fan_out(&root, number)?;
        let mut stats = Vec::with_capacity(batch.len());
        for id in batch {
            match blob::stat_in(&root, &folder, Operation::List, id) {
                Ok(stat) => stats.push(Ok(stat)),
                Err(error) if error.damaged_blob().is_some() => stats.push(Err(error)),
                // Deleted meanwhile.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(stats)
    };
    let inspected = shared.reads.run(Operation::List, inspect).await;
    inspected.map(stream::iter)
}

fn open_fan_out(root: &Root, number: u8) -> Result<File> {
    root.open_fan_out(number)
        .map_err(|errno| root.no_fan_out(Operation::List, errno))
}

/// Returns the ids of layout version 1, in order, while the root is migrated.
fn flat_ids(root: &Root) -> Result<Vec<ArtifactId>> {
    root.check_alive(Operation::List)?;
    let mut ids = Vec::new();
    if root.is_migrating() {
        read_ids(root.blobs(), |id| ids.push(id))?;
    }
    Ok(sorted(ids))
}

/// Calls `add` with the id of each name in a folder, in no order.
fn read_ids(folder: BorrowedFd<'_>, mut add: impl FnMut(ArtifactId)) -> Result<()> {
    let fail = |errno| failed(Operation::List, None, "read the folder of blobs", errno);
    for entry in rustix::fs::Dir::read_from(folder).map_err(fail)? {
        // A name that is not an id belongs to a foreign file.
        if let Ok(id) = ArtifactId::from_ascii(entry.map_err(fail)?.file_name().to_bytes()) {
            add(id);
        }
    }
    Ok(())
}

/// Returns each id once, in order. A folder that changes while it is read may show a name twice (readdir(3)).
fn sorted(mut ids: Vec<ArtifactId>) -> Vec<ArtifactId> {
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// Deletes a blob and makes its absence durable.
pub(crate) fn delete(shared: &Shared, id: ArtifactId) -> Result<()> {
    let root = &shared.root;
    let fail = |errno| failed(Operation::Delete, Some(id), "remove the blob", errno);
    let ambiguous = |errno| {
        let action = "remove the blob durably";
        with_kind(
            ErrorKind::Ambiguous,
            Operation::Delete,
            Some(id),
            action,
            errno,
        )
    };
    root.failed_syncs().check(Operation::Delete, Some(id))?;
    let mut folders = Vec::with_capacity(2);
    let migrating = root.is_migrating();
    let _nothing_moves =
        migrating.then(|| shared.moving.lock().unwrap_or_else(PoisonError::into_inner));
    if migrating {
        // First the old name: a blob moves from it to the new one.
        folders.push(root.open_blobs().map_err(fail)?);
    }
    let fan_out = root.open_fan_out(layout::fan_out_of(id));
    folders.push(fan_out.map_err(|errno| root.no_fan_out(Operation::Delete, errno).with_id(id))?);
    let name = BlobName::of(id);
    // An open file keeps its blocks. Without a journal, another file could otherwise get them before the name
    // is gone from the disk, and a power cut would leave the name with foreign bytes.
    let mut held = Vec::with_capacity(2);
    match blob::stat(root, Operation::Delete, id) {
        Ok(_) => {
            for folder in &folders {
                held.push(sys::hold(folder.as_fd(), name.as_str()));
                let unlink = || sys::unlink(folder.as_fd(), name.as_str());
                match root.track(DiskCall::ChangeName, unlink) {
                    Ok(()) | Err(Errno::NOENT) => {}
                    Err(errno) if DiskCall::ChangeName.loses_writes(&errno) => {
                        return Err(ambiguous(errno));
                    }
                    Err(errno) => return Err(fail(errno)),
                }
            }
        }
        // Another caller may be deleting it. Its absence must be durable for this caller too.
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    for folder in &folders {
        root.sync(folder).map_err(ambiguous)?;
    }
    drop(held);
    // Another caller may have removed the name, and its sync may be about to fail.
    root.failed_syncs().wait_for_results(&Overlap::All);
    root.confirm(Operation::Delete, Some(id), &Overlap::All)
        .map_err(|_| ambiguous(Errno::IO))
}

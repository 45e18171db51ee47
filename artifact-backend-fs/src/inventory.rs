//! Lists and deletes blobs.

use std::sync::Arc;

use artifact_backend::{ArtifactId, BlobList, ErrorKind, Operation, Result};
use futures_util::{StreamExt, TryStreamExt, stream};
use rustix::io::Errno;

use crate::error::{failed, with_kind};
use crate::failed_syncs::DiskCall;
use crate::layout::BlobName;
use crate::root::Root;
use crate::shared::Shared;
use crate::{blob, sys};

/// The number of blobs that one task on the blocking pool inspects.
const BATCH: usize = 256;

/// Lists all ids in one task, then inspects the blobs in batches.
pub(crate) async fn list(shared: Arc<Shared>) -> Result<BlobList> {
    let root = Arc::clone(&shared.root);
    let ids = shared
        .reads
        .run(Operation::List, move || ids(&root))
        .await?;
    let batches: Vec<Vec<_>> = ids.chunks(BATCH).map(<[_]>::to_vec).collect();
    let blobs = stream::iter(batches).then(move |batch| {
        let (root, reads) = (Arc::clone(&shared.root), shared.reads.clone());
        async move {
            let inspected = reads.run(Operation::List, move || {
                let mut stats = Vec::with_capacity(batch.len());
                for id in batch {
                    match blob::stat(&root, Operation::List, id) {
                        Ok(stat) => stats.push(Ok(stat)),
                        // Deleted meanwhile, or a foreign file.
                        Err(error)
                            if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Corrupt) => {
                        }
                        Err(error) => return Err(error),
                    }
                }
                Ok(stats)
            });
            inspected.await.map(stream::iter)
        }
    });
    Ok(blobs.try_flatten().boxed())
}

/// Returns the ids of all names in the folder of blobs: 16 bytes of memory for each blob.
fn ids(root: &Root) -> Result<Vec<ArtifactId>> {
    root.check_alive(Operation::List)?;
    let fail = |errno| failed(Operation::List, None, "read the folder of blobs", errno);
    let mut ids = Vec::new();
    for entry in rustix::fs::Dir::read_from(root.blobs()).map_err(fail)? {
        // A name that is not an id belongs to a foreign file.
        if let Ok(id) = ArtifactId::from_ascii(entry.map_err(fail)?.file_name().to_bytes()) {
            ids.push(id);
        }
    }
    // A folder that changes while it is read may show a name twice (readdir(3)).
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
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
    let folder = root.open_blobs().map_err(fail)?;
    match blob::stat(root, Operation::Delete, id) {
        Ok(_) => {
            let name = BlobName::of(id);
            let unlink = || sys::unlink(root.blobs(), name.as_str());
            match root.track(DiskCall::Unlink, unlink) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) if DiskCall::Unlink.loses_writes(errno) => return Err(ambiguous(errno)),
                Err(errno) => return Err(fail(errno)),
            }
        }
        // Another caller may be deleting it. Its absence must be durable for this caller too.
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    root.sync(&folder).map_err(ambiguous)?;
    // Another caller may have removed the name, and its sync may be about to fail.
    root.failed_syncs().wait_for_results();
    root.confirm(Operation::Delete, Some(id))
        .map_err(|_| ambiguous(Errno::IO))
}

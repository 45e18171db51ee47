//! Every blob: the names in one hop, then their sizes by the hundred.

use std::sync::Arc;

use artifact_backend::{ArtifactId, BlobList, ErrorKind, Operation, Result};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::backend::Shared;
use crate::error::failed;
use crate::load;
use crate::root::Root;

/// So many blobs are looked at in one hop.
const BATCH: usize = 256;

/// The ids of all names that are ones: 16 bytes of memory a blob.
fn ids(root: &Root) -> Result<Vec<ArtifactId>> {
    root.check_alive(Operation::List)?;
    let fail = |errno| failed(Operation::List, None, "read the folder of blobs", errno);
    let mut ids = Vec::new();
    for entry in rustix::fs::Dir::read_from(root.blobs()).map_err(fail)? {
        // What is no id is no blob of ours, and is passed over.
        if let Ok(id) = ArtifactId::from_ascii(entry.map_err(fail)?.file_name().to_bytes()) {
            ids.push(id);
        }
    }
    // A folder that changes while it is read may show a name twice (readdir(3)).
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

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
            let looked = reads.run(Operation::List, move || {
                let mut found = Vec::with_capacity(batch.len());
                for id in batch {
                    match load::stat(&root, Operation::List, id) {
                        Ok(stat) => found.push(Ok(stat)),
                        // Deleted since, or none of ours.
                        Err(error)
                            if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Corrupt) => {
                        }
                        Err(error) => return Err(error),
                    }
                }
                Ok(found)
            });
            looked.await.map(stream::iter)
        }
    });
    Ok(blobs.try_flatten().boxed())
}

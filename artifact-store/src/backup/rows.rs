//! A limited number of rows, of which it is found out whether a backend has their blobs.

use artifact_backend::{
    ArtifactId, ArtifactInventory, ErrorKind as BackendErrorKind, Sha256Digest, Shard,
};
use futures_util::{StreamExt as _, stream};

use super::place::failed;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::row::Row;

/// Up to this number of rows, each blob is looked up alone. For more, all blobs are listed.
const FEW: usize = 1_000;
/// How many blobs are looked up at the same time.
const PARALLEL: usize = 16;

/// What is needed of a row.
#[derive(Debug, Clone, Copy)]
pub(super) struct NeededBlob {
    pub(super) id: ArtifactId,
    pub(super) size: u64,
    pub(super) sha256: Sha256Digest,
}

impl From<&Row> for NeededBlob {
    fn from(row: &Row) -> Self {
        Self {
            id: row.id,
            size: row.size,
            sha256: row.sha256,
        }
    }
}

/// Whether a backend has a blob.
#[derive(Debug)]
pub(super) enum Presence {
    Absent,
    Present,
    /// Something else is stored under the id.
    Damaged(Error),
}

/// Returns for each blob whether a backend has it, judged by its size. The blobs get the order of their ids.
pub(super) async fn find_present(
    backend: &dyn ArtifactInventory,
    needed: &mut [NeededBlob],
) -> Result<Vec<Presence>> {
    needed.sort_unstable_by_key(|blob| blob.id);
    if needed.len() > FEW {
        return list(backend, needed).await;
    }
    let look_up = |blob: NeededBlob| async move {
        match backend.stat(blob.id).await {
            Ok(found) => Ok(judge(&blob, found.size)),
            Err(error) => match error.kind() {
                BackendErrorKind::NotFound => Ok(Presence::Absent),
                BackendErrorKind::Corrupt => Ok(Presence::Damaged(failed(error))),
                _ => Err(failed(error)),
            },
        }
    };
    let looked_up = stream::iter(needed.to_vec()).map(look_up);
    let found: Vec<Result<Presence>> = looked_up.buffered(PARALLEL).collect().await;
    found.into_iter().collect()
}

async fn list(backend: &dyn ArtifactInventory, needed: &[NeededBlob]) -> Result<Vec<Presence>> {
    let mut found: Vec<_> = needed.iter().map(|_| Presence::Absent).collect();
    for shard in Shard::ALL {
        let mut list = backend.list_shard(shard, None).await.map_err(failed)?;
        while let Some(item) = list.next().await {
            let (id, size) = match item {
                Ok(blob) => (blob.id, Ok(blob.size)),
                Err(error) => match error.damaged_blob() {
                    Some(id) => (id, Err(failed(error))),
                    None => return Err(failed(error)),
                },
            };
            if let Ok(at) = needed.binary_search_by_key(&id, |blob| blob.id) {
                found[at] = match size {
                    Ok(size) => judge(&needed[at], size),
                    Err(error) => Presence::Damaged(error),
                };
            }
        }
    }
    Ok(found)
}

fn judge(blob: &NeededBlob, size: u64) -> Presence {
    if size == blob.size {
        return Presence::Present;
    }
    let detail = format!(
        "the blob has {size} bytes there, its row says {}; it is not replaced",
        blob.size
    );
    Presence::Damaged(
        Error::new(ErrorKind::Corrupt, Operation::Backup)
            .with_id(blob.id)
            .with_detail(detail),
    )
}

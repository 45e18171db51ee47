//! Lists the blobs.

use std::iter;
use std::sync::Arc;

use artifact_backend::{ArtifactId, BlobList, Shard};
use futures_util::{StreamExt, stream};

use crate::shared::Shared;

/// Lists the blobs in the order of their ids. The map is locked once for each blob.
pub(crate) fn list(shared: Arc<Shared>) -> BlobList {
    let mut last = None;
    let blobs = iter::from_fn(move || {
        let stat = shared.lock().next_after(last)?;
        last = Some(stat.id);
        Some(Ok(stat))
    });
    stream::iter(blobs).boxed()
}

/// Lists the blobs of a shard in the order of their ids. The map is locked once for each blob.
pub(crate) fn list_shard(map: Arc<Shared>, shard: Shard, after: Option<ArtifactId>) -> BlobList {
    let mut after = after;
    let blobs = iter::from_fn(move || {
        let stat = map.lock().next_in(shard, after)?;
        after = Some(stat.id);
        Some(Ok(stat))
    });
    stream::iter(blobs).boxed()
}

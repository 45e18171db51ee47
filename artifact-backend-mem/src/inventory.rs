//! Lists the blobs.

use std::iter;
use std::sync::Arc;

use artifact_backend::BlobList;
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

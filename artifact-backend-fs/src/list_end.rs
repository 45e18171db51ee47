//! Where a list of blobs ends.

use artifact_backend::{BlobStat, Result};
use futures_util::{Stream, StreamExt, stream};

/// Ends a list after the first error that is not a damaged blob, so that no shard is read after it.
pub(crate) fn end_at_error(
    list: impl Stream<Item = Result<BlobStat>>,
) -> impl Stream<Item = Result<BlobStat>> {
    let rest = Some(Box::pin(list));
    stream::unfold(rest, |rest| async move {
        let mut list = rest?;
        let item = list.next().await?;
        let ends = item
            .as_ref()
            .is_err_and(|error| error.damaged_blob().is_none());
        Some((item, (!ends).then_some(list)))
    })
}

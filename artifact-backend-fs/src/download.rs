//! A blob on its way out: pieces of a bounded size, each one hop to the blocking pool.

use std::sync::Arc;

use artifact_backend::{ArtifactId, Download, Error, Operation, Result};
use bytes::Bytes;
use futures_util::{StreamExt, stream};

use crate::load::{Blob, read_piece};
use crate::pool::Pool;

/// The most bytes of one piece, and so the memory that a download needs.
const PIECE: u64 = 512 << 10;

/// Streams `range` of an open blob.
pub(crate) fn stream(
    pool: Pool,
    blob: Blob,
    id: ArtifactId,
    range: artifact_backend::ByteRange,
) -> Result<Download> {
    let Blob { file, size } = blob;
    let range = range
        .resolve(size)
        .map_err(|range| Error::invalid_range(Operation::Download, id, range))?;
    let file = Arc::new(file);
    let end = range.end;
    let pieces = stream::try_unfold(range.start, move |at| {
        let (pool, file) = (pool.clone(), Arc::clone(&file));
        async move {
            let length = (end - at).min(PIECE);
            if length == 0 {
                return Ok::<Option<(Bytes, u64)>, Error>(None);
            }
            let capacity = usize::try_from(length).expect("a piece is far smaller than memory");
            let work = move || read_piece(&file, id, at, capacity);
            let piece = pool.run(Operation::Download, work).await?;
            Ok(Some((piece, at + length)))
        }
    });
    Ok(Download::new(id, size, range, pieces.boxed()))
}

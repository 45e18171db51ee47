//! A download: chunks that share the memory of the blob.

use std::iter;

use artifact_backend::{ArtifactId, ByteRange, Download, Error, Operation, Result};
use bytes::Bytes;
use futures_util::{StreamExt, stream};

/// The largest chunk in bytes.
const CHUNK: usize = 256 * 1024;

pub(crate) fn open(id: ArtifactId, bytes: &Bytes, range: ByteRange) -> Result<Download> {
    let size = bytes.len() as u64;
    let range = range
        .resolve(size)
        .map_err(|range| Error::invalid_range(Operation::Download, id, range))?;
    let inside = "a resolved range lies inside a blob that is in memory";
    let start = usize::try_from(range.start).expect(inside);
    let end = usize::try_from(range.end).expect(inside);
    let mut remaining = bytes.slice(start..end);
    let chunks = iter::from_fn(move || {
        let chunk = remaining.split_to(remaining.len().min(CHUNK));
        (!chunk.is_empty()).then_some(Ok(chunk))
    });
    Ok(Download::new(id, size, range, stream::iter(chunks).boxed()))
}

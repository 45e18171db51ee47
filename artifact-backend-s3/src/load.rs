//! Loading a whole blob into memory.

use std::ops::Range;
use std::sync::Arc;

use artifact_backend::{ArtifactId, ByteRange, Error, ErrorKind, Operation, Result};
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt, stream, try_join};
use object_store::ObjectMeta;

use crate::download;
use crate::open::OpenBlob;
use crate::shared::Bucket;

const LOAD: Operation = Operation::Load;

/// Loads a blob.
///
/// A blob of up to one part is one request. A larger one is fetched in ranges of one part, several in
/// parallel, all of the same object by its e-tag.
pub(crate) async fn load(bucket: &Arc<Bucket>, id: ArtifactId) -> Result<Bytes> {
    let blob = match bucket.open(LOAD, id, first_range(bucket)).await {
        // An empty blob has no first byte.
        Err(error) if error.blob_size() == Some(0) => return Ok(Bytes::new()),
        blob => blob?,
    };
    let (meta, first) = (blob.meta.clone(), blob.range.clone());
    let size = usize::try_from(meta.size).map_err(|_| {
        Error::new(ErrorKind::TooLarge, LOAD)
            .with_id(id)
            .with_detail(
                "the blob is too large to load into memory on this machine; use download instead",
            )
    })?;

    // One allocation, split into the ranges. The pieces are joined again without a copy.
    let mut unused = BytesMut::with_capacity(size);
    let mut split = |range: &Range<u64>| {
        let length = usize::try_from(range.end - range.start).expect("it is at most the size");
        let mut piece = unused.split_off(0);
        unused = piece.split_off(length.min(piece.capacity()));
        piece
    };
    let first_piece = split(&first);
    let ranges = remaining_ranges(first.end, meta.size, bucket.config.part_bytes);
    let pieces: Vec<_> = ranges
        .into_iter()
        .map(|range| (split(&range), range))
        .collect();
    let fetch = |(into, range)| fetch(bucket, id, &meta, range, into);
    let rest = stream::iter(pieces)
        .map(fetch)
        .buffered(bucket.config.parallel_ranges)
        .try_collect::<Vec<_>>();
    let (mut all, rest) = try_join!(read(bucket, id, blob, first_piece), rest)?;
    for piece in rest {
        all.unsplit(piece);
    }
    Ok(all.freeze())
}

/// Returns the range of the first request: the whole blob, or one part if ranges are loaded in
/// parallel.
fn first_range(bucket: &Bucket) -> ByteRange {
    if bucket.capabilities.is_cloud && bucket.config.parallel_ranges > 1 {
        ByteRange::FromTo {
            first: 0,
            last: bucket.config.part_bytes - 1,
        }
    } else {
        ByteRange::Full
    }
}

/// Splits the bytes from `start` to `size` into ranges of one part.
fn remaining_ranges(mut start: u64, size: u64, part_bytes: u64) -> Vec<Range<u64>> {
    let mut ranges = Vec::new();
    while start < size {
        let end = start.saturating_add(part_bytes).min(size);
        ranges.push(start..end);
        start = end;
    }
    ranges
}

async fn fetch(
    bucket: &Arc<Bucket>,
    id: ArtifactId,
    meta: &ObjectMeta,
    range: Range<u64>,
    into: BytesMut,
) -> Result<BytesMut> {
    let blob = bucket.open_same(LOAD, id, meta, range).await?;
    read(bucket, id, blob, into).await
}

async fn read(
    bucket: &Arc<Bucket>,
    id: ArtifactId,
    blob: OpenBlob,
    mut into: BytesMut,
) -> Result<BytesMut> {
    let mut stream = download::stream(Arc::clone(bucket), LOAD, id, blob);
    while let Some(chunk) = stream.try_next().await? {
        into.extend_from_slice(&chunk);
    }
    Ok(into)
}

#[cfg(test)]
mod tests {
    use artifact_backend::ArtifactBackend as _;
    use object_store::memory::InMemory;
    use tokio::sync::OnceCell;

    use super::*;
    use crate::shared::Capabilities;
    use crate::upload_strategy::UploadStrategy;
    use crate::{ObjectStoreBackend, S3Config};

    #[test]
    fn the_rest_of_a_blob_is_split_into_ranges_of_one_part() {
        assert_eq!(remaining_ranges(4, 11, 4), [4..8, 8..11]);
        assert_eq!(remaining_ranges(4, 8, 4), vec![4..8]);
        assert_eq!(remaining_ranges(3, 3, 4), []);
        assert_eq!(remaining_ranges(1, u64::MAX, u64::MAX), vec![1..u64::MAX]);
    }

    /// As a provider's, except that the uploads are those of every store.
    fn backend(config: S3Config) -> ObjectStoreBackend {
        let capabilities = Capabilities {
            upload_strategy: UploadStrategy::Generic,
            incomplete_uploads: None,
            keeps_metadata: OnceCell::new_with(Some(true)),
            is_cloud: true,
            lists_in_order: true,
            suffix_ranges: true,
        };
        ObjectStoreBackend::new(Arc::new(InMemory::new()), "", config, capabilities).unwrap()
    }

    #[tokio::test]
    async fn a_large_blob_is_joined_from_its_ranges_in_order() {
        let all: Bytes = (0..=250).cycle().take(1_003).collect();
        for ranges in [1, 2, 4] {
            let config = S3Config::default()
                .with_part_bytes(100)
                .with_parallel_ranges(ranges);
            let backend = backend(config);
            for size in [0, 1, 99, 100, 101, 200, 1_003] {
                let (id, blob) = (ArtifactId::mint(), all.slice(..size));
                backend.store(id, blob.clone()).await.unwrap();
                assert_eq!(backend.load(id).await.unwrap(), blob, "{size} {ranges}");
            }
        }
    }
}

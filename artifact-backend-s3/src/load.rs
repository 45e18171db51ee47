//! A whole blob into memory.

use std::sync::Arc;

use artifact_backend::{ArtifactId, ByteRange, Error, ErrorKind, Operation, Result};
use bytes::{Bytes, BytesMut};
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::{GetRange, ObjectMeta};
use tokio::time::Instant;

use crate::core::Core;
use crate::download;
use crate::opening::Opened;

const LOAD: Operation = Operation::Load;

/// Loads a blob. Up to one part it is one request; of a larger one the rest follows, each range of the
/// same object by its e-tag: several at once, or as one where the first bytes came so fast that more
/// connections would gain nothing.
pub(crate) async fn load(core: &Arc<Core>, id: ArtifactId) -> Result<Bytes> {
    let first_range = first_range(core);
    let opened = core.open(LOAD, id, first_range).await;
    let opened = match opened {
        // No first byte: an empty blob.
        Err(error) if error.blob_size() == Some(0) => return Ok(Bytes::new()),
        opened => opened?,
    };
    let (meta, first) = (opened.meta.clone(), opened.range.clone());
    let too_large = |_| {
        Error::new(ErrorKind::TooLarge, LOAD)
            .with_id(id)
            .with_detail("the blob is larger than this machine's memory can be")
    };
    let size = usize::try_from(meta.size).map_err(too_large)?;
    if first.end == meta.size {
        return collect(core, id, opened, BytesMut::with_capacity(size))
            .await
            .map(BytesMut::freeze);
    }

    // One allocation, cut into the ranges, which grow together again without a copy.
    let mut rest = BytesMut::with_capacity(size);
    let mut cut = |bytes: u64| {
        let bytes = usize::try_from(bytes).expect("not more than the size, which is one");
        let mut piece = rest.split_off(0);
        rest = piece.split_off(bytes.min(piece.capacity()));
        piece
    };
    let mut all = cut(first.end);
    let mut stream = download::stream(Arc::clone(core), LOAD, id, opened);
    let is_fast = sample(&mut stream, &mut all).await?;
    let step = if is_fast {
        meta.size
    } else {
        core.config.part_bytes
    };
    let mut ranges = Vec::new();
    let mut at = first.end;
    while at < meta.size {
        let end = at.saturating_add(step).min(meta.size);
        ranges.push((at..end, cut(end - at)));
        at = end;
    }
    let fetch = |(range, into)| fetch(core, id, &meta, range, into);
    let others = stream::iter(ranges)
        .map(fetch)
        .buffered(core.config.parallel_ranges.max(1))
        .try_collect::<Vec<_>>();
    let first = read(stream, all);
    let (mut all, others) = if is_fast {
        (first.await?, others.await?)
    } else {
        futures_util::try_join!(first, others)?
    };
    for piece in others {
        all.unsplit(piece);
    }
    Ok(all.freeze())
}

/// How many bytes show how fast a connection is.
const SAMPLE: usize = 1 << 20;

/// A connection that brings so many bytes in a microsecond, 256 MB/s, is not what bounds a load: the
/// server or this machine is, and more connections only cost them more.
const FAST: u128 = 256;

/// Reads the first bytes, and tells whether they came fast.
async fn sample(stream: &mut BoxStream<'_, Result<Bytes>>, into: &mut BytesMut) -> Result<bool> {
    let began = Instant::now();
    while into.len() < SAMPLE
        && let Some(piece) = stream.try_next().await?
    {
        into.extend_from_slice(&piece);
    }
    Ok(into.len() as u128 >= FAST * began.elapsed().as_micros())
}

/// What is asked for first: all, or as much as one of several parallel ranges.
fn first_range(core: &Core) -> ByteRange {
    if core.traits.is_cloud && core.config.parallel_ranges > 1 {
        ByteRange::FromTo {
            first: 0,
            last: core.config.part_bytes - 1,
        }
    } else {
        ByteRange::Full
    }
}

async fn fetch(
    core: &Arc<Core>,
    id: ArtifactId,
    meta: &ObjectMeta,
    range: std::ops::Range<u64>,
    into: BytesMut,
) -> Result<BytesMut> {
    let asked = Some(GetRange::Bounded(range.clone()));
    let found = core.get(id, asked, meta.e_tag.as_deref(), true).await;
    let found = found.map_err(|trouble| trouble.into_error(LOAD, Some(id)))?;
    if found.meta.e_tag != meta.e_tag || found.meta.size != meta.size || found.range != range {
        return Err(Error::new(ErrorKind::Corrupt, LOAD)
            .with_id(id)
            .with_detail("the object changed while it was read"));
    }
    let opened = Opened {
        meta: found.meta.clone(),
        range,
        stream: found.into_stream(),
    };
    collect(core, id, opened, into).await
}

async fn collect(
    core: &Arc<Core>,
    id: ArtifactId,
    opened: Opened,
    into: BytesMut,
) -> Result<BytesMut> {
    read(download::stream(Arc::clone(core), LOAD, id, opened), into).await
}

async fn read(mut stream: BoxStream<'_, Result<Bytes>>, mut into: BytesMut) -> Result<BytesMut> {
    while let Some(piece) = stream.try_next().await? {
        into.extend_from_slice(&piece);
    }
    Ok(into)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_mebibyte_in_four_milliseconds_is_fast_and_in_six_is_not() {
        for (pause, fast) in [(2, true), (3, false)] {
            let pieces = stream::iter(0..4).then(|_| async move {
                sleep(Duration::from_millis(pause)).await;
                Ok(Bytes::from(vec![7; SAMPLE / 2]))
            });
            let (mut pieces, mut into) = (pieces.boxed(), BytesMut::new());
            assert_eq!(sample(&mut pieces, &mut into).await.ok(), Some(fast));
            assert_eq!(into.len(), SAMPLE);
            // What follows is still there.
            assert_eq!(pieces.count().await, 2);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_ends_before_a_mebibyte_counts_by_its_own_length() {
        let mut pieces = stream::iter([Ok(Bytes::from_static(b"short"))]).boxed();
        let mut into = BytesMut::new();
        assert_eq!(sample(&mut pieces, &mut into).await.ok(), Some(true));
        assert_eq!(into, "short");
    }
}

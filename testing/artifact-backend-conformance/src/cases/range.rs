//! Clause 9: a range is clamped to the end of the blob; a range that holds no byte of the blob fails with
//! `InvalidRange`, which carries the size.

use std::ops::Range;

use artifact_backend::{ArtifactId, ArtifactInventory, ByteRange, ErrorKind};
use bytes::Bytes;

use crate::case::{Context, Outcome, cases, ensure};
use crate::check::{check_bytes, fails, ok, read};
use crate::data::{KIB, noise};

cases!("range":
    ranges_of_an_empty_blob_match_the_table,
    ranges_of_one_byte_match_the_table,
    ranges_of_ten_bytes_match_the_table,
    ranges_at_every_edge_agree_with_resolve,
    ranges_around_buffer_sizes_agree_with_resolve,
    an_invalid_range_error_carries_the_blob_size,
    a_range_download_reports_the_size_of_the_whole_blob,
);

const MAX: u64 = u64::MAX;

fn from_to(first: u64, last: u64) -> ByteRange {
    ByteRange::FromTo { first, last }
}

/// Checks a table of ranges. The tables are written by hand, so that a bug in [`ByteRange::resolve`] cannot hide one
/// in a backend.
async fn check_table(
    context: Context,
    size: usize,
    rows: &[(ByteRange, Option<Range<u64>>)],
) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let id = ArtifactId::mint();
    let bytes = noise(1, size);
    ok(backend.store(id, bytes.clone()).await, "store")?;
    for (range, expected) in rows {
        check_range(&*backend, id, &bytes, *range, expected.clone()).await?;
    }
    Ok(())
}

async fn check_range(
    backend: &dyn ArtifactInventory,
    id: ArtifactId,
    bytes: &Bytes,
    range: ByteRange,
    expected: Option<Range<u64>>,
) -> Outcome {
    let size = bytes.len() as u64;
    let label = format!("{range:?} of {size} bytes");
    let result = backend.download(id, range).await;
    let Some(expected) = expected else {
        let error = fails(result, ErrorKind::InvalidRange, &label)?;
        ensure!(
            error.blob_size() == Some(size),
            "{label}: InvalidRange carries the size {:?}",
            error.blob_size()
        );
        return Ok(());
    };
    let download = ok(result, &label)?;
    ensure!(
        download.size() == size,
        "{label}: the download reports a blob of {} bytes",
        download.size()
    );
    ensure!(
        download.range() == expected,
        "{label}: the download reports the range {:?}, expected {expected:?}",
        download.range()
    );
    drop(download);
    let found = ok(read(backend, id, range).await, &label)?;
    let inside = "the blob is in memory, so its size fits a usize";
    let start = usize::try_from(expected.start).expect(inside);
    let end = usize::try_from(expected.end).expect(inside);
    check_bytes(&found, &bytes[start..end], &label)
}

async fn ranges_of_an_empty_blob_match_the_table(context: Context) -> Outcome {
    let rows = [
        (ByteRange::Full, Some(0..0)),
        (ByteRange::From(0), None),
        (ByteRange::From(1), None),
        (ByteRange::From(MAX), None),
        (from_to(0, 0), None),
        (from_to(0, MAX), None),
        (from_to(MAX, MAX), None),
        (ByteRange::Suffix(0), None),
        (ByteRange::Suffix(1), Some(0..0)),
        (ByteRange::Suffix(MAX), Some(0..0)),
    ];
    check_table(context, 0, &rows).await
}

async fn ranges_of_one_byte_match_the_table(context: Context) -> Outcome {
    let rows = [
        (ByteRange::Full, Some(0..1)),
        (ByteRange::From(0), Some(0..1)),
        (ByteRange::From(1), None),
        (ByteRange::From(MAX), None),
        (from_to(0, 0), Some(0..1)),
        (from_to(0, 1), Some(0..1)),
        (from_to(0, MAX), Some(0..1)),
        (from_to(1, 1), None),
        (from_to(1, 0), None),
        (from_to(MAX, MAX), None),
        (ByteRange::Suffix(0), None),
        (ByteRange::Suffix(1), Some(0..1)),
        (ByteRange::Suffix(2), Some(0..1)),
        (ByteRange::Suffix(MAX), Some(0..1)),
    ];
    check_table(context, 1, &rows).await
}

async fn ranges_of_ten_bytes_match_the_table(context: Context) -> Outcome {
    let rows = [
        (ByteRange::Full, Some(0..10)),
        (ByteRange::From(0), Some(0..10)),
        (ByteRange::From(3), Some(3..10)),
        (ByteRange::From(9), Some(9..10)),
        (ByteRange::From(10), None),
        (ByteRange::From(11), None),
        (ByteRange::From(MAX), None),
        (from_to(0, 0), Some(0..1)),
        (from_to(0, 8), Some(0..9)),
        (from_to(0, 9), Some(0..10)),
        (from_to(0, 10), Some(0..10)),
        (from_to(0, MAX), Some(0..10)),
        (from_to(4, 4), Some(4..5)),
        (from_to(4, 7), Some(4..8)),
        (from_to(9, 9), Some(9..10)),
        (from_to(9, MAX), Some(9..10)),
        (from_to(10, 10), None),
        (from_to(10, MAX), None),
        (from_to(7, 4), None),
        (from_to(MAX, 0), None),
        (from_to(MAX, MAX), None),
        (ByteRange::Suffix(0), None),
        (ByteRange::Suffix(1), Some(9..10)),
        (ByteRange::Suffix(3), Some(7..10)),
        (ByteRange::Suffix(9), Some(1..10)),
        (ByteRange::Suffix(10), Some(0..10)),
        (ByteRange::Suffix(11), Some(0..10)),
        (ByteRange::Suffix(MAX), Some(0..10)),
    ];
    check_table(context, 10, &rows).await
}

async fn check_edges(context: Context, size: usize, edges: &[u64]) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let id = ArtifactId::mint();
    let bytes = noise(1, size);
    ok(backend.store(id, bytes.clone()).await, "store")?;
    let mut ranges = vec![ByteRange::Full];
    for first in edges {
        ranges.push(ByteRange::From(*first));
        ranges.push(ByteRange::Suffix(*first));
        ranges.extend(edges.iter().map(|last| from_to(*first, *last)));
    }
    for range in ranges {
        let expected = range.resolve(size as u64).ok();
        check_range(&*backend, id, &bytes, range, expected).await?;
    }
    Ok(())
}

async fn ranges_at_every_edge_agree_with_resolve(context: Context) -> Outcome {
    for size in [0, 1, 2, 3, 4_097] {
        let n = size as u64;
        let mut edges = vec![0, 1, n.saturating_sub(1), n, n + 1, n / 2, MAX - 1, MAX];
        edges.sort_unstable();
        edges.dedup();
        check_edges(context.clone(), size, &edges).await?;
    }
    Ok(())
}

async fn ranges_around_buffer_sizes_agree_with_resolve(context: Context) -> Outcome {
    // Positions around the sizes of pages, chunks and parts.
    let mut edges = Vec::new();
    for kib in [4, 64, 256] {
        let edge = kib * KIB as u64;
        edges.extend([edge - 1, edge, edge + 1]);
    }
    check_edges(context, 600 * KIB + 1, &edges).await
}

async fn an_invalid_range_error_carries_the_blob_size(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    for size in [0, 1, 777, 70_000] {
        let id = ArtifactId::mint();
        ok(backend.store(id, noise(1, size)).await, "store")?;
        let size = size as u64;
        for range in [ByteRange::From(size), ByteRange::Suffix(0), from_to(1, 0)] {
            let result = backend.download(id, range).await;
            let label = format!("{range:?} of {size} bytes");
            let error = fails(result, ErrorKind::InvalidRange, &label)?;
            let reported = error.blob_size();
            ensure!(
                reported == Some(size),
                "{label}: the error carries the size {reported:?}"
            );
        }
    }
    Ok(())
}

async fn a_range_download_reports_the_size_of_the_whole_blob(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let id = ArtifactId::mint();
    ok(backend.store(id, noise(1, 1_000)).await, "store")?;
    for range in [from_to(10, 19), ByteRange::From(990), ByteRange::Suffix(10)] {
        let download = ok(backend.download(id, range).await, "download")?;
        ensure!(
            download.size() == 1_000,
            "{range:?}: the download reports a blob of {} bytes",
            download.size()
        );
        ensure!(
            download.remaining() == 10,
            "{range:?}: {} bytes remain",
            download.remaining()
        );
    }
    Ok(())
}

//! Clause 8: the memory that uploads and downloads need does not grow with the blob.
//!
//! From outside, the suite sees which of the chunks that it wrote are still held, and how large the chunks are
//! that it reads. It does not see copies that a backend makes.

use artifact_backend::{ArtifactId, ArtifactInventory, ByteRange};

use crate::case::{Context, Outcome, Stop, cases, ensure};
use crate::check::ok;
use crate::data::{LargeBlob, LiveBytes, MIB};

cases!("bounded":
    an_upload_does_not_hold_the_blob_in_memory,
    a_download_arrives_in_chunks,
    a_range_of_a_large_blob_arrives_in_chunks,
);

/// The number of bytes of one blob that a backend may hold at a time, for example two parts of 8 MiB.
const BOUND: u64 = 16 * MIB as u64;

async fn upload_large(
    backend: &dyn ArtifactInventory,
    id: ArtifactId,
    large: &LargeBlob,
) -> Outcome<u64> {
    let held = LiveBytes::default();
    let mut most = 0;
    let mut upload = ok(backend.upload(id).await, "upload")?;
    upload.expect_size(large.size);
    for number in 0..large.blocks() {
        let chunk = held.chunk(large.block(number));
        ok(upload.write(chunk).await, "write")?;
        most = most.max(held.bytes());
    }
    ok(upload.commit().await, "commit")?;
    Ok(most)
}

/// Reads a range as a stream and checks every chunk against the blob.
async fn read_large(
    backend: &dyn ArtifactInventory,
    id: ArtifactId,
    large: &LargeBlob,
    range: ByteRange,
) -> Outcome {
    let expected = range
        .resolve(large.size)
        .map_err(|error| Stop::Failed(error.to_string()))?;
    let mut download = ok(backend.download(id, range).await, "download")?;
    ensure!(
        download.size() == large.size,
        "the download reports a blob of {} bytes",
        download.size()
    );
    let mut position = expected.start;
    let mut chunks = 0;
    while let Some(chunk) = download.next().await {
        let chunk = ok(chunk, "a chunk")?;
        ensure!(
            chunk.len() as u64 <= BOUND,
            "a chunk of a download has {} bytes; the limit is {BOUND}",
            chunk.len()
        );
        if let Some(at) = large.first_difference(position, &chunk) {
            return Err(Stop::Failed(format!("the byte at {at} is wrong")));
        }
        position += chunk.len() as u64;
        chunks += 1;
    }
    ensure!(
        position == expected.end,
        "the stream ended at byte {position}, not at {}",
        expected.end
    );
    ensure!(
        chunks > 1,
        "{} bytes arrived in a single chunk",
        expected.end - expected.start
    );
    Ok(())
}

async fn an_upload_does_not_hold_the_blob_in_memory(context: Context) -> Outcome {
    context.skip_if_volatile()?;
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let id = ArtifactId::mint();
    let large = LargeBlob::new(1, context.large_blob);
    let most = upload_large(&*backend, id, &large).await?;
    ensure!(
        most <= BOUND,
        "{most} bytes of written chunks were held at once; the limit is {BOUND}"
    );
    read_large(&*backend, id, &large, ByteRange::Full).await
}

async fn a_download_arrives_in_chunks(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let id = ArtifactId::mint();
    let large = LargeBlob::new(2, context.large_blob + 12_345);
    upload_large(&*backend, id, &large).await?;
    read_large(&*backend, id, &large, ByteRange::Full).await
}

async fn a_range_of_a_large_blob_arrives_in_chunks(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let id = ArtifactId::mint();
    let large = LargeBlob::new(3, context.large_blob);
    upload_large(&*backend, id, &large).await?;
    let most = BOUND + MIB as u64;
    let first = 12_345;
    for range in [
        ByteRange::Suffix(most),
        ByteRange::From(large.size - most - 1),
        ByteRange::FromTo {
            first,
            last: first + most,
        },
    ] {
        read_large(&*backend, id, &large, range).await?;
    }
    Ok(())
}

//! Clause 4: a read returns the stored bytes, byte for byte.

use artifact_backend::ArtifactId;
use bytes::Bytes;

use crate::case::{Context, Outcome, cases};
use crate::check::{check_absent, check_present, ok, upload};
use crate::data::{KIB, MIB, cut, noise};

cases!("exact":
    an_empty_store_creates_an_empty_blob,
    an_upload_without_a_write_creates_an_empty_blob,
    an_upload_of_empty_chunks_creates_an_empty_blob,
    empty_chunks_change_nothing,
    stores_of_every_size_are_read_back_exactly,
    uploads_of_every_size_are_read_back_exactly,
    every_byte_value_is_preserved,
    uploads_in_chunks_of_odd_sizes_are_read_back_exactly,
    uploads_in_one_byte_chunks_are_read_back_exactly,
    the_expected_size_is_only_a_hint,
    only_the_given_slice_of_a_larger_buffer_is_stored,
    ids_that_differ_in_one_bit_do_not_mix,
);

/// Sizes around those of pages, pipes, buffers and parts.
const SIZES: [usize; 15] = [
    0,
    1,
    2,
    4 * KIB - 1,
    4 * KIB,
    4 * KIB + 1,
    64 * KIB - 1,
    64 * KIB,
    64 * KIB + 1,
    256 * KIB - 1,
    256 * KIB,
    256 * KIB + 1,
    MIB - 1,
    MIB,
    MIB + 1,
];

async fn an_empty_store_creates_an_empty_blob(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let id = ArtifactId::mint();
    ok(backend.store(id, Bytes::new()).await, "store")?;
    check_present(&*backend, id, &[], "an empty blob").await
}

async fn an_upload_without_a_write_creates_an_empty_blob(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let id = ArtifactId::mint();
    ok(upload(&*backend, id, []).await, "upload")?;
    check_present(&*backend, id, &[], "an empty blob").await
}

async fn an_upload_of_empty_chunks_creates_an_empty_blob(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let id = ArtifactId::mint();
    ok(
        upload(&*backend, id, [const { Bytes::new() }; 3]).await,
        "upload",
    )?;
    check_present(&*backend, id, &[], "an empty blob").await
}

async fn empty_chunks_change_nothing(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let id = ArtifactId::mint();
    let bytes = noise(1, 10_000);
    let chunks = cut(&bytes, &[0, 3_000, 0, 0, 500, 0]);
    ok(upload(&*backend, id, chunks).await, "upload")?;
    check_present(&*backend, id, &bytes, "an upload with empty chunks").await
}

async fn stores_of_every_size_are_read_back_exactly(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    for size in SIZES {
        let id = ArtifactId::mint();
        let bytes = noise(size as u64, size);
        ok(backend.store(id, bytes.clone()).await, "store")?;
        check_present(&*backend, id, &bytes, &format!("a blob of {size} bytes")).await?;
    }
    Ok(())
}

async fn uploads_of_every_size_are_read_back_exactly(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    for size in SIZES {
        let id = ArtifactId::mint();
        let bytes = noise(size as u64, size);
        // Even sizes are written as one chunk. Odd sizes are written as two, of which the second is one byte.
        let chunks = if size % 2 == 0 {
            vec![bytes.clone()]
        } else {
            cut(&bytes, &[size.max(2) - 1, 1])
        };
        ok(upload(&*backend, id, chunks).await, "upload")?;
        check_present(&*backend, id, &bytes, &format!("an upload of {size} bytes")).await?;
    }
    Ok(())
}

async fn every_byte_value_is_preserved(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let all: Vec<u8> = (0..=u8::MAX).chain((0..=u8::MAX).rev()).collect();
    // Text that a lower layer might translate, and bytes that are not UTF-8.
    let texts: [&[u8]; 6] = [
        &all,
        b"\r\n\n\r\0\x1a\x04",
        b"\xef\xbb\xbfbyte order mark",
        b"\xc3\x28 \xff\xfe \xed\xa0\x80",
        b"--boundary--\r\n0\r\n\r\n",
        b"%00%2e%2e+&=",
    ];
    for text in texts {
        for bytes in [Bytes::copy_from_slice(text), vec![text[0]; 9_000].into()] {
            let id = ArtifactId::mint();
            ok(backend.store(id, bytes.clone()).await, "store")?;
            check_present(&*backend, id, &bytes, "a blob of unusual bytes").await?;
            let id = ArtifactId::mint();
            ok(upload(&*backend, id, cut(&bytes, &[1, 5])).await, "upload")?;
            check_present(&*backend, id, &bytes, "an upload of unusual bytes").await?;
        }
    }
    Ok(())
}

async fn uploads_in_chunks_of_odd_sizes_are_read_back_exactly(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let bytes = noise(1, 5 * MIB + 3);
    for lengths in [
        &[1, 7, 4_096, 65_537, 0, 300_001][..],
        &[MIB + 1],
        &[2 * MIB, 1, MIB - 1],
    ] {
        let id = ArtifactId::mint();
        ok(upload(&*backend, id, cut(&bytes, lengths)).await, "upload")?;
        check_present(
            &*backend,
            id,
            &bytes,
            &format!("an upload in chunks of {lengths:?} bytes"),
        )
        .await?;
    }
    Ok(())
}

async fn uploads_in_one_byte_chunks_are_read_back_exactly(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let id = ArtifactId::mint();
    let bytes = noise(1, 5_000);
    ok(upload(&*backend, id, cut(&bytes, &[1])).await, "upload")?;
    check_present(&*backend, id, &bytes, "an upload in chunks of one byte").await
}

async fn the_expected_size_is_only_a_hint(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let bytes = noise(1, 200 * KIB);
    for expected in [0, 1, 200 * KIB as u64, 201 * KIB as u64, 3 * MIB as u64] {
        let id = ArtifactId::mint();
        let mut upload = ok(backend.upload(id).await, "upload")?;
        upload.expect_size(expected);
        for chunk in cut(&bytes, &[50_001]) {
            let label = format!("a write to an upload announced as {expected} bytes");
            ok(upload.write(chunk).await, &label)?;
        }
        ok(upload.commit().await, "commit")?;
        check_present(
            &*backend,
            id,
            &bytes,
            &format!("an upload announced as {expected} bytes"),
        )
        .await?;
    }
    Ok(())
}

async fn only_the_given_slice_of_a_larger_buffer_is_stored(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let buffer = noise(1, 100 * KIB);
    for range in [0..10, 1..5_001, 99 * KIB..100 * KIB, 7..7] {
        let id = ArtifactId::mint();
        let slice = buffer.slice(range);
        ok(backend.store(id, slice.clone()).await, "store")?;
        check_present(&*backend, id, &slice, "a slice of a larger buffer").await?;
    }
    Ok(())
}

async fn ids_that_differ_in_one_bit_do_not_mix(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    // Ids that differ in one bit at each end or in the middle, and the smallest and the largest id.
    let base = *ArtifactId::mint().as_bytes();
    let mut ids = vec![
        ArtifactId::from_bytes(base),
        ArtifactId::from_bytes([0; 16]),
        ArtifactId::from_bytes([0xff; 16]),
    ];
    for (byte, bit) in [(0, 7), (0, 0), (1, 7), (7, 0), (8, 7), (15, 7), (15, 0)] {
        let mut other = base;
        other[byte] ^= 1 << bit;
        ids.push(ArtifactId::from_bytes(other));
    }
    for (number, id) in (0..).zip(&ids) {
        check_absent(
            &*backend,
            *id,
            "an absent id that is similar to stored ones",
        )
        .await?;
        ok(
            backend.store(*id, noise(number, 500)).await,
            "a store under an id that differs from others in one bit",
        )?;
    }
    for (number, id) in (0..).zip(&ids) {
        check_present(
            &*backend,
            *id,
            &noise(number, 500),
            "a blob whose id differs from others in one bit",
        )
        .await?;
    }
    Ok(())
}

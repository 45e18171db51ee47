//! Stored bytes that were changed, cut, extended, reordered or moved are `Corrupt`, and no wrong byte is delivered.

use artifact_backend::{ArtifactBackend, ArtifactId, ArtifactInventory, ByteRange, ErrorKind};
use artifact_backend_conformance::{Fault, FaultBackend};
use artifact_encryption::EncryptedBackend;
use bytes::Bytes;
use futures_util::StreamExt;

use crate::world::{
    CHUNK, HEADER, ID, SEALED_CHUNK, check_corrupt, empty, key, plain, planted, read, sealed,
};

const OTHER: ArtifactId = ArtifactId::from_bytes([0x5b; 16]);
/// Two full chunks and a short one.
const LONG: usize = 2 * CHUNK + 1_000;

#[tokio::test]
async fn every_flipped_bit_of_a_small_blob_is_corrupt() {
    for size in [0, 1, 20] {
        let right = plain(size);
        let stored = sealed(ID, &right).await;
        for bit in 0..8 * stored.len() {
            let mut forged = stored.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            let world = planted(ID, &forged).await;
            check_corrupt(&world, ID, b"", &format!("bit {bit} of {size} bytes")).await;
            for range in [
                ByteRange::Suffix(1),
                ByteRange::From(0),
                ByteRange::From(99),
            ] {
                let (delivered, result) = read(&world, ID, range).await;
                assert_eq!(result.unwrap_err().kind(), ErrorKind::Corrupt, "{range:?}");
                assert_eq!(delivered, "");
            }
        }
    }
}

#[tokio::test]
async fn a_flipped_bit_of_a_long_blob_spoils_its_chunk_and_no_other() {
    let right = plain(LONG);
    let stored = sealed(ID, &right).await;
    let last = stored.len() - 1;
    for position in (0..stored.len()).step_by(613).chain([55, 56, last]) {
        let mut forged = stored.clone();
        forged[position] ^= 0x80;
        let world = planted(ID, &forged).await;
        check_corrupt(&world, ID, &right, &format!("the byte at {position}")).await;
        // Header and last chunk are needed by every read.
        let spoiled = position.checked_sub(HEADER).map(|at| at / SEALED_CHUNK);
        for chunk in 0..2 {
            let start = chunk * CHUNK;
            let range = ByteRange::from_to(start, start + CHUNK - 1);
            let (delivered, result) = read(&world, ID, range).await;
            let expected = match spoiled {
                None | Some(2) => None,
                Some(spoiled) if spoiled == chunk => None,
                Some(_) => Some(&right[start..start + CHUNK]),
            };
            match expected {
                Some(bytes) => assert_eq!(delivered, bytes),
                None => {
                    let label = format!("chunk {chunk} with a forged byte at {position}");
                    assert_eq!(result.expect_err(&label).kind(), ErrorKind::Corrupt);
                    assert_eq!(delivered, "", "{label}");
                }
            }
        }
    }
}

#[tokio::test]
async fn every_truncation_is_corrupt() {
    for size in [0, 40, CHUNK, LONG] {
        let right = plain(size);
        let stored = sealed(ID, &right).await;
        let near_an_edge = |len: &usize| {
            let in_chunk = len.saturating_sub(HEADER) % SEALED_CHUNK;
            stored.len() < 200 || !(40..SEALED_CHUNK - 40).contains(&in_chunk) || len % 997 == 0
        };
        for len in (0..stored.len()).filter(near_an_edge) {
            let world = planted(ID, &stored[..len]).await;
            let label = format!("{size} bytes cut to {len} stored bytes");
            check_corrupt(&world, ID, &right, &label).await;
            // The size is proven before the first byte, also if the range does not reach the cut.
            let (delivered, result) = read(&world, ID, ByteRange::from_to(0, 9)).await;
            assert_eq!(result.expect_err(&label).kind(), ErrorKind::Corrupt);
            assert_eq!(delivered, "", "{label}");
        }
    }
}

#[tokio::test]
async fn surplus_bytes_are_corrupt() {
    for size in [0, 40, CHUNK - 1, CHUNK, LONG] {
        let right = plain(size);
        let stored = sealed(ID, &right).await;
        let mut extensions: Vec<Vec<u8>> = (1..40).map(|len| vec![0; len]).collect();
        extensions.push(vec![0; SEALED_CHUNK]);
        extensions.push(stored.clone());
        extensions.push(stored[HEADER..].to_vec());
        extensions.push(stored[stored.len() - 16..].to_vec());
        for extension in extensions {
            let world = planted(ID, &[&stored[..], &extension].concat()).await;
            let label = format!("{size} bytes and {} surplus bytes", extension.len());
            check_corrupt(&world, ID, &right, &label).await;
        }
    }
}

/// Joins the header and some chunks of a message.
fn assemble(header: &[u8], chunks: &[&[u8]]) -> Vec<u8> {
    [header, &chunks.concat()].concat()
}

fn parts(stored: &[u8]) -> (&[u8], Vec<&[u8]>) {
    let (header, chunks) = stored.split_at(HEADER);
    (header, chunks.chunks(SEALED_CHUNK).collect())
}

#[tokio::test]
async fn chunks_in_another_order_are_corrupt() {
    let right = plain(LONG);
    let stored = sealed(ID, &right).await;
    let (header, chunks) = parts(&stored);
    for (order, label) in [
        (&[1, 0, 2][..], "swapped chunks"),
        (&[0, 0, 2], "a repeated chunk"),
        (&[1, 2], "a lost first chunk"),
        (&[0, 2], "a lost second chunk"),
        (&[0, 1, 1, 2], "an inserted chunk"),
        (&[2], "the last chunk alone"),
        (&[2, 0, 1], "the last chunk first"),
    ] {
        let chosen: Vec<_> = order.iter().map(|number| chunks[*number]).collect();
        let world = planted(ID, &assemble(header, &chosen)).await;
        check_corrupt(&world, ID, &right, label).await;
    }
}

#[tokio::test]
async fn parts_of_another_blob_are_corrupt() {
    let right = plain(LONG);
    // The same plain bytes under the same id and key: only the salts differ.
    let [first, second] = [sealed(ID, &right).await, sealed(ID, &right).await];
    let ((header, own), (other_header, other)) = (parts(&first), parts(&second));
    for (forged, label) in [
        (assemble(other_header, &own), "the header of another blob"),
        (
            assemble(header, &[other[0], own[1], own[2]]),
            "a foreign first chunk",
        ),
        (
            assemble(header, &[own[0], own[1], other[2]]),
            "a foreign last chunk",
        ),
        (
            assemble(&[&header[..24], &other_header[24..]].concat(), &own),
            "the commitment of another blob",
        ),
    ] {
        let world = planted(ID, &forged).await;
        check_corrupt(&world, ID, &right, label).await;
    }
}

#[tokio::test]
async fn a_blob_under_another_id_is_corrupt() {
    let [here, there] = [plain(100), plain(101)];
    let world = planted(ID, &sealed(OTHER, &there).await).await;
    let bytes = sealed(ID, &here).await.into();
    world.inner().store(OTHER, bytes).await.unwrap();
    check_corrupt(&world, ID, b"", "a blob of another id").await;
    check_corrupt(&world, OTHER, b"", "a blob of another id").await;
}

#[tokio::test]
async fn a_blob_that_is_not_encrypted_is_corrupt() {
    for size in [0, 71, 72, 5_000, 40_000] {
        let world = planted(ID, &plain(size)).await;
        check_corrupt(&world, ID, b"", "a blob without encryption").await;
    }
}

#[tokio::test]
async fn stat_and_list_report_impossible_lengths_and_the_list_goes_on() {
    let world = planted(ID, &[0; 71]).await;
    world.store(OTHER, plain(CHUNK)).await.unwrap();
    assert_eq!(world.stat(OTHER).await.unwrap().size, CHUNK as u64);
    let error = world.stat(ID).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    let detail = "stat of artifact 5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a: corrupt: no encrypted blob has 71 stored bytes";
    assert!(error.to_string().starts_with(detail), "{error}");
    let mut listed: Vec<_> = world.list().await.unwrap().collect().await;
    assert_eq!(listed.len(), 2);
    assert_eq!(listed.pop().unwrap().unwrap().size, CHUNK as u64);
    let error = listed.pop().unwrap().unwrap_err();
    assert_eq!((error.kind(), error.id()), (ErrorKind::Corrupt, Some(ID)));
}

#[tokio::test]
async fn an_inner_download_that_ends_early_is_corrupt() {
    let faults = FaultBackend::new(empty().inner().clone());
    let world = EncryptedBackend::new(faults.clone(), key(1));
    let right = plain(LONG);
    world.store(ID, right.clone()).await.unwrap();
    // The first request is for the last 16,455 stored bytes, the second for header and full chunks.
    for (nth, cuts) in [(1, &[0, 10, 56, 100][..]), (2, &[0, 10, 56, 100, 16_456])] {
        for bytes in cuts.iter().copied() {
            faults.inject(Fault::truncate(bytes).nth(nth));
            let (delivered, result) = read(&world, ID, ByteRange::Full).await;
            assert_eq!(result.unwrap_err().kind(), ErrorKind::Corrupt);
            assert!(right.starts_with(&delivered));
        }
    }
    let (delivered, result) = read(&world, ID, ByteRange::Full).await;
    result.unwrap();
    assert_eq!(delivered, right);
}

/// Shortens the tests above.
trait FromTo {
    fn from_to(first: usize, last: usize) -> Self;
}

impl FromTo for ByteRange {
    fn from_to(first: usize, last: usize) -> Self {
        let (first, last) = (first as u64, last as u64);
        Self::FromTo { first, last }
    }
}

#[tokio::test]
async fn an_untouched_blob_is_read_back() {
    for size in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, LONG] {
        let right = plain(size);
        let stored = sealed(ID, &right).await;
        assert_eq!(stored.len(), HEADER + size + 16 * (size / CHUNK + 1));
        let world = planted(ID, &stored).await;
        assert_eq!(world.load(ID).await.unwrap(), right);
        let found: Bytes = read(&world, ID, ByteRange::Full).await.0;
        assert_eq!(found, right);
    }
}

//! Ranges, compared with opendal's own memory service.

use artifact_opendal::new_path;
use opendal_core::services::Memory;
use opendal_core::{BytesRange, EntryMode, ErrorKind, Operator};

use crate::{world, written};

/// Returns the bytes of a range, or the kind of the error.
async fn read(operator: &Operator, path: &str, range: BytesRange) -> Result<Vec<u8>, ErrorKind> {
    let read = operator.read_with(path).range(range).await;
    read.map(|buffer| buffer.to_vec())
        .map_err(|error| error.kind())
}

#[tokio::test]
async fn ranges_agree_with_the_memory_service() {
    let (_, ours) = world();
    let theirs = Operator::new(Memory::default()).unwrap();
    let edges = [0, 1, 4, 9, 10, 11, 1 << 40];
    for bytes in ["", "x", "0123456789"] {
        let path = written(&ours, bytes).await;
        theirs.write(&path, bytes).await.unwrap();
        for a in edges {
            let mut ranges = vec![BytesRange::new(a, None), BytesRange::suffix(a)];
            ranges.extend(edges.map(|b| BytesRange::new(a, Some(b))));
            for range in ranges {
                let expected = read(&theirs, &path, range).await;
                assert_eq!(
                    read(&ours, &path, range).await,
                    expected,
                    "{range:?} of {bytes:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_stat_has_size_time_and_tag_and_the_root_is_a_folder() {
    let (_, operator) = world();
    let path = written(&operator, "bytes").await;
    let blob = operator.stat(&path).await.unwrap();
    assert_eq!((blob.mode(), blob.content_length()), (EntryMode::FILE, 5));
    assert_eq!(blob.etag(), Some(format!("\"{path}\"").as_str()));
    assert!(blob.last_modified().is_some());
    assert!(operator.stat("/").await.unwrap().is_dir());
    for absent in [
        operator.read(&new_path()).await.map(drop),
        operator.stat(&new_path()).await.map(drop),
    ] {
        assert_eq!(absent.unwrap_err().kind(), ErrorKind::NotFound);
    }
}

#[tokio::test]
async fn a_large_blob_is_streamed_in_chunks() {
    use futures_util::TryStreamExt;
    let (_, operator) = world();
    let bytes: Vec<u8> = (0..=250).cycle().take(3 << 20).collect();
    let path = new_path();
    let write = operator
        .write_with(&path, bytes.clone())
        .if_not_exists(true);
    write.await.unwrap();
    let stream = operator
        .reader(&path)
        .await
        .unwrap()
        .into_bytes_stream(5..2_000_000)
        .await;
    let chunks: Vec<_> = stream.unwrap().try_collect().await.unwrap();
    assert!(chunks.len() > 1);
    assert!(chunks.concat() == bytes[5..2_000_000]);
}

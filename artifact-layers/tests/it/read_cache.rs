//! What is cached, what never is, and how much memory it takes.

use artifact_backend::{
    ArtifactBackend, ArtifactBackendExt, ArtifactId, ArtifactInventory, ByteRange, ErrorKind,
    Operation,
};
use artifact_backend_conformance::{Fault, Point};
use artifact_layers::ReadCache;
use bytes::Bytes;

use crate::support::{BLOB, Stamped, backend, kind, noise, stored};

const MIB: u64 = 1 << 20;

#[tokio::test]
async fn a_small_blob_is_read_once() {
    let inner = backend();
    let backend = inner.clone().layer(ReadCache::new(MIB));
    let id = stored(&backend).await;
    for _ in 0..3 {
        assert_eq!(backend.load(id).await.unwrap(), BLOB);
        let whole = backend.download(id, ByteRange::Full).await.unwrap();
        assert_eq!(whole.into_bytes().await.unwrap(), BLOB);
        let part = ByteRange::FromTo { first: 2, last: 4 };
        let part = backend.download(id, part).await.unwrap();
        assert_eq!((part.size(), part.range()), (10, 2..5));
        assert_eq!(part.into_bytes().await.unwrap(), "234");
    }
    let error = backend.download(id, ByteRange::From(10)).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.blob_size()),
        (ErrorKind::InvalidRange, Some(10))
    );
    assert_eq!(inner.calls(Operation::Load), 1);
    assert_eq!(inner.calls(Operation::Download), 0);

    let id = stored(&backend).await;
    for _ in 0..3 {
        let whole = backend.download(id, ByteRange::Full).await.unwrap();
        assert_eq!(whole.into_bytes().await.unwrap(), BLOB);
        assert_eq!(backend.load(id).await.unwrap(), BLOB);
    }
    assert_eq!(inner.calls(Operation::Load), 1);
    assert_eq!(inner.calls(Operation::Download), 1);
}

#[tokio::test]
async fn a_large_blob_is_not_cached() {
    let inner = backend();
    let backend = inner
        .clone()
        .layer(ReadCache::new(MIB).with_max_blob(1_000));
    for (size, calls) in [(1_000, 1), (1_001, 3)] {
        let id = ArtifactId::mint();
        backend.store(id, noise(size)).await.unwrap();
        let before = inner.calls(Operation::Load) + inner.calls(Operation::Download);
        assert_eq!(backend.load(id).await.unwrap(), noise(size));
        let whole = backend.download(id, ByteRange::Full).await.unwrap();
        assert_eq!(whole.into_bytes().await.unwrap(), noise(size));
        assert_eq!(backend.load(id).await.unwrap(), noise(size));
        let after = inner.calls(Operation::Load) + inner.calls(Operation::Download);
        assert_eq!(after - before, calls, "{size} bytes");
    }
}

#[tokio::test]
async fn the_memory_stays_below_the_limit() {
    for limit in [0, 1, 4_096, 100_001, MIB] {
        let backend = backend().layer(ReadCache::new(limit));
        for size in (0..150).map(|number| number * 101) {
            let id = ArtifactId::mint();
            backend.store(id, noise(size)).await.unwrap();
            for _ in 0..2 {
                assert_eq!(backend.load(id).await.unwrap(), noise(size));
            }
            let cached = backend.cached_bytes();
            assert!(cached <= limit, "{cached} bytes of {limit}");
        }
        // The cache is used, too.
        let cached = backend.cached_bytes();
        assert!(
            limit < 4_096 || cached > limit / 2,
            "{cached} bytes of {limit}"
        );
    }
}

/// The bytes that a backend returns may be a small part of a large buffer.
#[tokio::test]
async fn the_cache_keeps_a_copy_and_not_the_buffer_of_the_backend() {
    let backend = backend().layer(ReadCache::new(MIB));
    let id = stored(&backend).await;
    let of_backend = backend.load(id).await.unwrap();
    let cached = backend.load(id).await.unwrap();
    assert_ne!(of_backend.as_ptr(), cached.as_ptr());
    assert_eq!(backend.load(id).await.unwrap().as_ptr(), cached.as_ptr());
}

#[tokio::test]
async fn a_deleted_blob_is_not_served() {
    let backend = backend().layer(ReadCache::new(MIB));
    let id = stored(&backend).await;
    backend.load(id).await.unwrap();
    backend.clone().delete(id).await.unwrap();
    assert_eq!(backend.cached_bytes(), 0);
    assert_eq!(kind(backend.load(id).await), ErrorKind::NotFound);
    let part = backend.download(id, ByteRange::Suffix(1)).await;
    assert_eq!(kind(part), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_read_that_overlaps_the_delete_does_not_fill_the_cache() {
    for operation in [Operation::Load, Operation::Download] {
        let inner = backend();
        let backend = inner.clone().layer(ReadCache::new(MIB));
        let id = stored(&backend).await;
        // The read has its bytes, and the cache has not.
        let hold = inner.hold(operation, Point::After);
        let reader = backend.clone();
        let read = tokio::spawn(async move {
            match operation {
                Operation::Load => reader.load(id).await,
                _ => reader.load_range(id, ByteRange::Full).await,
            }
        });
        hold.reached().await;
        backend.delete(id).await.unwrap();
        hold.release();
        assert_eq!(read.await.unwrap().unwrap(), BLOB);
        assert_eq!(backend.cached_bytes(), 0);
        assert_eq!(kind(backend.load(id).await), ErrorKind::NotFound);
    }
}

#[tokio::test]
async fn a_read_between_the_begin_and_the_end_of_a_delete_does_not_stay_cached() {
    let inner = backend();
    let backend = inner.clone().layer(ReadCache::new(MIB));
    let id = stored(&backend).await;
    let hold = inner.hold(Operation::Delete, Point::Before);
    let deleter = backend.clone();
    let delete = tokio::spawn(async move { deleter.delete(id).await });
    hold.reached().await;
    assert_eq!(backend.load(id).await.unwrap(), BLOB);
    hold.release();
    delete.await.unwrap().unwrap();
    assert_eq!(kind(backend.load(id).await), ErrorKind::NotFound);
}

#[tokio::test]
async fn after_a_delete_that_failed_or_was_dropped_the_storage_decides() {
    let inner = backend();
    let backend = inner.clone().layer(ReadCache::new(MIB));
    let id = stored(&backend).await;
    backend.load(id).await.unwrap();
    inner.inject(Fault::lost_answer(Operation::Delete));
    assert_eq!(kind(backend.delete(id).await), ErrorKind::Ambiguous);
    assert_eq!(kind(backend.load(id).await), ErrorKind::NotFound);

    let id = stored(&backend).await;
    backend.load(id).await.unwrap();
    let hold = inner.hold(Operation::Delete, Point::After);
    let deleter = backend.clone();
    let delete = tokio::spawn(async move { deleter.delete(id).await });
    hold.reached().await;
    delete.abort();
    assert!(delete.await.unwrap_err().is_cancelled());
    assert_eq!(kind(backend.load(id).await), ErrorKind::NotFound);
}

#[tokio::test]
async fn errors_are_not_cached() {
    let inner = backend();
    let backend = inner.clone().layer(ReadCache::new(MIB));
    let id = ArtifactId::mint();
    assert_eq!(kind(backend.load(id).await), ErrorKind::NotFound);
    backend.store(id, Bytes::from_static(BLOB)).await.unwrap();
    inner.inject(Fault::before(Operation::Load, ErrorKind::Corrupt));
    assert_eq!(kind(backend.load(id).await), ErrorKind::Corrupt);
    // Ends as if it were complete, so it is corrupt.
    inner.inject(Fault::truncate(4));
    let truncated = backend.load_range(id, ByteRange::Full).await;
    assert_eq!(kind(truncated), ErrorKind::Corrupt);
    assert_eq!(backend.cached_bytes(), 0);
    assert_eq!(backend.load(id).await.unwrap(), BLOB);
}

#[tokio::test]
async fn a_cached_download_has_the_stamp_of_the_read_that_filled_the_cache() {
    let stamped = Stamped::new(backend());
    let backend = stamped.clone().layer(ReadCache::new(MIB));
    let id = stored(&backend).await;
    let stamp = stamped.stamp();
    for _ in 0..2 {
        let download = backend.download(id, ByteRange::Full).await.unwrap();
        assert_eq!(download.stamp(), Some(stamp));
        stamped.touch();
    }
    let part = backend.download(id, ByteRange::From(3)).await.unwrap();
    assert_eq!(part.stamp(), Some(stamp));
}

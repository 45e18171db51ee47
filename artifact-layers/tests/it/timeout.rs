//! What a call over the limit returns, and what it leaves.

use std::time::Duration;

use artifact_backend::{
    ArtifactBackend, ArtifactBackendExt, ArtifactId, ArtifactInventory, ByteRange, ErrorKind,
    Operation, StoreId,
};
use artifact_backend_conformance::Point;
use artifact_layers::{ConcurrencyLimit, Throttle, Timeout};
use bytes::Bytes;
use tokio::time::Instant;

use crate::support::{BLOB, backend, kind, noise, stored};

const LIMIT: Duration = Duration::from_secs(30);

#[tokio::test(start_paused = true)]
async fn a_late_store_is_ambiguous_and_leaves_nothing_or_the_whole_blob() {
    for (point, expected) in [
        (Point::Before, Err(ErrorKind::NotFound)),
        (Point::After, Ok(Bytes::from_static(BLOB))),
    ] {
        let inner = backend();
        let hold = inner.hold(Operation::Store, point);
        let backend = inner.clone().layer(Timeout::new(LIMIT));
        let (id, began) = (ArtifactId::mint(), Instant::now());
        let error = backend
            .store(id, Bytes::from_static(BLOB))
            .await
            .unwrap_err();
        assert_eq!(began.elapsed(), LIMIT);
        assert_eq!(error.kind(), ErrorKind::Ambiguous);
        assert!(error.has_timed_out());
        assert_eq!(
            error.to_string(),
            format!(
                "store of artifact {id}: outcome unknown: the backend did not answer within 30s"
            )
        );
        hold.release();
        let found = inner.load(id).await.map_err(|error| error.kind());
        assert_eq!(found, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_commit_is_ambiguous() {
    let inner = backend();
    let _hold = inner.hold(Operation::Commit, Point::After);
    let backend = inner.clone().layer(Timeout::new(LIMIT));
    let id = ArtifactId::mint();
    let mut upload = backend.upload(id).await.unwrap();
    upload.write(Bytes::from_static(BLOB)).await.unwrap();
    assert_eq!(kind(upload.commit().await), ErrorKind::Ambiguous);
    assert_eq!(inner.load(id).await.unwrap(), BLOB);
}

#[tokio::test(start_paused = true)]
async fn late_changes_are_ambiguous_and_late_reads_are_unavailable() {
    let inner = backend();
    let backend = inner.clone().layer(Timeout::new(LIMIT));
    let id = stored(&backend).await;
    let late = |operation| inner.hold(operation, Point::Before);

    let _hold = late(Operation::Delete);
    assert_eq!(kind(backend.delete(id).await), ErrorKind::Ambiguous);
    let _hold = late(Operation::CreateStoreId);
    let created = backend.create_store_id(StoreId::mint()).await;
    assert_eq!(kind(created), ErrorKind::Ambiguous);

    let _hold = late(Operation::Load);
    let error = backend.load(id).await.unwrap_err();
    assert!(error.has_timed_out() && error.is_retryable(), "{error}");
    let _hold = late(Operation::Download);
    let opened = backend.download(id, ByteRange::Full).await;
    assert_eq!(kind(opened), ErrorKind::Unavailable);
    let _hold = late(Operation::Stat);
    assert_eq!(kind(backend.stat(id).await), ErrorKind::Unavailable);
    let _hold = late(Operation::List);
    assert_eq!(
        kind(backend.list().await.map(|_| ())),
        ErrorKind::Unavailable
    );
    let _hold = late(Operation::ReadStoreId);
    assert_eq!(kind(backend.store_id().await), ErrorKind::Unavailable);
    let _hold = late(Operation::Upload);
    assert_eq!(kind(backend.upload(id).await), ErrorKind::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn a_late_write_breaks_the_upload_even_if_the_inner_upload_never_saw_it() {
    let inner = backend();
    // The permit that the write waits for is held by a load.
    let limited = inner.clone().layer(ConcurrencyLimit::new(1));
    let backend = limited.clone().layer(Timeout::new(LIMIT));
    let id = ArtifactId::mint();
    let mut upload = backend.upload(id).await.unwrap();
    let hold = inner.hold(Operation::Load, Point::Before);
    let load = tokio::spawn(async move { limited.load(id).await });
    hold.reached().await;
    let written = upload.write(Bytes::from_static(BLOB)).await;
    assert_eq!(kind(written), ErrorKind::Unavailable);
    assert_eq!(inner.calls(Operation::Write), 0);
    hold.release();
    assert_eq!(kind(load.await.unwrap()), ErrorKind::NotFound);
    let written = upload.write(Bytes::from_static(b"x")).await;
    assert_eq!(kind(written), ErrorKind::Unexpected);
    assert_eq!(kind(upload.commit().await), ErrorKind::Unexpected);
    assert_eq!(kind(inner.load(id).await), ErrorKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn the_wait_for_each_chunk_is_limited_and_not_the_whole_download() {
    let inner = backend();
    let id = ArtifactId::mint();
    // Four chunks of 256 KiB.
    inner.store(id, noise(1 << 20)).await.unwrap();
    let download = |bytes_per_second| {
        let throttle = Throttle::new().with_bytes_per_second(bytes_per_second);
        let backend = inner.clone().layer(throttle).layer(Timeout::new(LIMIT));
        async move { backend.download(id, ByteRange::Full).await.unwrap() }
    };
    // 16 s for each chunk, 64 s together.
    let began = Instant::now();
    let whole = download(16 << 10).await.into_bytes().await.unwrap();
    assert_eq!(whole, noise(1 << 20));
    assert!(began.elapsed() > LIMIT);
    // 32 s for each chunk but the first.
    let mut slow = download(8 << 10).await;
    assert_eq!(slow.next().await.unwrap().unwrap().len(), 256 << 10);
    let error = slow.next().await.unwrap().unwrap_err();
    assert_eq!(
        (error.kind(), error.id()),
        (ErrorKind::Unavailable, Some(id))
    );
    assert!(error.has_timed_out());
    assert!(slow.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_sweep_may_take_longer() {
    let inner = backend();
    let hold = inner.hold(Operation::Sweep, Point::Before);
    let backend = inner.clone().layer(Timeout::new(LIMIT));
    let sweep = tokio::spawn(async move { backend.sweep(Duration::ZERO).await });
    hold.reached().await;
    tokio::time::sleep(LIMIT * 10).await;
    hold.release();
    assert_eq!(sweep.await.unwrap().unwrap().kept, 0);
}

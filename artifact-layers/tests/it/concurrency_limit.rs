//! Permits: how many calls run, and who returns a permit.

use artifact_backend::{
    ArtifactBackend, ArtifactBackendExt, ArtifactId, ByteRange, ErrorKind, Operation,
};
use artifact_backend_conformance::{Fault, Point};
use artifact_layers::ConcurrencyLimit;
use bytes::Bytes;
use tokio::task::JoinHandle;

use crate::support::{BLOB, backend, kind, noise, settle, stored};

fn spawn_load(backend: &(impl ArtifactBackend + Clone), id: ArtifactId) -> JoinHandle<Bytes> {
    let backend = backend.clone();
    tokio::spawn(async move { backend.load(id).await.unwrap() })
}

#[tokio::test]
async fn calls_over_the_limit_wait_for_a_permit() {
    let inner = backend();
    let backend = inner.clone().layer(ConcurrencyLimit::new(2));
    let id = stored(&backend).await;
    let holds = [(); 2].map(|()| inner.hold(Operation::Load, Point::Before));
    let loads: Vec<_> = (0..4).map(|_| spawn_load(&backend, id)).collect();
    settle().await;
    // Both holds apply to the first call, so it waits twice; the second call runs to its end.
    let [first, second] = holds;
    first.release();
    second.release();
    for load in loads {
        assert_eq!(load.await.unwrap(), BLOB);
    }
    assert_eq!(inner.calls(Operation::Load), 4);

    let hold = inner.hold(Operation::Load, Point::Before);
    let limited = inner.clone().layer(ConcurrencyLimit::new(1));
    let running = spawn_load(&limited, id);
    hold.reached().await;
    let waiting = spawn_load(&limited, id);
    settle().await;
    assert_eq!(inner.calls(Operation::Load), 5);
    hold.release();
    assert_eq!(running.await.unwrap(), BLOB);
    assert_eq!(waiting.await.unwrap(), BLOB);
}

#[tokio::test]
async fn a_cancelled_waiter_leaves_the_queue_without_a_call() {
    let inner = backend();
    let backend = inner.clone().layer(ConcurrencyLimit::new(1));
    let id = stored(&backend).await;
    let hold = inner.hold(Operation::Load, Point::Before);
    let running = spawn_load(&backend, id);
    hold.reached().await;
    let cancelled: Vec<_> = (0..3).map(|_| spawn_load(&backend, id)).collect();
    let last = spawn_load(&backend, id);
    settle().await;
    for waiter in cancelled {
        waiter.abort();
        assert!(waiter.await.unwrap_err().is_cancelled());
    }
    hold.release();
    assert_eq!(running.await.unwrap(), BLOB);
    assert_eq!(last.await.unwrap(), BLOB);
    assert_eq!(inner.calls(Operation::Load), 2);
}

#[tokio::test]
async fn a_cancelled_call_returns_its_permit() {
    let inner = backend();
    let backend = inner.clone().layer(ConcurrencyLimit::new(1));
    let id = stored(&backend).await;
    let hold = inner.hold(Operation::Load, Point::Before);
    let running = spawn_load(&backend, id);
    hold.reached().await;
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    assert_eq!(backend.load(id).await.unwrap(), BLOB);
}

#[tokio::test]
async fn open_uploads_and_downloads_hold_no_permit_of_a_call() {
    let backend = backend().layer(ConcurrencyLimit::new(1));
    let id = ArtifactId::mint();
    backend.store(id, noise(1 << 20)).await.unwrap();
    let mut upload = backend.upload(ArtifactId::mint()).await.unwrap();
    let mut download = backend.download(id, ByteRange::Full).await.unwrap();
    // A copy, chunk by chunk.
    while let Some(chunk) = download.next().await {
        upload.write(chunk.unwrap()).await.unwrap();
    }
    assert_eq!(backend.load(id).await.unwrap(), noise(1 << 20));
    upload.commit().await.unwrap();
}

#[tokio::test]
async fn open_uploads_and_downloads_are_limited_until_they_end() {
    let inner = backend();
    let backend = inner
        .clone()
        .layer(ConcurrencyLimit::new(8).with_max_open(1));
    let id = stored(&backend).await;
    let is_free = || {
        let backend = backend.clone();
        async move {
            let opening = tokio::spawn(async move { backend.upload(ArtifactId::mint()).await });
            settle().await;
            let free = opening.is_finished();
            opening.abort();
            free
        }
    };
    assert!(is_free().await);

    let mut download = backend.download(id, ByteRange::Full).await.unwrap();
    assert!(!is_free().await);
    assert_eq!(download.next().await.unwrap().unwrap(), BLOB);
    assert!(!is_free().await);
    assert!(download.next().await.is_none());
    assert!(
        is_free().await,
        "the stream has ended, although the download exists"
    );

    drop(backend.download(id, ByteRange::Full).await.unwrap());
    assert!(is_free().await, "the download was dropped");

    let upload = backend.upload(ArtifactId::mint()).await.unwrap();
    assert!(!is_free().await);
    upload.commit().await.unwrap();
    assert!(is_free().await, "the upload was committed");
    backend.upload(id).await.unwrap_err();
    assert!(is_free().await, "the upload failed to open");
    let upload = backend.upload(ArtifactId::mint()).await.unwrap();
    drop(upload);
    assert!(is_free().await, "the upload was dropped");

    inner.inject(Fault::before(Operation::Download, ErrorKind::Unavailable));
    let failed = backend.download(id, ByteRange::Full).await;
    assert_eq!(kind(failed), ErrorKind::Unavailable);
    assert!(is_free().await, "the download failed to open");
}

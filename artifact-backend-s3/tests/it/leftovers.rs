//! Leftovers of uploads, and their removal.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use artifact_backend::{ArtifactBackend, ArtifactId, ArtifactInventory, ManualClock, SweepReport};
use artifact_backend_s3::{ObjectStoreBackend, S3Config};
use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

#[tokio::test]
async fn staged_objects_of_another_process_are_swept_after_the_grace_period() {
    let store = Arc::new(InMemory::new());
    #[expect(
        clippy::disallowed_methods,
        reason = "the store in memory uses the system clock"
    )]
    let clock = Arc::new(ManualClock::new(SystemTime::now()));
    let config = S3Config::default().with_clock(Arc::clone(&clock) as _);
    let backend = ObjectStoreBackend::from_store(Arc::clone(&store) as _, "p", config).unwrap();
    let staged = Path::from("p/staging/left-by-a-crash");
    store.put(&staged, "12345".into()).await.unwrap();

    // It may belong to an active upload; only its age can tell.
    let mut kept = SweepReport::default();
    kept.count_kept();
    assert_eq!(backend.sweep(Duration::ZERO).await.unwrap(), kept);
    clock.advance(Duration::from_secs(3540));
    assert_eq!(backend.sweep(Duration::ZERO).await.unwrap(), kept);
    clock.advance(Duration::from_secs(120));
    assert_eq!(
        backend.sweep(Duration::from_secs(7200)).await.unwrap(),
        kept
    );

    let mut removed = SweepReport::default();
    removed.count_removed(5);
    assert_eq!(backend.sweep(Duration::ZERO).await.unwrap(), removed);
    assert!(store.head(&staged).await.is_err());
}

#[tokio::test]
async fn close_waits_until_a_dropped_upload_is_removed() {
    let store = Arc::new(InMemory::new());
    let config = S3Config::default().with_part_bytes(10);
    let backend = ObjectStoreBackend::from_store(Arc::clone(&store) as _, "p", config).unwrap();
    let mut upload = backend.upload(ArtifactId::mint()).await.unwrap();
    upload.write(Bytes::from(vec![7; 1000])).await.unwrap();
    drop(upload);
    backend.close().await;
    let left: Vec<_> = store.list(None).try_collect().await.unwrap();
    assert_eq!(left, []);
    // The backend can be used again afterwards.
    let mut upload = backend.upload(ArtifactId::mint()).await.unwrap();
    upload.write(Bytes::from(vec![7; 1000])).await.unwrap();
    upload.commit().await.unwrap();
    backend.close().await;
    let left: Vec<_> = store.list(None).try_collect().await.unwrap();
    assert_eq!(left.len(), 1);
}

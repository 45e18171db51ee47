//! What uploads leave, and who removes it.

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
async fn what_another_process_staged_is_swept_once_it_is_dead() {
    let store = Arc::new(InMemory::new());
    #[expect(
        clippy::disallowed_methods,
        reason = "the store in memory knows no other clock"
    )]
    let clock = Arc::new(ManualClock::new(SystemTime::now()));
    let config = S3Config::default().with_clock(Arc::clone(&clock) as _);
    let backend = ObjectStoreBackend::from_store(Arc::clone(&store) as _, "p", config).unwrap();
    let staged = Path::from("p/staging/what-a-crash-left");
    store.put(&staged, "12345".into()).await.unwrap();

    // It may be alive: nothing tells but its age.
    let mut kept = SweepReport::default();
    kept.count_kept();
    assert_eq!(backend.sweep(Duration::ZERO).await.unwrap(), kept);
    clock.advance(Duration::from_mins(59));
    assert_eq!(backend.sweep(Duration::ZERO).await.unwrap(), kept);
    clock.advance(Duration::from_mins(2));
    assert_eq!(backend.sweep(Duration::from_hours(2)).await.unwrap(), kept);

    let mut removed = SweepReport::default();
    removed.count_removed(5);
    assert_eq!(backend.sweep(Duration::ZERO).await.unwrap(), removed);
    assert!(store.head(&staged).await.is_err());
}

#[tokio::test]
async fn close_waits_until_a_dropped_upload_is_gone() {
    let store = Arc::new(InMemory::new());
    let config = S3Config::default().with_part_bytes(10);
    let backend = ObjectStoreBackend::from_store(Arc::clone(&store) as _, "p", config).unwrap();
    let mut upload = backend.upload(ArtifactId::mint()).await.unwrap();
    upload.write(Bytes::from(vec![7; 1000])).await.unwrap();
    drop(upload);
    backend.close().await;
    let left: Vec<_> = store.list(None).try_collect().await.unwrap();
    assert_eq!(left, []);
    // It is of use after that.
    let mut upload = backend.upload(ArtifactId::mint()).await.unwrap();
    upload.write(Bytes::from(vec![7; 1000])).await.unwrap();
    upload.commit().await.unwrap();
    backend.close().await;
    let left: Vec<_> = store.list(None).try_collect().await.unwrap();
    assert_eq!(left.len(), 1);
}

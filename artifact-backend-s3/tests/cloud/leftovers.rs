//! Tests that abandoned uploads leave nothing behind, not even parts (which no list of objects shows).

use std::time::Duration;

use artifact_backend::{ArtifactBackend as _, ArtifactId, ArtifactInventory as _, ErrorKind};
use artifact_backend::{SweepReport, Upload};
use artifact_backend_s3::{ObjectStoreBackend, S3Config};
use artifact_cloud_test::{CannedResponse, Fault, FaultProxy};
use bytes::Bytes;

use crate::location::Location;

const PART: usize = 5 << 20;

fn config() -> S3Config {
    S3Config::default()
        .with_part_bytes(PART as u64)
        .with_deadline(Duration::from_secs(5))
        .with_upload_grace(Duration::ZERO)
}

/// Begins an upload and sends its first two parts.
async fn halfway(backend: &ObjectStoreBackend, id: ArtifactId) -> Box<dyn Upload> {
    let mut upload = backend.upload(id).await.unwrap();
    for _ in 0..5 {
        let piece = Bytes::from(vec![1; PART / 2]);
        upload.write(piece).await.unwrap();
    }
    upload
}

/// Asserts that another process's sweep finds no leftovers.
async fn assert_clean(location: &Location, after: &str) {
    let name = location.name();
    assert_eq!(location.leftover_objects().await, 0, "{name}: {after}");
    let report = location.open(config()).sweep(Duration::ZERO).await.unwrap();
    assert_eq!(report, SweepReport::default(), "{name}: {after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn aborted_dropped_and_rejected_uploads_leave_nothing_behind() {
    for location in Location::each().await {
        let backend = location.open(config());
        halfway(&backend, ArtifactId::mint())
            .await
            .abort()
            .await
            .unwrap();
        assert_clean(&location, "aborted").await;

        drop(halfway(&backend, ArtifactId::mint()).await);
        backend.close().await;
        assert_clean(&location, "dropped").await;

        let id = ArtifactId::mint();
        backend
            .store(id, Bytes::from_static(b"first"))
            .await
            .unwrap();
        let refused = halfway(&backend, id).await.commit().await.unwrap_err();
        assert_eq!(
            refused.kind(),
            ErrorKind::AlreadyExists,
            "{}",
            location.name()
        );
        backend.close().await;
        assert_clean(&location, "rejected").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_commit_leaves_nothing_or_the_whole_blob() {
    for location in Location::each().await {
        let backend = location.open(config());
        for millis in [0, 3, 10, 30] {
            let id = ArtifactId::mint();
            let upload = halfway(&backend, id).await;
            let limit = Duration::from_millis(millis);
            let outcome = tokio::time::timeout(limit, upload.commit()).await;
            backend.close().await;
            assert_clean(&location, "a dropped commit").await;
            let found = location.bytes_of(id).await.map(|bytes| bytes.len());
            assert!(matches!(found, None | Some(13_107_200)), "{found:?}");
            if let Ok(outcome) = outcome {
                outcome.unwrap();
                assert!(found.is_some());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_sweep_removes_the_leftovers_of_a_failed_removal() {
    for location in Location::each().await {
        let proxy = FaultProxy::start(location.address()).await.unwrap();
        let backend = location.through(proxy.address()).open(config());
        let upload = halfway(&backend, ArtifactId::mint()).await;
        // The storage rejects all further requests.
        proxy.fail_all(|_| true, Fault::Rejected(CannedResponse::ACCESS_DENIED));
        drop(upload);
        backend.close().await;
        location.open(config()).sweep(Duration::ZERO).await.unwrap();
        assert_clean(&location, "swept").await;
    }
}

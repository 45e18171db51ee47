//! Uploads that are given up leave nothing behind, parts included, which no list of objects shows.

use std::time::Duration;

use artifact_backend::{ArtifactBackend as _, ArtifactId, ArtifactInventory as _, ErrorKind};
use artifact_backend::{SweepReport, Upload};
use artifact_backend_s3::{ObjectStoreBackend, S3Config};
use artifact_cloud_test::{Answer, Fault, FaultProxy};
use bytes::Bytes;

use crate::place::Place;

const PART: usize = 5 << 20;

fn config() -> S3Config {
    S3Config::default()
        .with_part_bytes(PART as u64)
        .with_deadline(Duration::from_secs(5))
        .with_upload_grace(Duration::ZERO)
}

/// An upload whose first two parts have been sent.
async fn halfway(backend: &ObjectStoreBackend, id: ArtifactId) -> Box<dyn Upload> {
    let mut upload = backend.upload(id).await.unwrap();
    for _ in 0..5 {
        let piece = Bytes::from(vec![1; PART / 2]);
        upload.write(piece).await.unwrap();
    }
    upload
}

/// Another process's sweep finds nothing to do.
async fn is_clean(place: &Place, what: &str) {
    let name = place.name();
    assert_eq!(place.leftover_objects().await, 0, "{name}: {what}");
    let report = place.open(config()).sweep(Duration::ZERO).await.unwrap();
    assert_eq!(report, SweepReport::default(), "{name}: {what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_aborted_dropped_or_refused_leaves_nothing() {
    for place in Place::each().await {
        let backend = place.open(config());
        halfway(&backend, ArtifactId::mint())
            .await
            .abort()
            .await
            .unwrap();
        is_clean(&place, "aborted").await;

        drop(halfway(&backend, ArtifactId::mint()).await);
        backend.close().await;
        is_clean(&place, "dropped").await;

        let id = ArtifactId::mint();
        backend
            .store(id, Bytes::from_static(b"first"))
            .await
            .unwrap();
        let refused = halfway(&backend, id).await.commit().await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::AlreadyExists, "{}", place.name());
        backend.close().await;
        is_clean(&place, "refused").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_commit_leaves_nothing_or_the_whole() {
    for place in Place::each().await {
        let backend = place.open(config());
        for millis in [0, 3, 10, 30] {
            let id = ArtifactId::mint();
            let upload = halfway(&backend, id).await;
            let limit = Duration::from_millis(millis);
            let told = tokio::time::timeout(limit, upload.commit()).await;
            backend.close().await;
            is_clean(&place, "a commit dropped").await;
            let found = place.bytes_of(id).await.map(|bytes| bytes.len());
            assert!(matches!(found, None | Some(13_107_200)), "{found:?}");
            if let Ok(told) = told {
                told.unwrap();
                assert!(found.is_some());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_removed_is_found_by_a_later_sweep() {
    for place in Place::each().await {
        let proxy = FaultProxy::start(place.address()).await.unwrap();
        let backend = place.through(proxy.address()).open(config());
        let upload = halfway(&backend, ArtifactId::mint()).await;
        // The storage takes nothing more.
        proxy.fail_all(|_| true, Fault::Refused(Answer::ACCESS_DENIED));
        drop(upload);
        backend.close().await;
        place.open(config()).sweep(Duration::ZERO).await.unwrap();
        is_clean(&place, "swept").await;
    }
}

//! Tests the error kinds of configuration mistakes, such as wrong keys or a missing bucket.

use std::time::Duration;

use artifact_backend::{ArtifactBackend as _, ArtifactId, ArtifactInventory as _, ByteRange};
use artifact_backend::{Error, ErrorKind};
use artifact_backend_s3::{ObjectStoreBackend, S3Config};
use artifact_cloud_test::{CannedResponse, Fault, FaultProxy};
use bytes::Bytes;

use crate::location::{Endpoint, Location};

fn short_deadlines() -> S3Config {
    S3Config::default()
        .with_deadline(Duration::from_secs(1))
        .with_readback_time(Duration::from_secs(1))
        .with_answer_timeout(Duration::from_secs(2))
}

/// Runs every operation and returns their errors.
async fn errors(backend: &ObjectStoreBackend) -> Vec<(&'static str, Error)> {
    let id = ArtifactId::mint();
    let commit = async {
        let mut upload = backend.upload(id).await?;
        upload.write(Bytes::from_static(b"piece")).await?;
        upload.commit().await
    };
    let large = async {
        let mut upload = backend.upload(id).await?;
        for _ in 0..3 {
            upload.write(Bytes::from(vec![1; 5 << 20])).await?;
        }
        upload.commit().await
    };
    let outcomes = [
        ("store", backend.store(id, Bytes::from_static(b"x")).await),
        ("commit", commit.await),
        ("large upload", large.await),
        ("load", backend.load(id).await.map(drop)),
        (
            "download",
            backend.download(id, ByteRange::Suffix(1)).await.map(drop),
        ),
        ("stat", backend.stat(id).await.map(drop)),
        ("list", backend.list().await.map(drop)),
        ("delete", backend.delete(id).await),
        ("sweep", backend.sweep(Duration::ZERO).await.map(drop)),
        ("probe", backend.probe().await.map(drop)),
    ];
    let failed = outcomes.into_iter().map(|(operation, outcome)| {
        let error = outcome.err();
        (
            operation,
            error.unwrap_or_else(|| panic!("{operation} succeeded")),
        )
    });
    failed.collect()
}

async fn all_are(kind: ErrorKind, backend: &ObjectStoreBackend, location: &Location) {
    for (operation, error) in errors(backend).await {
        let name = location.name();
        assert_eq!(error.kind(), kind, "{name}: {operation}: {error:?}");
        assert!(
            !error.detail().is_empty(),
            "{name}: {operation}: the detail is empty"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_bucket_is_misconfigured_and_never_not_found() {
    for location in Location::each().await {
        let backend = location.open_bucket("no-such-bucket", short_deadlines());
        all_are(ErrorKind::Misconfigured, &backend, &location).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_bucket_is_misconfigured() {
    for location in Location::each().await {
        let proxy = FaultProxy::start(location.address()).await.unwrap();
        let code = match location.endpoint {
            Endpoint::Azure(_) => "ContainerNotFound",
            _ => "NoSuchBucket",
        };
        proxy.fail_all(|_| true, Fault::Rejected(CannedResponse::new(404, code)));
        let backend = location.through(proxy.address()).open(short_deadlines());
        all_are(ErrorKind::Misconfigured, &backend, &location).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_are_permission_denied() {
    for location in Location::each().await {
        let prefix = &location.prefix;
        let backend = match &location.endpoint {
            Endpoint::S3(endpoint) => {
                let builder = endpoint.builder("artifacts");
                ObjectStoreBackend::s3(
                    builder.with_secret_access_key("wrong"),
                    prefix,
                    short_deadlines(),
                )
            }
            Endpoint::Azure(endpoint) => {
                let builder = endpoint.builder("artifacts");
                ObjectStoreBackend::azure(
                    builder.with_access_key("d3Jvbmc="),
                    prefix,
                    short_deadlines(),
                )
            }
            Endpoint::Gcs(endpoint) => {
                let builder = endpoint.builder("artifacts");
                ObjectStoreBackend::gcs(
                    builder.with_bearer_token("wrong"),
                    prefix,
                    short_deadlines(),
                )
            }
        };
        all_are(ErrorKind::PermissionDenied, &backend.unwrap(), &location).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_errors_of_expired_credentials_and_a_wrong_clock_name_the_cause() {
    for location in Location::each().await {
        for (answer, kind, word) in [
            (
                CannedResponse::EXPIRED,
                ErrorKind::PermissionDenied,
                "expired",
            ),
            (
                CannedResponse::TIME_SKEWED,
                ErrorKind::Misconfigured,
                "clock",
            ),
        ] {
            let proxy = FaultProxy::start(location.address()).await.unwrap();
            proxy.fail_all(|_| true, Fault::Rejected(answer));
            let backend = location.through(proxy.address()).open(short_deadlines());
            let stored = backend
                .store(ArtifactId::mint(), Bytes::from_static(b"x"))
                .await;
            let error = stored.unwrap_err();
            let name = location.name();
            assert_eq!(error.kind(), kind, "{name}: {error:?}");
            assert!(error.detail().contains(word), "{name}: {error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn throttling_and_an_unreachable_server_are_unavailable_and_retryable() {
    for location in Location::each().await {
        for answer in [CannedResponse::SLOW_DOWN, CannedResponse::TOO_MANY] {
            let proxy = FaultProxy::start(location.address()).await.unwrap();
            proxy.fail_all(|_| true, Fault::Rejected(answer));
            let backend = location.through(proxy.address()).open(short_deadlines());
            let error = backend.load(ArtifactId::mint()).await.unwrap_err();
            assert!(error.is_retryable(), "{}: {error:?}", location.name());
        }
        // No server listens on this port.
        let nowhere = location.through(([127, 0, 0, 1], 1).into());
        let backend = nowhere.open(short_deadlines());
        all_are(ErrorKind::Unavailable, &backend, &location).await;
    }
}

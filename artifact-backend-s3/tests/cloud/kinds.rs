//! What an operator does wrong, and which kind of error says so.

use std::time::Duration;

use artifact_backend::{ArtifactBackend as _, ArtifactId, ArtifactInventory as _, ByteRange};
use artifact_backend::{Error, ErrorKind};
use artifact_backend_s3::{ObjectStoreBackend, S3Config};
use artifact_cloud_test::{Answer, Fault, FaultProxy};
use bytes::Bytes;

use crate::place::{Endpoint, Place};

fn impatient() -> S3Config {
    S3Config::default()
        .with_deadline(Duration::from_secs(1))
        .with_readback_time(Duration::from_secs(1))
        .with_answer_timeout(Duration::from_secs(2))
}

/// The error of every operation.
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
    let failed = outcomes.into_iter().map(|(what, outcome)| {
        let error = outcome.err();
        (what, error.unwrap_or_else(|| panic!("{what} succeeded")))
    });
    failed.collect()
}

async fn all_are(kind: ErrorKind, backend: &ObjectStoreBackend, place: &Place) {
    for (what, error) in errors(backend).await {
        let name = place.name();
        assert_eq!(error.kind(), kind, "{name}: {what}: {error:?}");
        assert!(!error.detail().is_empty(), "{name}: {what} says nothing");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_bucket_is_misconfigured_and_never_not_found() {
    for place in Place::each().await {
        let backend = place.open_bucket("no-such-bucket", impatient());
        all_are(ErrorKind::Misconfigured, &backend, &place).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_was_removed_is_misconfigured() {
    for place in Place::each().await {
        let proxy = FaultProxy::start(place.address()).await.unwrap();
        let code = match place.endpoint {
            Endpoint::Azure(_) => "ContainerNotFound",
            _ => "NoSuchBucket",
        };
        proxy.fail_all(|_| true, Fault::Refused(Answer::new(404, code)));
        let backend = place.through(proxy.address()).open(impatient());
        all_are(ErrorKind::Misconfigured, &backend, &place).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_are_permission_denied() {
    for place in Place::each().await {
        let prefix = &place.prefix;
        let backend = match &place.endpoint {
            Endpoint::S3(endpoint) => {
                let builder = endpoint.builder("artifacts");
                ObjectStoreBackend::s3(builder.with_secret_access_key("wrong"), prefix, impatient())
            }
            Endpoint::Azure(endpoint) => {
                let builder = endpoint.builder("artifacts");
                ObjectStoreBackend::azure(builder.with_access_key("d3Jvbmc="), prefix, impatient())
            }
            Endpoint::Gcs(endpoint) => {
                let builder = endpoint.builder("artifacts");
                ObjectStoreBackend::gcs(builder.with_bearer_token("wrong"), prefix, impatient())
            }
        };
        all_are(ErrorKind::PermissionDenied, &backend.unwrap(), &place).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_credentials_and_a_wrong_clock_have_words_of_their_own() {
    for place in Place::each().await {
        for (answer, kind, word) in [
            (Answer::EXPIRED, ErrorKind::PermissionDenied, "expired"),
            (Answer::TIME_SKEWED, ErrorKind::Misconfigured, "clock"),
        ] {
            let proxy = FaultProxy::start(place.address()).await.unwrap();
            proxy.fail_all(|_| true, Fault::Refused(answer));
            let backend = place.through(proxy.address()).open(impatient());
            let stored = backend
                .store(ArtifactId::mint(), Bytes::from_static(b"x"))
                .await;
            let error = stored.unwrap_err();
            let name = place.name();
            assert_eq!(error.kind(), kind, "{name}: {error:?}");
            assert!(error.detail().contains(word), "{name}: {error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn throttling_and_an_unreachable_server_are_unavailable_and_retryable() {
    for place in Place::each().await {
        for answer in [Answer::SLOW_DOWN, Answer::TOO_MANY] {
            let proxy = FaultProxy::start(place.address()).await.unwrap();
            proxy.fail_all(|_| true, Fault::Refused(answer));
            let backend = place.through(proxy.address()).open(impatient());
            let error = backend.load(ArtifactId::mint()).await.unwrap_err();
            assert!(error.is_retryable(), "{}: {error:?}", place.name());
        }
        // Nobody listens there.
        let nowhere = place.through(([127, 0, 0, 1], 1).into());
        let backend = nowhere.open(impatient());
        all_are(ErrorKind::Unavailable, &backend, &place).await;
    }
}

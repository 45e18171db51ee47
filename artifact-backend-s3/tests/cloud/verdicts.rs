//! The probe's verdict on each server, and its error text.

use std::time::Duration;

use artifact_backend::ErrorKind;
use artifact_backend_s3::S3Config;
use artifact_cloud_test::{Rclone, S3sFs, SeaweedFs, or_skip};

use crate::location::Location;

#[tokio::test(flavor = "multi_thread")]
async fn stores_that_create_exclusively_are_accepted() {
    // SeaweedFS has a test of its own, below.
    for location in [Some(Location::gcs().await), Location::azure().await] {
        let Some(location) = location else { continue };
        let report = location.open(S3Config::default()).probe().await;
        let report = report.unwrap_or_else(|error| panic!("{}: {error}", location.name()));
        assert!(report.keeps_metadata, "{}", location.name());
        assert_eq!(location.leftover_objects().await, 0, "{}", location.name());
        println!("probe: {} accepted", location.name());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_only_concurrent_completions_is_rejected_with_that_reason() {
    // A server that no other test uses: a race on it takes seconds already.
    let server = SeaweedFs::start().await;
    let Some(server) = or_skip("the probe on SeaweedFS", server) else {
        return;
    };
    let location = Location::on(server.endpoint()).await;
    let long_timeout = S3Config::default().with_answer_timeout(Duration::from_secs(60));
    let error = location.open(long_timeout).probe().await.unwrap_err();
    println!("probe: SeaweedFS rejected: {error}");
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    let detail = error.detail();
    assert!(
        detail.contains("uploads in parts that raced for one key succeed"),
        "{detail}"
    );
    assert_eq!(location.leftover_objects().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_overwrites_is_rejected_with_that_reason() {
    let Some(server) = or_skip("the probe on rclone", Rclone::start().await) else {
        return;
    };
    let backend = Location::on(server.endpoint())
        .await
        .open(S3Config::default());
    let error = backend.probe().await.unwrap_err();
    println!("probe: rclone rejected: {error}");
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    let detail = error.detail();
    assert!(
        detail.contains("second create of one key succeed"),
        "{detail}"
    );
    assert!(
        detail.contains("ignores If-None-Match and overwrites"),
        "{detail}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_concurrent_creates_is_rejected_with_that_reason() {
    let Some(server) = or_skip("the probe on s3s-fs", S3sFs::start().await) else {
        return;
    };
    let backend = Location::on(server.endpoint())
        .await
        .open(S3Config::default());
    let error = backend.probe().await.unwrap_err();
    println!("probe: s3s-fs rejected: {error}");
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    let detail = error.detail();
    assert!(detail.contains("raced for one key succeed"), "{detail}");
}

//! The probe's verdict on each server, and its words.

use std::time::Duration;

use artifact_backend::ErrorKind;
use artifact_backend_s3::S3Config;
use artifact_cloud_test::{Rclone, S3sFs, SeaweedFs, or_skip};

use crate::place::Place;

#[tokio::test(flavor = "multi_thread")]
async fn stores_that_create_exclusively_are_accepted() {
    // SeaweedFS has a verdict of its own, below.
    for place in [Some(Place::gcs().await), Place::azure().await] {
        let Some(place) = place else { continue };
        let report = place.open(S3Config::default()).probe().await;
        let report = report.unwrap_or_else(|error| panic!("{}: {error}", place.name()));
        assert!(report.keeps_metadata, "{}", place.name());
        assert_eq!(place.leftover_objects().await, 0, "{}", place.name());
        println!("probe: {} accepted", place.name());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_loses_only_the_race_of_completions_is_refused_by_name_of_that() {
    // Its own, which no other test keeps busy: a race there takes seconds as it is.
    let server = SeaweedFs::start().await;
    let Some(server) = or_skip("the probe on SeaweedFS", server) else {
        return;
    };
    let place = Place::on(server.endpoint()).await;
    let patient = S3Config::default().with_answer_timeout(Duration::from_mins(1));
    let refused = place.open(patient).probe().await.unwrap_err();
    println!("probe: SeaweedFS refused: {refused}");
    assert_eq!(refused.kind(), ErrorKind::Misconfigured);
    let said = refused.detail();
    assert!(
        said.contains("uploads in parts that raced for one key succeed"),
        "{said}"
    );
    assert_eq!(place.leftover_objects().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_overwrites_is_refused_by_name_of_what_it_did() {
    let Some(server) = or_skip("the probe on rclone", Rclone::start().await) else {
        return;
    };
    let backend = Place::on(server.endpoint()).await.open(S3Config::default());
    let refused = backend.probe().await.unwrap_err();
    println!("probe: rclone refused: {refused}");
    assert_eq!(refused.kind(), ErrorKind::Misconfigured);
    let said = refused.detail();
    assert!(said.contains("second create of one key succeed"), "{said}");
    assert!(
        said.contains("ignores If-None-Match and overwrites"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_loses_the_race_is_refused_by_name_of_what_it_did() {
    let Some(server) = or_skip("the probe on s3s-fs", S3sFs::start().await) else {
        return;
    };
    let backend = Place::on(server.endpoint()).await.open(S3Config::default());
    let refused = backend.probe().await.unwrap_err();
    println!("probe: s3s-fs refused: {refused}");
    assert_eq!(refused.kind(), ErrorKind::Misconfigured);
    let said = refused.detail();
    assert!(said.contains("raced for one key succeed"), "{said}");
}

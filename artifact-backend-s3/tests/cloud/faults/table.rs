//! Runs all cases and prints a table.

use std::time::Duration;

use artifact_backend::{ArtifactId, ArtifactInventory as _};
use artifact_cloud_test::FaultProxy;
use futures_util::{StreamExt as _, stream};

use super::case::{Case, Lasting, RIVAL_BYTES, cases};
use super::verdict::{Count, HEADING, Truth, Verdict, judge};
use super::write::{Client, Reported, Write, config};
use crate::location::Location;

/// The number of parallel runs. Most of them only wait.
const PARALLEL_RUNS: usize = 12;

#[tokio::test(flavor = "multi_thread")]
async fn every_outcome_of_a_store_on_s3_is_reported_correctly() {
    if let Some(location) = Location::s3().await {
        assert_exact(&location, Write::Store).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_outcome_of_an_upload_on_s3_is_reported_correctly() {
    if let Some(location) = Location::s3().await {
        assert_exact(&location, Write::Upload).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_outcome_of_a_store_on_azure_is_reported_correctly() {
    if let Some(location) = Location::azure().await {
        assert_exact(&location, Write::Store).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_outcome_of_an_upload_on_azure_is_reported_correctly() {
    if let Some(location) = Location::azure().await {
        assert_exact(&location, Write::Upload).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_outcome_of_a_store_on_google_is_reported_correctly() {
    assert_exact(&Location::gcs().await, Write::Store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_outcome_of_an_upload_on_google_is_reported_correctly() {
    assert_exact(&Location::gcs().await, Write::Upload).await;
}

/// Asserts that our backend is right every time. The plain library is the control that proves the faults
/// real.
async fn assert_exact(location: &Location, write: Write) {
    let (ours, wrong) = count(location, write, Client::Backend).await;
    let (bare, _) = count(location, write, Client::Plain).await;
    println!("| fault table | {HEADING}");
    println!("| {} {write:?}, ours {ours}", location.name());
    println!("| {} {write:?}, bare {bare}", location.name());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(ours.wrong(), 0);
    assert!(
        bare.wrong() > 0,
        "the control reported no wrong outcome: {bare}"
    );
}

async fn count(location: &Location, write: Write, client: Client) -> (Count, Vec<String>) {
    let requests = requests_of(location, write, client).await;
    let runs = cases(requests).into_iter().map(|case| async move {
        let (reported, verdict) = run(location, write, client, &case).await;
        (case, reported, verdict)
    });
    let mut count = Count::default();
    let mut wrong = Vec::new();
    let mut runs = stream::iter(runs).buffer_unordered(PARALLEL_RUNS);
    while let Some((case, reported, verdict)) = runs.next().await {
        count.add(verdict);
        // After a single temporary fault the outcome can be found out, so it must be.
        let passes = case.lasting == Lasting::Once && case.may_pass();
        let unneeded = verdict == Verdict::Ambiguous && passes;
        if !matches!(verdict, Verdict::Right | Verdict::Ambiguous) || unneeded {
            wrong.push(format!("{verdict:?}: {case}: {reported:?}"));
        }
    }
    (count, wrong)
}

/// Returns the number of requests without a fault.
async fn requests_of(location: &Location, write: Write, client: Client) -> usize {
    let direct = location.another();
    let proxy = FaultProxy::start(direct.address()).await.unwrap();
    let id = ArtifactId::mint();
    let reported = write.by(client, &direct.through(proxy.address()), id).await;
    assert_eq!(reported, Reported::Ok);
    assert_eq!(direct.bytes_of(id).await, Some(write.bytes()));
    assert_eq!(direct.leftover_objects().await, 0);
    proxy.requests().len()
}

async fn run(
    location: &Location,
    write: Write,
    client: Client,
    case: &Case,
) -> (Reported, Verdict) {
    let direct = location.another();
    let proxy = FaultProxy::start(direct.address()).await.unwrap();
    let id = ArtifactId::mint();
    let rival = case.set(&proxy, &direct, id).await;
    let reported = write.by(client, &direct.through(proxy.address()), id).await;
    let rival_won = *rival.lock().await;
    let truth = match direct.bytes_of(id).await {
        None => Truth::Nothing,
        Some(bytes) if bytes == write.bytes() => Truth::Ours,
        Some(bytes) if bytes == RIVAL_BYTES => Truth::Rival,
        Some(bytes) => panic!("{case}: the object has {} unknown bytes", bytes.len()),
    };
    if client == Client::Backend {
        assert_no_leftovers(&direct, case).await;
        // The reported outcome stays true.
        let later = direct.bytes_of(id).await.is_some();
        assert_eq!(later, truth != Truth::Nothing, "{case}");
    }
    let verdict = judge(&reported, truth, rival_won);
    (reported, verdict)
}

/// Asserts that a sweep removes all leftovers.
async fn assert_no_leftovers(direct: &Location, case: &Case) {
    let backend = direct.open(config().with_answer_timeout(Duration::from_secs(15)));
    backend.sweep(Duration::ZERO).await.unwrap();
    let report = backend.sweep(Duration::ZERO).await.unwrap();
    assert_eq!((report.removed, report.kept), (0, 0), "{case}");
    assert_eq!(direct.leftover_objects().await, 0, "{case}");
}

//! The conformance suite on real servers.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use artifact_backend::{
    ArtifactBackend as _, ArtifactId, ArtifactInventory as _, ErrorKind, Operation,
};
use artifact_backend_conformance::{Report, Storage, Suite};
use artifact_backend_s3::S3Config;
use artifact_cloud_test::{
    Balancer, CannedResponse, Fault, FaultProxy, Loss, SeaweedCluster, or_skip,
};
use artifact_postgres_test::Server as Postgres;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use object_store::path::Path;
use object_store::{ObjectStoreExt as _, PutPayload};
use tokio::time::Instant;

use crate::location::Location;

/// Sets the smallest parts that the providers accept, so that the suite's large blobs have many, and so
/// few in parallel that an upload stays within the suite's memory bound.
fn config() -> S3Config {
    S3Config::default()
        .with_part_bytes(5 << 20)
        .with_parallel_parts(2)
        // On SeaweedFS the last of 64 racing writers waits longer than the default.
        .with_answer_timeout(Duration::from_secs(60))
        .with_upload_grace(Duration::from_secs(5))
}

fn storage(location: &Location, config: &S3Config) -> Storage {
    let (again, config_again) = (location.clone(), config.clone());
    let leftovers = location.clone();
    Storage::new(location.open(config.clone()))
        .with_reopen(move || {
            let backend = again.open(config_again.clone());
            async move { Ok(backend) }
        })
        .with_leftover_count(move || {
            let location = leftovers.clone();
            async move { Ok(location.leftover_objects().await as u64) }
        })
}

/// A list shows objects without their metadata, so it also shows a foreign object under a blob's key. The
/// other operations on such an object are tested below.
const NO_PLANTS: [&str; 5] = [
    "contained::planted_objects_are_never_read",
    "contained::planted_objects_are_never_written_through",
    "contained::planted_objects_are_not_treated_as_blobs",
    "inventory::list_reports_a_damaged_blob_and_goes_on",
    "ordered::damage_is_in_its_place",
];

/// These cases would disturb other tests on a shared server.
const NEED_A_PROXY: [&str; 6] = [
    "absent::a_lost_storage_never_returns_not_found",
    "honest::a_store_of_unknown_outcome_is_ambiguous",
    "honest::a_commit_of_unknown_outcome_is_ambiguous",
    "inventory::a_list_ends_after_an_error_that_is_not_a_damaged_blob",
    "ordered::a_shard_ends_after_an_error_that_is_not_a_damaged_blob",
    "store-id::a_lost_storage_is_an_error_and_not_a_missing_store_id",
];

/// The number of cases tested in parallel. A race on SeaweedFS is mostly waiting: 4 s for 16 callers of
/// one key, 18 s for the suite's 64.
const PARALLEL_CASES: usize = 10;

/// Runs the whole suite, several cases in parallel.
async fn run(location: Location, config: S3Config) {
    let reports = Suite::case_names().map(|case| {
        let (name, location, config) = (location.name(), location.clone(), config.clone());
        let suite = Suite::new(move || {
            let storage = storage(&location.another(), &config);
            async move { Ok(storage) }
        });
        let suite = suite
            .with_large_blob(Suite::MIN_LARGE_BLOB * 2)
            .with_time_limit(Duration::from_secs(300))
            .only(case);
        async move {
            let began = Instant::now();
            let report = suite.run().await;
            println!("{name}: {case} took {:.1} s", began.elapsed().as_secs_f32());
            report
        }
    });
    let reports: Vec<_> = stream::iter(reports)
        .buffer_unordered(PARALLEL_CASES)
        .collect()
        .await;
    let cases = || reports.iter().flat_map(Report::cases);
    let lines: Vec<_> = cases().map(ToString::to_string).collect();
    let all = lines.join("\n");
    println!("{} at {}:\n{all}", location.name(), location.address());
    let failed = reports.iter().flat_map(Report::failures).count();
    assert_eq!(failed, 0, "the contract is broken:\n{all}");
    assert_eq!(cases().count(), Suite::case_names().count());
    let skipped = reports.iter().flat_map(Report::skipped);
    let skipped: BTreeSet<_> = skipped.map(|case| case.name).collect();
    let known = NEED_A_PROXY.into_iter().chain(NO_PLANTS);
    assert_eq!(skipped, known.collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn seaweedfs_passes_the_conformance_suite() {
    if let Some(location) = Location::s3().await {
        run(location, config()).await;
    }
}

/// A load balancer sends each connection to the next gateway.
#[tokio::test(flavor = "multi_thread")]
async fn three_seaweedfs_nodes_pass_the_conformance_suite() {
    let Some(postgres) = Postgres::start() else {
        return;
    };
    let cluster = SeaweedCluster::start(&postgres.database()).await;
    if let Some(cluster) = or_skip("S3 on three nodes", cluster) {
        let gateways = Balancer::start(cluster.addresses()).await.unwrap();
        let location = Location::on(&cluster.endpoints()[0]).await;
        run(location.through(gateways.address()), config()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn azurite_passes_the_conformance_suite() {
    if let Some(location) = Location::azure().await {
        run(location, config()).await;
    }
}

/// Runs all cases, also those that need a faulty storage: each storage has its own fault proxy.
#[tokio::test(flavor = "multi_thread")]
async fn the_fake_gcs_server_passes_the_conformance_suite() {
    let config = config()
        .with_deadline(Duration::from_secs(2))
        .with_readback_time(Duration::from_secs(1));
    let location = Location::gcs().await;
    let report = Suite::new(move || {
        let (direct, config) = (location.another(), config.clone());
        async move {
            let proxy = Arc::new(FaultProxy::start(direct.address()).await?);
            let location = direct.through(proxy.address());
            let (losing, blurring) = (Arc::clone(&proxy), Arc::clone(&proxy));
            Ok(storage(&location, &config)
                .with_loss(move || {
                    losing.fail_all(|_| true, Fault::Rejected(CannedResponse::NO_SUCH_BUCKET));
                    async { Ok(()) }
                })
                .with_unknown_outcome(move |_: Operation| {
                    lose_responses_of_next_creation(&blurring);
                    async { Ok(()) }
                })
                .with_guard((proxy, direct)))
        }
    })
    .with_large_blob(Suite::MIN_LARGE_BLOB)
    .with_time_limit(Duration::from_secs(180))
    .run()
    .await;
    println!("GCS: {report}");
    report.assert_passed();
    let skipped: Vec<_> = report.skipped().map(|case| case.name).collect();
    assert_eq!(skipped, NO_PLANTS);
}

/// Carries out all requests for the next created key, but loses their responses.
fn lose_responses_of_next_creation(proxy: &FaultProxy) {
    let mut hidden_path: Option<String> = None;
    let is_about_it = move |seen: &artifact_cloud_test::RecordedRequest| {
        let path = seen.path.replace("%2F", "/");
        if hidden_path.is_none() && seen.method == "PUT" && path.contains("/blobs/") {
            hidden_path = Some(seen.path.clone());
        }
        hidden_path.as_ref() == Some(&seen.path)
    };
    proxy.fail_all(is_about_it, Fault::ResponseLost(Loss::Closed));
}

#[tokio::test]
async fn nothing_outside_the_prefix_is_listed_or_swept() {
    for location in Location::each().await {
        let outside = Path::from(format!("{}-beside/staging/probe-x", location.prefix));
        let payload = PutPayload::from_static(b"not ours");
        location
            .plain_client()
            .put(&outside, payload)
            .await
            .unwrap();
        let config = config().with_upload_grace(Duration::ZERO);
        let backend = location.open(config);
        let report = backend.sweep(Duration::ZERO).await.unwrap();
        assert_eq!((report.removed, report.kept), (0, 0), "{}", location.name());
        assert!(location.plain_client().head(&outside).await.is_ok());
    }
}

#[tokio::test]
async fn foreign_objects_under_a_blobs_key_are_not_served_or_overwritten() {
    for location in Location::each().await {
        let (backend, id) = (location.open(config()), ArtifactId::mint());
        let foreign = PutPayload::from_static(b"foreign bytes");
        location
            .plain_client()
            .put(&location.key(id), foreign)
            .await
            .unwrap();
        let errors = [
            backend.load(id).await.map(drop).unwrap_err(),
            backend.stat(id).await.map(drop).unwrap_err(),
            backend
                .download(id, artifact_backend::ByteRange::Suffix(1))
                .await
                .map(drop)
                .unwrap_err(),
        ];
        for error in errors {
            assert_eq!(
                error.kind(),
                ErrorKind::Corrupt,
                "{}: {error}",
                location.name()
            );
        }
        let stored = backend.store(id, Bytes::from_static(b"ours")).await;
        assert_eq!(stored.unwrap_err().kind(), ErrorKind::AlreadyExists);
        let kept = location.bytes_of(id).await.unwrap();
        assert_eq!(kept, "foreign bytes", "{}", location.name());
    }
}

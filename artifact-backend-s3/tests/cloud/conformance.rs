//! The contract's own suite, unchanged, on servers.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use artifact_backend::{
    ArtifactBackend as _, ArtifactId, ArtifactInventory as _, ErrorKind, Operation,
};
use artifact_backend_conformance::{Report, Storage, Suite};
use artifact_backend_s3::S3Config;
use artifact_cloud_test::{Answer, Balancer, Fault, FaultProxy, Loss, SeaweedCluster, or_skip};
use artifact_postgres_test::Server as Postgres;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use object_store::path::Path;
use object_store::{ObjectStoreExt as _, PutPayload};
use tokio::time::Instant;

use crate::place::Place;

/// The smallest parts that providers take, so that the suite's large blobs have many, and so few at
/// once that what an upload holds is within the suite's bound.
fn config() -> S3Config {
    S3Config::default()
        .with_part_bytes(5 << 20)
        .with_parallel_parts(2)
        // The last of 64 who race on SeaweedFS waits longer than by default.
        .with_answer_timeout(Duration::from_mins(1))
        .with_upload_grace(Duration::from_secs(5))
}

fn storage(place: &Place, config: &S3Config) -> Storage {
    let (again, config_again) = (place.clone(), config.clone());
    let leftovers = place.clone();
    Storage::new(place.open(config.clone()))
        .with_reopen(move || {
            let backend = again.open(config_again.clone());
            async move { Ok(backend) }
        })
        .with_leftover_count(move || {
            let place = leftovers.clone();
            async move { Ok(place.leftover_objects().await as u64) }
        })
}

/// A list names objects without their metadata, so it shows a stranger's under a blob's name. What else
/// becomes of such a one is tested below.
const NO_PLANTS: [&str; 3] = [
    "contained::what_is_planted_is_never_read",
    "contained::what_is_planted_is_never_written_through",
    "contained::what_is_planted_is_no_blob_to_maintenance",
];

/// Neither can be done to a server that other tests use too.
const NEED_A_PROXY: [&str; 3] = [
    "absent::a_lost_storage_is_not_an_absent_blob",
    "honest::a_store_of_unknown_outcome_is_ambiguous",
    "honest::a_commit_of_unknown_outcome_is_ambiguous",
];

/// So many cases are tested at once. A race on SeaweedFS is mostly waiting, 4 s for 16 callers of one
/// key and 18 s for the suite's 64.
const AT_ONCE: usize = 10;

/// The whole suite, its cases side by side.
async fn run(place: Place, config: S3Config) {
    let reports = Suite::case_names().map(|case| {
        let (name, place, config) = (place.name(), place.clone(), config.clone());
        let suite = Suite::new(move || {
            let storage = storage(&place.another(), &config);
            async move { Ok(storage) }
        });
        let suite = suite
            .with_large_blob(Suite::MIN_LARGE_BLOB * 2)
            .with_time_limit(Duration::from_mins(5))
            .only(case);
        async move {
            let began = Instant::now();
            let report = suite.run().await;
            println!("{name}: {case} took {:.1} s", began.elapsed().as_secs_f32());
            report
        }
    });
    let reports: Vec<_> = stream::iter(reports)
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let cases = || reports.iter().flat_map(Report::cases);
    let lines: Vec<_> = cases().map(ToString::to_string).collect();
    let all = lines.join("\n");
    println!("{} at {}:\n{all}", place.name(), place.address());
    let failed = reports.iter().flat_map(Report::failures).count();
    assert_eq!(failed, 0, "the contract is broken:\n{all}");
    assert_eq!(cases().count(), Suite::case_names().count());
    let skipped = reports.iter().flat_map(Report::skipped);
    let skipped: BTreeSet<_> = skipped.map(|case| case.name).collect();
    let known = [NEED_A_PROXY, NO_PLANTS].concat().into_iter();
    assert_eq!(skipped, known.collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn seaweedfs_keeps_the_contract() {
    if let Some(place) = Place::s3().await {
        run(place, config()).await;
    }
}

/// Each connection is made to another of the gateways.
#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_of_seaweedfs_keep_the_contract() {
    let Some(postgres) = Postgres::start() else {
        return;
    };
    let cluster = SeaweedCluster::start(&postgres.database()).await;
    if let Some(cluster) = or_skip("S3 on three nodes", cluster) {
        let gateways = Balancer::start(cluster.addresses()).await.unwrap();
        let place = Place::on(&cluster.endpoints()[0]).await;
        run(place.through(gateways.address()), config()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn azurite_keeps_the_contract() {
    if let Some(place) = Place::azure().await {
        run(place, config()).await;
    }
}

/// Google's dialect with everything that the suite can do to a storage, by a proxy for each.
#[tokio::test(flavor = "multi_thread")]
async fn the_fake_of_google_keeps_the_contract_to_the_last_case() {
    let config = config()
        .with_deadline(Duration::from_secs(2))
        .with_readback_time(Duration::from_secs(1));
    let place = Place::gcs().await;
    let report = Suite::new(move || {
        let (direct, config) = (place.another(), config.clone());
        async move {
            let proxy = Arc::new(FaultProxy::start(direct.address()).await?);
            let place = direct.through(proxy.address());
            let (losing, blurring) = (Arc::clone(&proxy), Arc::clone(&proxy));
            Ok(storage(&place, &config)
                .with_loss(move || {
                    losing.fail_all(|_| true, Fault::Refused(Answer::NO_SUCH_BUCKET));
                    async { Ok(()) }
                })
                .with_unknown_outcome(move |_: Operation| {
                    hide_next_creation(&blurring);
                    async { Ok(()) }
                })
                .with_guard((proxy, direct)))
        }
    })
    .with_large_blob(Suite::MIN_LARGE_BLOB)
    .with_time_limit(Duration::from_mins(3))
    .run()
    .await;
    println!("GCS: {report}");
    report.assert_passed();
    let skipped: Vec<_> = report.skipped().map(|case| case.name).collect();
    assert_eq!(skipped, NO_PLANTS);
}

/// Everything that is asked about the next key that is created is done, and no answer comes.
fn hide_next_creation(proxy: &FaultProxy) {
    let mut hidden: Option<String> = None;
    let about_it = move |seen: &artifact_cloud_test::Seen| {
        let path = seen.path.replace("%2F", "/");
        if hidden.is_none() && seen.method == "PUT" && path.contains("/blobs/") {
            hidden = Some(seen.path.clone());
        }
        hidden.as_ref() == Some(&seen.path)
    };
    proxy.fail_all(about_it, Fault::AnswerLost(Loss::Closed));
}

#[tokio::test]
async fn nothing_outside_the_prefix_is_listed_or_swept() {
    for place in Place::each().await {
        let outside = Path::from(format!("{}-beside/staging/probe-x", place.prefix));
        let payload = PutPayload::from_static(b"not ours");
        place.truth().put(&outside, payload).await.unwrap();
        let config = config().with_upload_grace(Duration::ZERO);
        let backend = place.open(config);
        let report = backend.sweep(Duration::ZERO).await.unwrap();
        assert_eq!((report.removed, report.kept), (0, 0), "{}", place.name());
        assert!(place.truth().head(&outside).await.is_ok());
    }
}

#[tokio::test]
async fn a_strangers_object_under_a_blobs_name_is_never_served_or_overwritten() {
    for place in Place::each().await {
        let (backend, id) = (place.open(config()), ArtifactId::mint());
        let strangers = PutPayload::from_static(b"a stranger's");
        place.truth().put(&place.key(id), strangers).await.unwrap();
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
                place.name()
            );
        }
        let stored = backend.store(id, Bytes::from_static(b"ours")).await;
        assert_eq!(stored.unwrap_err().kind(), ErrorKind::AlreadyExists);
        let kept = place.bytes_of(id).await.unwrap();
        assert_eq!(kept, "a stranger's", "{}", place.name());
    }
}

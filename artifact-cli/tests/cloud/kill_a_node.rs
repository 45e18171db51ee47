//! One node of three is killed under load and brought back: nothing acknowledged is lost.

use std::time::Duration;

use artifact_cloud_test::{Balancer, S3Endpoint, SeaweedCluster, or_skip};
use tokio::time::{Instant, sleep};

use crate::harness::Server;
use crate::load::{Load, lost};

const CLIENTS: u64 = 16;
const WHOLE: Duration = Duration::from_secs(8);
const DEAD: Duration = Duration::from_secs(12);
const AFTER: Duration = Duration::from_secs(8);

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_a_node_is_killed_and_brought_back() {
    let cluster = SeaweedCluster::start().await;
    let Some(mut cluster) = or_skip("a node killed under load", cluster) else {
        return;
    };
    cluster.endpoints()[0]
        .create_bucket("artifacts")
        .await
        .unwrap();
    // An object store has one endpoint: to pass over a dead node is a balancer's work.
    let balancer = Balancer::start(cluster.addresses()).await.unwrap();
    let server = serve(&format!("http://{}", balancer.address()));

    let load = Load::start(&server.url, &server.token(), CLIENTS);
    let began = Instant::now();
    // How long each phase lasts is what is tested, not what is waited for.
    sleep(WHOLE).await;
    let killed = began.elapsed();
    cluster.kill(1);
    sleep(DEAD).await;
    cluster.revive(1).await.unwrap();
    let revived = began.elapsed();
    sleep(AFTER).await;
    let (client, seen) = load.stop().await;
    let ended = began.elapsed();

    println!("| phase | lasts | deposits/s | slowest deposit | failed requests |");
    println!("|---|---|---|---|---|");
    println!("{}", seen.phase("three nodes", Duration::ZERO, killed));
    println!("{}", seen.phase("one killed", killed, revived));
    println!("{}", seen.phase("brought back", revived, ended));
    let lost = lost(&client, &seen.kept).await;
    println!(
        "{CLIENTS} clients: {} deposits acknowledged, {} fetches right, {} wrong, {} lost; \
         failures {:?}",
        seen.kept.len(),
        seen.fetched,
        seen.wrong,
        lost.len(),
        seen.kinds()
    );

    assert!(lost.is_empty(), "{}", lost.join("\n"));
    assert_eq!(seen.wrong, 0);
    assert!(seen.kept.len() > 100, "too few to say anything");
    for (at, error) in &seen.failures {
        assert!(error.is_retryable(), "after {at:?}: {error:?}");
    }
}

fn serve(endpoint: &str) -> Server {
    let arguments = [
        "--backend",
        "s3://artifacts/cluster",
        "--bucket-endpoint",
        endpoint,
        "--bucket-region",
        S3Endpoint::REGION,
        // It loses the race of two completions of one id, which no two servers ever mint.
        "--bucket-probe",
        "warn",
    ];
    let keys = [
        ("AWS_ACCESS_KEY_ID", S3Endpoint::ACCESS_KEY),
        ("AWS_SECRET_ACCESS_KEY", S3Endpoint::SECRET_KEY),
    ];
    Server::start_with(tempfile::tempdir().unwrap(), &arguments, &keys)
}

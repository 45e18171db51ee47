//! Moves a store from a folder to a bucket, and back, while clients deposit and fetch.

use artifact_cloud_test::{S3Endpoint, SeaweedFs, or_skip};
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Server, TOKEN, artifact};
use crate::load::{Load, lost};

const CLIENTS: u64 = 2;

fn secrets() -> [(&'static str, &'static str); 3] {
    [
        ("AWS_ACCESS_KEY_ID", S3Endpoint::ACCESS_KEY),
        ("AWS_SECRET_ACCESS_KEY", S3Endpoint::SECRET_KEY),
        ("ARTIFACT_ADMIN_TOKEN", TOKEN),
    ]
}

/// Migrates with the settings of the server. Returns the totals.
async fn migrate(server: &Server, settings: &[&str], to: &str) -> Value {
    let mut command = artifact(server.folder.path());
    command
        .envs(secrets())
        .args(["migrate", "--to", to, "--json"])
        .args(settings);
    let output = tokio::task::spawn_blocking(move || command.output()).await;
    let output = output.unwrap().unwrap();
    assert!(output.status.success(), "{output:?}");
    let lines = String::from_utf8(output.stdout).unwrap();
    serde_json::from_str(lines.lines().last().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_moves_to_a_bucket_and_back_while_clients_go_on() {
    let Some(seaweed) = or_skip("a migration to a bucket", SeaweedFs::start().await) else {
        return;
    };
    seaweed.endpoint().create_bucket("artifacts").await.unwrap();
    let endpoint = seaweed.endpoint().url();
    let settings = [
        "--bucket-endpoint",
        &endpoint,
        "--bucket-region",
        S3Endpoint::REGION,
        // It loses the race of two completions of one id, which no two servers ever mint.
        "--bucket-probe",
        "warn",
    ];
    let serve = |folder, backend: &[&str]| {
        let arguments = [&settings[..], backend].concat();
        Server::start_with(folder, &arguments, &secrets())
    };
    let server = serve(TempDir::new().unwrap(), &[]);
    let load = Load::start(&server.url, TOKEN, CLIENTS);
    server.wait_until("some deposits", || server.blobs().len() > 100);
    let there = migrate(&server, &settings, "s3://artifacts/moved").await;
    assert_eq!(there["state"], "done");
    let copied = there["copied"].as_u64().unwrap();
    assert!(copied > 80, "{there}");
    let back = migrate(&server, &settings, "artifact-data/blobs").await;
    assert_eq!(back["state"], "done");
    let again = migrate(&server, &settings, "s3://artifacts/moved").await;
    assert_eq!(again["state"], "done");
    let (client, seen) = load.stop().await;
    println!(
        "{CLIENTS} clients: {} deposits, {} fetches, failures {:?}; {there}, {back}, {again}",
        seen.kept.len(),
        seen.fetched,
        seen.kinds()
    );
    assert_eq!(seen.wrong, 0);
    for (at, error) in &seen.failures {
        assert!(error.is_retryable(), "after {at:?}: {error:?}");
    }
    assert_eq!(lost(&client, &seen.kept).await, [""; 0]);
    assert!(seen.kept.len() as u64 > copied, "clients went on");

    let folder = server.stop("TERM");
    let server = serve(folder, &["--backend", "s3://artifacts/moved"]);
    let load = Load::start(&server.url, TOKEN, 1);
    let (client, _) = load.stop().await;
    assert_eq!(lost(&client, &seen.kept).await, [""; 0]);
}

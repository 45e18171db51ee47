//! Credentials from the program's own settings. The tests run again in a process whose environment has other credentials of
//! every provider: nothing of these may be used.

use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use artifact_backend::{ArtifactBackend as _, ArtifactId, ErrorKind};
use artifact_backend_s3::{
    BucketCredentials, BucketOptions, BucketUrl, ObjectStoreBackend, S3Config,
};
use bytes::Bytes;
use http::Request;
use http::header::AUTHORIZATION;

use crate::http_server::{error, serve};

const SERVICE_ACCOUNT: &str = r#"{"private_key": "key", "private_key_id": "id", "client_email": "mail",
    "disable_oauth": true}"#;

fn config() -> S3Config {
    S3Config::default()
        .with_deadline(Duration::from_millis(200))
        .with_readback_time(Duration::from_millis(200))
}

/// Returns the first request that a backend sends.
async fn first_request(url: &str, credentials: BucketCredentials) -> Request<Bytes> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let requests = Arc::clone(&seen);
    let address = serve(move |request| {
        requests.lock().unwrap().push(request.clone());
        error(404, "NoSuchKey")
    })
    .await;
    let mut options = BucketOptions::default();
    options.endpoint = Some(format!("http://{address}"));
    options.credentials = Some(credentials);
    let url = BucketUrl::parse(url).unwrap();
    let backend = ObjectStoreBackend::open(&url, &options, config()).unwrap();
    let loaded = backend.load(ArtifactId::mint()).await;
    assert!(loaded.is_err());
    seen.lock().unwrap().remove(0)
}

fn authorization(request: &Request<Bytes>) -> &str {
    let value = request.headers().get(AUTHORIZATION);
    value.map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn requests_are_signed_with_the_credentials_of_the_options() {
    let request = first_request("s3://bucket", BucketCredentials::access_key("mine", "s")).await;
    let signature = authorization(&request);
    assert!(signature.contains("Credential=mine/"), "{signature}");
    assert!(!request.headers().contains_key("x-amz-security-token"));

    let temporary = BucketCredentials::temporary_access_key("mine", "s", "my-token");
    let request = first_request("s3://bucket", temporary).await;
    assert!(authorization(&request).contains("Credential=mine/"));
    assert_eq!(request.headers()["x-amz-security-token"], "my-token");

    let request = first_request("s3://bucket", BucketCredentials::anonymous()).await;
    assert_eq!(authorization(&request), "");

    let account = BucketCredentials::service_account(SERVICE_ACCOUNT);
    let request = first_request("gs://bucket", account).await;
    assert!(!authorization(&request).contains("foreign"));
    let request = first_request("gs://bucket", BucketCredentials::anonymous()).await;
    assert_eq!(authorization(&request), "");

    let account = BucketCredentials::account_key("mine", "c2VjcmV0");
    let request = first_request("az://bucket", account).await;
    let signature = authorization(&request);
    assert!(signature.starts_with("SharedKey mine:"), "{signature}");

    let token = BucketCredentials::sas_token("mine", "?sv=1&sig=my-signature");
    let request = first_request("az://bucket", token).await;
    assert_eq!(authorization(&request), "");
    let query = request.uri().query().unwrap();
    assert!(query.contains("sig=my-signature"), "{query}");
}

#[test]
fn other_credentials_in_the_environment_are_not_mixed_in() {
    let case = "own_credentials::requests_are_signed_with_the_credentials_of_the_options";
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", case])
        .envs([
            ("AWS_ACCESS_KEY_ID", "foreign"),
            ("AWS_SECRET_ACCESS_KEY", "foreign"),
            ("AWS_SESSION_TOKEN", "foreign"),
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
            ("GOOGLE_SERVICE_ACCOUNT", "/missing/foreign.json"),
            ("GOOGLE_BEARER_TOKEN", "foreign"),
            ("AZURE_STORAGE_ACCOUNT_NAME", "foreign"),
            ("AZURE_STORAGE_ACCOUNT_KEY", "Zm9yZWlnbg=="),
            ("AZURE_STORAGE_SAS_KEY", "sig=foreign"),
        ])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "{text}");
}

#[test]
fn credentials_of_another_provider_are_refused_with_the_url() {
    let s3 = BucketCredentials::access_key("named", "canary");
    let gcs = BucketCredentials::service_account("{canary}");
    let azure = BucketCredentials::account_key("named", "canary");
    for (text, credentials) in [
        ("gs://bucket/p", &s3),
        ("az://bucket/p", &s3),
        ("s3://bucket/p", &gcs),
        ("az://bucket/p", &gcs),
        ("s3://bucket/p", &azure),
        ("gs://bucket/p", &azure),
        ("az://bucket/p", &BucketCredentials::anonymous()),
        // Not the text of a key.
        ("gs://bucket/p", &gcs),
    ] {
        let mut options = BucketOptions::default();
        options.credentials = Some(credentials.clone());
        let url = BucketUrl::parse(text).unwrap();
        let error = ObjectStoreBackend::open(&url, &options, config()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{text}: {error}");
        assert!(error.detail().starts_with(text), "{text}: {error}");
        let shown = format!("{error} {error:?} {options:?}");
        assert!(!shown.contains("canary"), "{shown}");
    }
}

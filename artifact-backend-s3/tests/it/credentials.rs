//! Responses of a service that issues credentials: they never describe a blob.

use std::io::Write;
use std::time::Duration;

use artifact_backend::{ArtifactBackend, ArtifactId, ErrorKind};
use artifact_backend_s3::{ObjectStoreBackend, S3Config};

use crate::http_server::serve;

/// Starts a server that responds 404 to each request and returns its URL.
async fn server_of_404() -> String {
    let not_found = |_: &http::Request<bytes::Bytes>| {
        let response = http::Response::builder().status(404);
        response.body(bytes::Bytes::new()).unwrap()
    };
    format!("http://{}", serve(not_found).await)
}

async fn kind_of_load(backend: &ObjectStoreBackend) -> ErrorKind {
    let id: ArtifactId = "0123456789abcdef0123456789abcdef".parse().unwrap();
    backend.load(id).await.unwrap_err().kind()
}

/// Nothing listens at this bucket: each response comes from the credentials service.
const BUCKET: &str = "http://127.0.0.1:9";

#[tokio::test]
async fn a_404_of_an_aws_credentials_service_is_not_an_absent_blob() {
    use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey as Key};
    let service = server_of_404().await;
    let builder = || {
        AmazonS3Builder::new()
            .with_bucket_name("bucket")
            .with_region("us-east-1")
            .with_endpoint(BUCKET)
            .with_allow_http(true)
    };
    let mut token = tempfile::NamedTempFile::new().unwrap();
    token.write_all(b"token").unwrap();
    let token = token.path().to_str().unwrap();
    // The library sends a web identity over TLS only, so that service is never reached.
    let config = S3Config::default().with_deadline(Duration::from_millis(200));
    let machine = builder().with_metadata_endpoint(&service);
    let pod = builder()
        .with_config(Key::ContainerCredentialsFullUri, &service)
        .with_config(Key::ContainerAuthorizationTokenFile, token);
    let web_identity = builder()
        .with_config(Key::WebIdentityTokenFile, token)
        .with_config(Key::RoleArn, "arn:aws:iam::1:role/r")
        .with_config(Key::StsEndpoint, &service);
    for (name, builder) in [
        ("machine", machine),
        ("pod", pod),
        ("web identity", web_identity),
    ] {
        let backend = ObjectStoreBackend::s3(builder, "", config.clone()).unwrap();
        let kind = kind_of_load(&backend).await;
        assert_eq!(kind, ErrorKind::PermissionDenied, "{name}");
    }
}

#[tokio::test]
async fn a_404_of_an_azure_identity_endpoint_is_not_an_absent_blob() {
    use object_store::azure::{AzureConfigKey as Key, MicrosoftAzureBuilder};
    let builder = MicrosoftAzureBuilder::new()
        .with_account("account")
        .with_container_name("container")
        .with_endpoint(BUCKET.to_owned())
        .with_allow_http(true)
        .with_config(Key::MsiEndpoint, server_of_404().await);
    let backend = ObjectStoreBackend::azure(builder, "", S3Config::default()).unwrap();
    assert_eq!(kind_of_load(&backend).await, ErrorKind::PermissionDenied);
}

#[tokio::test]
async fn a_404_of_a_gcp_metadata_server_is_not_an_absent_blob() {
    use object_store::gcp::GoogleCloudStorageBuilder;
    // The library knows the names of the metadata server, so a proxy responds in its stead.
    let options = object_store::ClientOptions::new()
        .with_allow_http(true)
        .with_proxy_url(server_of_404().await);
    let builder = GoogleCloudStorageBuilder::new()
        .with_bucket_name("bucket")
        .with_base_url("http://storage.invalid")
        .with_client_options(options);
    let backend = ObjectStoreBackend::gcs(builder, "", S3Config::default()).unwrap();
    assert_eq!(kind_of_load(&backend).await, ErrorKind::PermissionDenied);
}

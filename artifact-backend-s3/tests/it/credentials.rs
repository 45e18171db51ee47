//! Responses of a service that issues credentials: they never describe a blob.

use std::io::Write;

use artifact_backend::{ArtifactBackend, ArtifactId, ErrorKind};
use artifact_backend_s3::{ObjectStoreBackend, S3Config};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Starts a server that responds 404 to each request and returns its URL.
async fn server_of_404() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 8 << 10];
            let _ = stream.read(&mut request).await;
            let response =
                "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            let _ = stream.write_all(response.as_bytes()).await;
        }
    });
    url
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
        let backend = ObjectStoreBackend::s3(builder, "", S3Config::default()).unwrap();
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

//! The endpoints of the stores: clients and buckets.

use std::net::SocketAddr;
use std::sync::Once;

use http::{Method, Request};
use http_body_util::BodyExt as _;
use object_store::aws::{AmazonS3Builder, AwsAuthorizer, AwsCredential};
use object_store::azure::{
    AzureAccessKey, AzureAuthorizer, AzureCredential, MicrosoftAzureBuilder,
};
use object_store::client::{
    ClientOptions, HttpClient, HttpConnector, HttpRequest, HttpRequestBody, ReqwestConnector,
};
use object_store::gcp::GoogleCloudStorageBuilder;

use crate::error::{Error, Result};

/// The endpoint of an S3 server: one region, path-style URLs, one key pair with all permissions.
#[derive(Debug, Clone)]
pub struct S3Endpoint {
    address: SocketAddr,
}

impl S3Endpoint {
    /// The region that requests are signed for.
    pub const REGION: &'static str = "us-east-1";
    /// The access key of every S3 server in this crate. It is valid nowhere else.
    pub const ACCESS_KEY: &'static str = "artifact-test";
    /// The secret key of [`ACCESS_KEY`](Self::ACCESS_KEY).
    pub const SECRET_KEY: &'static str = "artifact-test-secret";

    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    /// Returns the address that the server listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the endpoint of the same store at another address, such as a proxy's or a balancer's.
    #[must_use = "returns another endpoint"]
    pub fn at(&self, address: SocketAddr) -> Self {
        Self { address }
    }

    /// Returns the URL for a client's configuration.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns a builder of a plain `object_store` client for a bucket, with the library's defaults.
    pub fn builder(&self, bucket: &str) -> AmazonS3Builder {
        provide_tls();
        AmazonS3Builder::new()
            .with_endpoint(self.url())
            .with_region(Self::REGION)
            .with_bucket_name(bucket)
            .with_access_key_id(Self::ACCESS_KEY)
            .with_secret_access_key(Self::SECRET_KEY)
            .with_allow_http(true)
    }

    /// Creates a bucket, unless it exists.
    ///
    /// # Errors
    ///
    /// Fails if the server cannot be reached or rejects the request.
    pub async fn create_bucket(&self, bucket: &str) -> Result<()> {
        self.bucket(Method::PUT, bucket).await
    }

    /// Removes an empty bucket.
    ///
    /// # Errors
    ///
    /// Fails if the server cannot be reached or rejects the request.
    pub async fn delete_bucket(&self, bucket: &str) -> Result<()> {
        self.bucket(Method::DELETE, bucket).await
    }

    async fn bucket(&self, method: Method, bucket: &str) -> Result<()> {
        let action = format!("{method} of bucket {bucket}");
        let mut request = request(method, &format!("{}/{bucket}", self.url()), &[])?;
        let credential = AwsCredential {
            key_id: Self::ACCESS_KEY.into(),
            secret_key: Self::SECRET_KEY.into(),
            token: None,
        };
        AwsAuthorizer::new(&credential, "s3", Self::REGION)
            .try_authorize(&mut request, None)
            .map_err(Error::request(action.clone()))?;
        send(action, request).await
    }
}

/// The endpoint of an Azure blob service, with the development account of Azurite.
#[derive(Debug, Clone)]
pub struct AzureEndpoint {
    address: SocketAddr,
}

impl AzureEndpoint {
    /// The account that Azurite's documentation publishes.
    pub const ACCOUNT: &'static str = "devstoreaccount1";
    /// Its key, which is valid only for emulators.
    pub const ACCESS_KEY: &'static str =
        "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    /// Returns the address that the server listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the endpoint of the same store at another address.
    #[must_use = "returns another endpoint"]
    pub fn at(&self, address: SocketAddr) -> Self {
        Self { address }
    }

    /// Returns the URL for a client's configuration. Its path contains the account.
    pub fn url(&self) -> String {
        format!("http://{}/{}", self.address, Self::ACCOUNT)
    }

    /// Returns a builder of a plain `object_store` client for a container, with the library's defaults.
    pub fn builder(&self, container: &str) -> MicrosoftAzureBuilder {
        provide_tls();
        MicrosoftAzureBuilder::new()
            .with_account(Self::ACCOUNT)
            .with_access_key(Self::ACCESS_KEY)
            .with_endpoint(self.url())
            .with_container_name(container)
            .with_allow_http(true)
    }

    /// Creates a container, unless it exists.
    ///
    /// # Errors
    ///
    /// Fails if the server cannot be reached or rejects the request.
    pub async fn create_container(&self, container: &str) -> Result<()> {
        self.container(Method::PUT, container).await
    }

    /// Removes a container and its contents.
    ///
    /// # Errors
    ///
    /// Fails if the server cannot be reached or rejects the request.
    pub async fn delete_container(&self, container: &str) -> Result<()> {
        self.container(Method::DELETE, container).await
    }

    async fn container(&self, method: Method, container: &str) -> Result<()> {
        let action = format!("{method} of container {container}");
        let url = format!("{}/{container}?restype=container", self.url());
        let mut request = request(method, &url, &[("content-length", "0")])?;
        let key = AzureAccessKey::try_new(Self::ACCESS_KEY);
        let key = key.map_err(|error| Error::request(action.clone())(error.to_string()))?;
        let credential = AzureCredential::AccessKey(key);
        AzureAuthorizer::new(&credential, Self::ACCOUNT)
            .try_authorize(&mut request)
            .map_err(Error::request(action.clone()))?;
        send(action, request).await
    }
}

/// The endpoint of Google's XML API, with one bearer token that has all permissions.
#[derive(Debug, Clone)]
pub struct GcsEndpoint {
    address: SocketAddr,
}

impl GcsEndpoint {
    /// The token that the fake requires. It is valid nowhere else.
    pub const TOKEN: &'static str = "artifact-test-token";

    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    /// Returns the address that the server listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the endpoint of the same store at another address.
    #[must_use = "returns another endpoint"]
    pub fn at(&self, address: SocketAddr) -> Self {
        Self { address }
    }

    /// Returns the URL for a client's configuration.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns a builder of a plain `object_store` client for a bucket, with the library's defaults.
    pub fn builder(&self, bucket: &str) -> GoogleCloudStorageBuilder {
        provide_tls();
        GoogleCloudStorageBuilder::new()
            .with_base_url(&self.url())
            .with_bucket_name(bucket)
            .with_bearer_token(Self::TOKEN)
            .with_client_options(ClientOptions::new().with_allow_http(true))
    }
}

fn request(method: Method, url: &str, headers: &[(&str, &str)]) -> Result<HttpRequest> {
    let mut builder = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder
        .body(HttpRequestBody::empty())
        .map_err(Error::request(format!("cannot build a request to {url}")))
}

/// Sends a request. A 409 response (the bucket exists already) counts as success.
async fn send(action: String, request: HttpRequest) -> Result<()> {
    let failed = |error: object_store::client::HttpError| Error::Request {
        action: action.clone(),
        source: Box::new(error),
    };
    provide_tls();
    let options = ClientOptions::new().with_allow_http(true);
    let client: HttpClient = ReqwestConnector::default()
        .connect(&options)
        .map_err(Error::request(action.clone()))?;
    let response = client.execute(request).await.map_err(failed)?;
    let status = response.status();
    if status.is_success() || status.as_u16() == 409 {
        return Ok(());
    }
    let body = response.into_body().collect().await.map_err(failed)?;
    Err(Error::Rejected {
        action,
        status: status.as_u16(),
        body: String::from_utf8_lossy(&body.to_bytes()).into_owned(),
    })
}

/// Installs a TLS provider. Without one the library's HTTP client cannot be created, although no server
/// here uses TLS.
fn provide_tls() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // If the program has installed one already, that is used.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

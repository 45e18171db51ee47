//! Where a store is reached: clients for it, and buckets in it.

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

/// An S3 server: any region, path-style addresses, one pair of keys that may do everything.
#[derive(Debug, Clone)]
pub struct S3Endpoint {
    address: SocketAddr,
}

impl S3Endpoint {
    /// The region that requests are signed for.
    pub const REGION: &'static str = "us-east-1";
    /// The access key of every S3 server here. It opens nothing else.
    pub const ACCESS_KEY: &'static str = "artifact-test";
    /// The secret that belongs to it.
    pub const SECRET_KEY: &'static str = "artifact-test-secret";

    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    /// The address that it listens at.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same store reached at another address: a proxy's, a balancer's.
    #[must_use = "this gives another endpoint"]
    pub fn at(&self, address: SocketAddr) -> Self {
        Self { address }
    }

    /// The URL to configure a client with.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A bare client of a bucket, with the library's own defaults.
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

    /// Makes a bucket; no error where it is there already.
    ///
    /// # Errors
    ///
    /// When the server cannot be reached or refuses.
    pub async fn create_bucket(&self, bucket: &str) -> Result<()> {
        self.bucket(Method::PUT, bucket).await
    }

    /// Removes a bucket, which must be empty.
    ///
    /// # Errors
    ///
    /// When the server cannot be reached or refuses.
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

/// A blob service of Azure, with the development account that Azurite knows.
#[derive(Debug, Clone)]
pub struct AzureEndpoint {
    address: SocketAddr,
}

impl AzureEndpoint {
    /// The account, which Azurite's documentation publishes.
    pub const ACCOUNT: &'static str = "devstoreaccount1";
    /// Its key, which opens nothing but emulators.
    pub const ACCESS_KEY: &'static str =
        "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    /// The address that it listens at.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same store reached at another address.
    #[must_use = "this gives another endpoint"]
    pub fn at(&self, address: SocketAddr) -> Self {
        Self { address }
    }

    /// The URL to configure a client with: the account is a part of the path.
    pub fn url(&self) -> String {
        format!("http://{}/{}", self.address, Self::ACCOUNT)
    }

    /// A bare client of a container, with the library's own defaults.
    pub fn builder(&self, container: &str) -> MicrosoftAzureBuilder {
        provide_tls();
        MicrosoftAzureBuilder::new()
            .with_account(Self::ACCOUNT)
            .with_access_key(Self::ACCESS_KEY)
            .with_endpoint(self.url())
            .with_container_name(container)
            .with_allow_http(true)
    }

    /// Makes a container; no error where it is there already.
    ///
    /// # Errors
    ///
    /// When the server cannot be reached or refuses.
    pub async fn create_container(&self, container: &str) -> Result<()> {
        self.container(Method::PUT, container).await
    }

    /// Removes a container and all that is in it.
    ///
    /// # Errors
    ///
    /// When the server cannot be reached or refuses.
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

/// Google's XML interface, with one bearer token that may do everything.
#[derive(Debug, Clone)]
pub struct GcsEndpoint {
    address: SocketAddr,
}

impl GcsEndpoint {
    /// The token that the fake asks for. It opens nothing else.
    pub const TOKEN: &'static str = "artifact-test-token";

    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    /// The address that it listens at.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same store reached at another address.
    #[must_use = "this gives another endpoint"]
    pub fn at(&self, address: SocketAddr) -> Self {
        Self { address }
    }

    /// The URL to configure a client with.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A bare client of a bucket, with the library's own defaults.
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
        .map_err(Error::request(format!("a request to {url}")))
}

/// Sends a request; 409 (it is there already) is no error, nor is 404 of something removed.
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
    Err(Error::Refused {
        action,
        status: status.as_u16(),
        body: String::from_utf8_lossy(&body.to_bytes()).into_owned(),
    })
}

/// The library's own HTTP client is made with TLS or not at all, and, where the program's features say
/// so, with the process's provider of it.
fn provide_tls() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Somebody else's will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

//! The location of a test: a provider, a server, and a prefix that no other test uses.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use artifact_backend::ArtifactId;
use artifact_backend_s3::{ObjectStoreBackend, S3Config};
use artifact_cloud_test::{
    AzureEndpoint, Azurite, GcsEndpoint, GcsFake, S3Endpoint, SeaweedFs, or_skip,
};
use bytes::Bytes;
use futures_util::TryStreamExt as _;
use object_store::client::ClientOptions;
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, RetryConfig};
use tokio::sync::OnceCell;

/// The bucket of all tests. Each test has its own prefix, because a bucket on SeaweedFS costs several
/// volumes.
const BUCKET: &str = "artifacts";

/// The endpoint of a provider's server.
#[derive(Debug, Clone)]
pub(crate) enum Endpoint {
    S3(S3Endpoint),
    Azure(AzureEndpoint),
    Gcs(GcsEndpoint),
}

/// An unused prefix in a bucket of a server.
#[derive(Debug, Clone)]
pub(crate) struct Location {
    pub(crate) endpoint: Endpoint,
    pub(crate) prefix: String,
    fake: Option<Arc<GcsFake>>,
}

/// A plain client of `object_store`.
pub(crate) trait Bare: ObjectStore + MultipartStore {}

impl<S: ObjectStore + MultipartStore> Bare for S {}

/// Returns the server that all tests of this process share. It is never dropped and ends with the process.
async fn seaweedfs() -> Option<&'static SeaweedFs> {
    static SERVER: OnceCell<Option<SeaweedFs>> = OnceCell::const_new();
    let server = SERVER.get_or_init(|| async {
        let server = or_skip("S3 on SeaweedFS", SeaweedFs::start().await)?;
        server.endpoint().create_bucket(BUCKET).await.unwrap();
        Some(server)
    });
    server.await.as_ref()
}

async fn azurite() -> Option<&'static Azurite> {
    static SERVER: OnceCell<Option<Azurite>> = OnceCell::const_new();
    let server = SERVER.get_or_init(|| async {
        let server = or_skip("Azure on Azurite", Azurite::start().await)?;
        server.endpoint().create_container(BUCKET).await.unwrap();
        Some(server)
    });
    server.await.as_ref()
}

impl Location {
    /// Returns a location on SeaweedFS, if it is installed.
    pub(crate) async fn s3() -> Option<Self> {
        let endpoint = seaweedfs().await?.endpoint().clone();
        Some(Self::at(Endpoint::S3(endpoint)))
    }

    /// Returns a location on another S3 server.
    pub(crate) async fn on(endpoint: &S3Endpoint) -> Self {
        endpoint.create_bucket(BUCKET).await.unwrap();
        Self::at(Endpoint::S3(endpoint.clone()))
    }

    /// Returns a location on Azurite, if it is installed.
    pub(crate) async fn azure() -> Option<Self> {
        let endpoint = azurite().await?.endpoint().clone();
        Some(Self::at(Endpoint::Azure(endpoint)))
    }

    /// Returns a location on a fake of its own.
    pub(crate) async fn gcs() -> Self {
        let fake = GcsFake::start().await.unwrap();
        fake.create_bucket(BUCKET);
        let location = Self::at(Endpoint::Gcs(fake.endpoint().clone()));
        Self {
            fake: Some(Arc::new(fake)),
            ..location
        }
    }

    /// Returns a location for each provider whose server is installed.
    pub(crate) async fn each() -> Vec<Self> {
        let all = [
            Some(Self::gcs().await),
            Self::s3().await,
            Self::azure().await,
        ];
        all.into_iter().flatten().collect()
    }

    fn at(endpoint: Endpoint) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self {
            endpoint,
            prefix: format!("test-{number}/x"),
            fake: None,
        }
    }

    /// Returns another unused location on the same server.
    pub(crate) fn another(&self) -> Self {
        let location = Self::at(self.endpoint.clone());
        Self {
            fake: self.fake.clone(),
            ..location
        }
    }

    /// Returns the same location at another address.
    pub(crate) fn through(&self, address: SocketAddr) -> Self {
        let endpoint = match &self.endpoint {
            Endpoint::S3(endpoint) => Endpoint::S3(endpoint.at(address)),
            Endpoint::Azure(endpoint) => Endpoint::Azure(endpoint.at(address)),
            Endpoint::Gcs(endpoint) => Endpoint::Gcs(endpoint.at(address)),
        };
        Self {
            endpoint,
            ..self.clone()
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        match &self.endpoint {
            Endpoint::S3(endpoint) => endpoint.address(),
            Endpoint::Azure(endpoint) => endpoint.address(),
            Endpoint::Gcs(endpoint) => endpoint.address(),
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        match &self.endpoint {
            Endpoint::S3(_) => "S3",
            Endpoint::Azure(_) => "Azure",
            Endpoint::Gcs(_) => "GCS",
        }
    }

    /// Opens a backend.
    pub(crate) fn open(&self, config: S3Config) -> ObjectStoreBackend {
        self.open_bucket(BUCKET, config)
    }

    pub(crate) fn open_bucket(&self, bucket: &str, config: S3Config) -> ObjectStoreBackend {
        let prefix = &self.prefix;
        let opened = match &self.endpoint {
            Endpoint::S3(endpoint) => {
                ObjectStoreBackend::s3(endpoint.builder(bucket), prefix, config)
            }
            Endpoint::Azure(endpoint) => {
                ObjectStoreBackend::azure(endpoint.builder(bucket), prefix, config)
            }
            Endpoint::Gcs(endpoint) => {
                ObjectStoreBackend::gcs(endpoint.builder(bucket), prefix, config)
            }
        };
        opened.unwrap()
    }

    /// Returns a plain client of the library with its defaults, except for the time-out and the retries.
    pub(crate) fn bare(&self, timeout: Duration) -> Arc<dyn Bare> {
        let options = ClientOptions::new()
            .with_allow_http(true)
            .with_timeout(timeout);
        let retry = RetryConfig {
            // The default of ten would take minutes for the pauses alone.
            max_retries: 2,
            ..RetryConfig::default()
        };
        match &self.endpoint {
            Endpoint::S3(endpoint) => {
                let builder = endpoint.builder(BUCKET).with_client_options(options);
                Arc::new(builder.with_retry(retry).build().unwrap())
            }
            Endpoint::Azure(endpoint) => {
                let builder = endpoint.builder(BUCKET).with_client_options(options);
                Arc::new(builder.with_retry(retry).build().unwrap())
            }
            Endpoint::Gcs(endpoint) => {
                let builder = endpoint.builder(BUCKET).with_client_options(options);
                Arc::new(builder.with_retry(retry).build().unwrap())
            }
        }
    }

    /// Returns a plain client, which shows the objects of the server without our code.
    pub(crate) fn plain_client(&self) -> Arc<dyn Bare> {
        self.bare(Duration::from_secs(30))
    }

    /// Returns the key of a blob.
    pub(crate) fn key(&self, id: ArtifactId) -> Path {
        Path::from(format!("{}/blobs/{id}", self.prefix))
    }

    /// Returns the bytes at a blob's key, read by a plain client.
    pub(crate) async fn bytes_of(&self, id: ArtifactId) -> Option<Bytes> {
        match self.plain_client().get(&self.key(id)).await {
            Ok(found) => Some(found.bytes().await.unwrap()),
            Err(object_store::Error::NotFound { .. }) => None,
            Err(error) => panic!("cannot read the object: {error}"),
        }
    }

    /// Counts the objects under the prefix that are not blobs.
    pub(crate) async fn leftover_objects(&self) -> usize {
        let prefix = Path::from(self.prefix.as_str());
        let objects: Vec<_> = self
            .plain_client()
            .list(Some(&prefix))
            .try_collect()
            .await
            .unwrap();
        let blobs = format!("{}/blobs/", self.prefix);
        let leftovers = objects.iter();
        leftovers
            .filter(|object| !object.location.as_ref().starts_with(&blobs))
            .count()
    }
}

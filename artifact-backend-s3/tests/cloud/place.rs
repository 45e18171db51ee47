//! Where a test's blobs are: a provider's dialect, a server that speaks it, a place of its own there.

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

/// The bucket of all tests: what is one test's is under its own prefix. On SeaweedFS a bucket costs
/// several volumes.
const BUCKET: &str = "artifacts";

/// A provider's interface, at a server of it.
#[derive(Debug, Clone)]
pub(crate) enum Endpoint {
    S3(S3Endpoint),
    Azure(AzureEndpoint),
    Gcs(GcsEndpoint),
}

/// A prefix in a bucket of a server. Fresh and empty.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) endpoint: Endpoint,
    pub(crate) prefix: String,
    fake: Option<Arc<GcsFake>>,
}

/// Each client of the library in both of its roles.
pub(crate) trait Bare: ObjectStore + MultipartStore {}

impl<S: ObjectStore + MultipartStore> Bare for S {}

/// A server for all tests of this process. As nothing drops it, it ends when the process does.
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

impl Place {
    /// On SeaweedFS, where it is installed.
    pub(crate) async fn s3() -> Option<Self> {
        let endpoint = seaweedfs().await?.endpoint().clone();
        Some(Self::at(Endpoint::S3(endpoint)))
    }

    /// On another server that speaks S3.
    pub(crate) async fn on(endpoint: &S3Endpoint) -> Self {
        endpoint.create_bucket(BUCKET).await.unwrap();
        Self::at(Endpoint::S3(endpoint.clone()))
    }

    /// On Azurite, where it is installed.
    pub(crate) async fn azure() -> Option<Self> {
        let endpoint = azurite().await?.endpoint().clone();
        Some(Self::at(Endpoint::Azure(endpoint)))
    }

    /// On a fake of its own.
    pub(crate) async fn gcs() -> Self {
        let fake = GcsFake::start().await.unwrap();
        fake.create_bucket(BUCKET);
        let place = Self::at(Endpoint::Gcs(fake.endpoint().clone()));
        Self {
            fake: Some(Arc::new(fake)),
            ..place
        }
    }

    /// Each dialect whose server is installed.
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

    /// Another fresh one on the same server.
    pub(crate) fn another(&self) -> Self {
        let place = Self::at(self.endpoint.clone());
        Self {
            fake: self.fake.clone(),
            ..place
        }
    }

    /// The same place reached at another address.
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

    /// A backend of ours.
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

    /// A bare client with the library's own defaults but for the time that a request may take.
    pub(crate) fn bare(&self, timeout: Duration) -> Arc<dyn Bare> {
        let options = ClientOptions::new()
            .with_allow_http(true)
            .with_timeout(timeout);
        let retry = RetryConfig {
            // Of the ten by default; the pauses alone would take minutes.
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

    /// The server's own answers, without any of our code: what is the truth.
    pub(crate) fn truth(&self) -> Arc<dyn Bare> {
        self.bare(Duration::from_secs(30))
    }

    /// Where a blob of ours lies.
    pub(crate) fn key(&self, id: ArtifactId) -> Path {
        Path::from(format!("{}/blobs/{id}", self.prefix))
    }

    /// What is really at a blob's key.
    pub(crate) async fn bytes_of(&self, id: ArtifactId) -> Option<Bytes> {
        match self.truth().get(&self.key(id)).await {
            Ok(found) => Some(found.bytes().await.unwrap()),
            Err(object_store::Error::NotFound { .. }) => None,
            Err(error) => panic!("the truth cannot be had: {error}"),
        }
    }

    /// How many objects lie under the prefix and are no blobs.
    pub(crate) async fn leftover_objects(&self) -> usize {
        let prefix = Path::from(self.prefix.as_str());
        let objects: Vec<_> = self
            .truth()
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

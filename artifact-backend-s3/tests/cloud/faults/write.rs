//! A store and an upload, by our backend and by the plain library.

use std::time::Duration;

use artifact_backend::{ArtifactBackend as _, ArtifactId, ArtifactInventory as _, ErrorKind};
use artifact_backend_s3::S3Config;
use bytes::Bytes;
use object_store::PutMode;

use crate::location::{Bare, Location};

/// The part size: the minimum of the providers.
const PART: usize = 5 << 20;

/// The time-out of a request. Many runs share two cores and one server, so a request without a fault may
/// take a second.
const TIMEOUT: Duration = Duration::from_secs(2);

/// How a blob is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Write {
    /// In one request.
    Store,
    /// In two parts.
    Upload,
}

/// The client that writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Client {
    Backend,
    Plain,
}

/// The outcome that the caller receives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reported {
    Ok,
    Exists,
    Ambiguous,
    /// Any other error. From our backend it means that nothing was stored.
    Failed(String),
}

pub(super) fn config() -> S3Config {
    S3Config::default()
        .with_part_bytes(PART as u64)
        .with_deadline(Duration::from_secs(5))
        .with_readback_time(Duration::from_secs(3))
        .with_answer_timeout(TIMEOUT)
        .with_upload_grace(Duration::ZERO)
}

impl Write {
    /// Returns the bytes to store. Rivals store other bytes.
    pub(super) fn bytes(self) -> Bytes {
        match self {
            Self::Store => Bytes::from_static(b"ours"),
            Self::Upload => Bytes::from(vec![b'o'; PART + 1_000]),
        }
    }

    /// Writes the blob. Leftovers are removed now or by `sweep`.
    pub(super) async fn by(self, client: Client, location: &Location, id: ArtifactId) -> Reported {
        match client {
            Client::Backend => self.by_us(location, id).await,
            Client::Plain => self.by_the_library(location, id).await,
        }
    }

    async fn by_us(self, location: &Location, id: ArtifactId) -> Reported {
        let backend = location.open(config());
        let outcome = match self {
            Self::Store => backend.store(id, self.bytes()).await,
            Self::Upload => {
                let upload = async {
                    let mut upload = backend.upload(id).await?;
                    upload.expect_size(self.bytes().len() as u64);
                    upload.write(self.bytes()).await?;
                    upload.commit().await
                };
                upload.await
            }
        };
        backend.close().await;
        match outcome {
            Ok(()) => Reported::Ok,
            Err(error) => match error.kind() {
                ErrorKind::AlreadyExists => Reported::Exists,
                ErrorKind::Ambiguous => Reported::Ambiguous,
                kind => Reported::Failed(format!("{kind:?}: {error}")),
            },
        }
    }

    async fn by_the_library(self, location: &Location, id: ArtifactId) -> Reported {
        let store = location.bare(TIMEOUT);
        let key = location.key(id);
        let outcome = match self {
            Self::Store => {
                let options = PutMode::Create.into();
                let put = store.put_opts(&key, self.bytes().into(), options);
                put.await.map(drop)
            }
            Self::Upload => upload_bare(&*store, &key, &self.bytes()).await,
        };
        match outcome {
            Ok(()) => Reported::Ok,
            Err(object_store::Error::AlreadyExists { .. }) => Reported::Exists,
            Err(error) => Reported::Failed(error.to_string()),
        }
    }
}

async fn upload_bare(
    store: &dyn Bare,
    key: &object_store::path::Path,
    bytes: &Bytes,
) -> object_store::Result<()> {
    let id = store.create_multipart(key).await?;
    let first = store.put_part(key, &id, 0, bytes.slice(..PART).into());
    let second = store.put_part(key, &id, 1, bytes.slice(PART..).into());
    let parts = vec![first.await?, second.await?];
    store.complete_multipart(key, &id, parts).await.map(drop)
}

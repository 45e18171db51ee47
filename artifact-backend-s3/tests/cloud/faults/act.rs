//! A store and an upload, by our backend and by the bare library.

use std::time::Duration;

use artifact_backend::{ArtifactBackend as _, ArtifactId, ErrorKind};
use artifact_backend_s3::S3Config;
use bytes::Bytes;
use object_store::PutMode;

use crate::place::{Bare, Place};

/// The size of a part: the least that providers take.
const PART: usize = 5 << 20;

/// For how long a request may be silent. Many runs share two cores and one server, so what nothing was
/// done to may well take a second.
const PATIENCE: Duration = Duration::from_secs(2);

/// How a blob is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// In one request.
    Store,
    /// In two parts.
    Upload,
}

/// By whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Ours,
    Bare,
}

/// What the caller is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    Ok,
    Exists,
    Ambiguous,
    /// Anything else, which says that nothing of it is there. The bare library never says that.
    Failed(String),
}

pub(super) fn config() -> S3Config {
    S3Config::default()
        .with_part_bytes(PART as u64)
        .with_deadline(Duration::from_secs(5))
        .with_readback_time(Duration::from_secs(3))
        .with_answer_timeout(PATIENCE)
        .with_upload_grace(Duration::ZERO)
}

impl Act {
    /// What is stored; what others store is something else.
    pub(super) fn bytes(self) -> Bytes {
        match self {
            Self::Store => Bytes::from_static(b"ours"),
            Self::Upload => Bytes::from(vec![b'o'; PART + 1_000]),
        }
    }

    /// Does it, and what was left behind is removed or is for `sweep`.
    pub(super) async fn by(self, by: By, place: &Place, id: ArtifactId) -> Told {
        match by {
            By::Ours => self.by_us(place, id).await,
            By::Bare => self.by_the_library(place, id).await,
        }
    }

    async fn by_us(self, place: &Place, id: ArtifactId) -> Told {
        let backend = place.open(config());
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
            Ok(()) => Told::Ok,
            Err(error) => match error.kind() {
                ErrorKind::AlreadyExists => Told::Exists,
                ErrorKind::Ambiguous => Told::Ambiguous,
                kind => Told::Failed(format!("{kind:?}: {error}")),
            },
        }
    }

    async fn by_the_library(self, place: &Place, id: ArtifactId) -> Told {
        let store = place.bare(PATIENCE);
        let key = place.key(id);
        let outcome = match self {
            Self::Store => {
                let options = PutMode::Create.into();
                let put = store.put_opts(&key, self.bytes().into(), options);
                put.await.map(drop)
            }
            Self::Upload => upload_bare(&*store, &key, &self.bytes()).await,
        };
        match outcome {
            Ok(()) => Told::Ok,
            Err(object_store::Error::AlreadyExists { .. }) => Told::Exists,
            Err(error) => Told::Failed(error.to_string()),
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

//! What several tests need.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use artifact_backend::{
    ArtifactBackend, ArtifactId, ArtifactInventory, ByteRange, Download, Error, ErrorKind,
    Operation, Result, Stamp, forward,
};
use artifact_backend_conformance::FaultBackend;
use artifact_backend_mem::MemBackend;
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};

pub(crate) const BLOB: &[u8] = b"0123456789";

/// An empty backend in memory, on which faults can be injected.
pub(crate) fn backend() -> FaultBackend {
    FaultBackend::new(MemBackend::default())
}

/// Stores [`BLOB`] under a fresh id.
pub(crate) async fn stored(backend: &impl ArtifactBackend) -> ArtifactId {
    let id = ArtifactId::mint();
    backend.store(id, Bytes::from_static(BLOB)).await.unwrap();
    id
}

#[track_caller]
pub(crate) fn kind<T: std::fmt::Debug>(result: Result<T>) -> ErrorKind {
    result.unwrap_err().kind()
}

/// Lets every other task of the runtime run until it waits. The runtime has one thread.
pub(crate) async fn settle() {
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
}

/// Makes a blob of noise.
pub(crate) fn noise(len: usize) -> Bytes {
    let byte = |number: usize| number.wrapping_mul(2_654_435_761).to_le_bytes()[2];
    (0..len).map(byte).collect()
}

/// A backend whose downloads have a stamp, which a test can change.
#[derive(Debug, Clone)]
pub(crate) struct Stamped<B> {
    inner: B,
    stamp: Arc<AtomicU64>,
}

impl<B> Stamped<B> {
    pub(crate) fn new(inner: B) -> Self {
        Self {
            inner,
            stamp: Arc::default(),
        }
    }

    pub(crate) fn stamp(&self) -> Stamp {
        Stamp::new([self.stamp.load(Ordering::SeqCst), 0, 0])
    }

    pub(crate) fn touch(&self) {
        self.stamp.fetch_add(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl<B: ArtifactBackend> ArtifactBackend for Stamped<B> {
    forward!(inner => store, upload, load, stat);

    async fn download(&self, id: ArtifactId, range: ByteRange) -> Result<Download> {
        Ok(self
            .inner
            .download(id, range)
            .await?
            .with_stamp(self.stamp()))
    }
}

/// A backend of which every third download that is not empty breaks half-way.
#[derive(Debug, Clone)]
pub(crate) struct Breaking<B> {
    inner: B,
    downloads: Arc<AtomicU64>,
}

impl<B> Breaking<B> {
    pub(crate) fn new(inner: B) -> Self {
        Self {
            inner,
            downloads: Arc::default(),
        }
    }
}

#[async_trait]
impl<B: ArtifactBackend> ArtifactBackend for Breaking<B> {
    forward!(inner => store, upload, load, stat);

    async fn download(&self, id: ArtifactId, range: ByteRange) -> Result<Download> {
        let download = self.inner.download(id, range).await?;
        let number = self.downloads.fetch_add(1, Ordering::SeqCst);
        if number % 3 != 0 || download.remaining() == 0 {
            return Ok(download);
        }
        let mut rest = usize::try_from(download.remaining() / 2).unwrap();
        Ok(download.map_stream(|chunks| {
            let half = chunks.map(move |chunk| {
                let mut chunk = chunk?;
                chunk.truncate(rest);
                rest -= chunk.len();
                Ok(chunk)
            });
            let broken = Error::new(ErrorKind::Unavailable, Operation::Download);
            half.chain(stream::iter([Err(broken)]))
        }))
    }
}

#[async_trait]
impl<B: ArtifactInventory> ArtifactInventory for Breaking<B> {
    forward!(inner => ArtifactInventory);
}

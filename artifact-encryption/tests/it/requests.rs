//! A range reads only the chunks that it needs, and little beside them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use artifact_backend::{
    ArtifactBackend, ArtifactBackendExt, ArtifactId, BlobStat, ByteRange, ChunkSize, Download,
    Result, Stamp, Upload,
};
use artifact_backend_mem::MemBackend;
use artifact_encryption::EncryptedBackend;
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;

use crate::world::{CHUNK, ID, SEALED_CHUNK, key, plain};

/// Counts the downloads and the bytes that they deliver.
#[derive(Debug, Default)]
struct Meter {
    inner: MemBackend,
    downloads: AtomicU64,
    bytes: Arc<AtomicU64>,
    /// Changes the stamp with each download.
    restless: bool,
}

impl Meter {
    fn take(&self) -> (u64, u64) {
        let downloads = self.downloads.swap(0, Ordering::Relaxed);
        (downloads, self.bytes.swap(0, Ordering::Relaxed))
    }
}

#[async_trait]
impl ArtifactBackend for Meter {
    async fn store(&self, id: ArtifactId, bytes: Bytes) -> Result<()> {
        self.inner.store(id, bytes).await
    }

    async fn upload(&self, id: ArtifactId) -> Result<Box<dyn Upload>> {
        self.inner.upload(id).await
    }

    async fn load(&self, id: ArtifactId) -> Result<Bytes> {
        self.inner.load(id).await
    }

    async fn stat(&self, id: ArtifactId) -> Result<BlobStat> {
        self.inner.stat(id).await
    }

    async fn download(&self, id: ArtifactId, range: ByteRange) -> Result<Download> {
        let number = self.downloads.fetch_add(1, Ordering::Relaxed);
        let download = self.inner.download(id, range).await?;
        let (size, range) = (download.size(), download.range());
        let bytes = Arc::clone(&self.bytes);
        let counted = download.inspect(move |chunk| {
            let len = chunk.as_ref().map_or(0, Bytes::len);
            bytes.fetch_add(len as u64, Ordering::Relaxed);
        });
        let stamp = Stamp::new([7, 7, if self.restless { number } else { 7 }]);
        let download = Download::new(id, size, range, counted.boxed());
        Ok(download
            .with_stamp(stamp)
            .with_chunk_size(ChunkSize::new(777)))
    }
}

/// The most that a download reads beside its own chunks: the header, and the last chunk.
const BESIDE: u64 = 56 + 56 + SEALED_CHUNK as u64;

async fn world(size: usize) -> (EncryptedBackend<Arc<Meter>>, Bytes) {
    world_over(Meter::default(), size).await
}

async fn world_over(meter: Meter, size: usize) -> (EncryptedBackend<Arc<Meter>>, Bytes) {
    let world = EncryptedBackend::new(Arc::new(meter), key(1));
    let right = plain(size);
    world.store(ID, right.clone()).await.unwrap();
    (world, right)
}

#[tokio::test]
async fn a_range_reads_only_its_chunks() {
    let (world, right) = world(200 * CHUNK + 10).await;
    for (first, last, chunks) in [
        (0, 0, 1),
        (100 * CHUNK + 5, 100 * CHUNK + 5, 1),
        (100 * CHUNK, 101 * CHUNK - 1, 1),
        (100 * CHUNK - 1, 100 * CHUNK, 2),
        (50 * CHUNK, 60 * CHUNK + 1, 11),
        (200 * CHUNK, 200 * CHUNK, 0),
    ] {
        let range = ByteRange::FromTo {
            first: first as u64,
            last: last as u64,
        };
        let found = world.load_range(ID, range).await.unwrap();
        assert_eq!(found, right.slice(first..=last), "{range:?}");
        let (downloads, bytes) = world.inner().take();
        assert!(downloads <= 3, "{downloads} requests for {range:?}");
        let limit = chunks * SEALED_CHUNK as u64 + BESIDE;
        assert!(
            bytes <= limit,
            "{bytes} bytes read for {range:?}, not {limit}"
        );
    }
    let found = world.load_range(ID, ByteRange::Suffix(10)).await.unwrap();
    assert_eq!(found, right.slice(200 * CHUNK..));
    let (_, bytes) = world.inner().take();
    assert!(bytes <= BESIDE, "{bytes}");
}

#[tokio::test]
async fn a_blob_of_one_chunk_is_one_request_and_in_memory() {
    for size in [0, 1, 4_096, CHUNK - 1] {
        let (world, right) = world(size).await;
        let mut download = world.download(ID, ByteRange::Full).await.unwrap();
        assert_eq!(download.take_in_memory().unwrap_or_default(), right);
        let (downloads, bytes) = world.inner().take();
        assert_eq!((downloads, bytes), (1, 56 + size as u64 + 16));
    }
}

#[tokio::test]
async fn a_whole_long_blob_is_two_requests() {
    let (world, right) = world(5 * CHUNK).await;
    assert_eq!(world.load_range(ID, ByteRange::Full).await.unwrap(), right);
    let (downloads, bytes) = world.inner().take();
    assert_eq!(downloads, 2);
    assert!(bytes <= 5 * SEALED_CHUNK as u64 + BESIDE, "{bytes}");
}

#[tokio::test]
async fn stamp_and_chunk_size_are_those_of_the_inner_download() {
    for size in [100, 5 * CHUNK] {
        let (world, _) = world(size).await;
        let download = world.download(ID, ByteRange::Full).await.unwrap();
        assert_eq!(download.stamp(), Some(Stamp::new([7; 3])));
        let chunk_size = download.chunk_size().map(ChunkSize::get);
        assert_eq!(chunk_size, (size > CHUNK).then_some(777));
    }
    // A blob whose storage changed between two reads has no stamp.
    let meter = Meter {
        restless: true,
        ..Meter::default()
    };
    let (world, _) = world_over(meter, 5 * CHUNK).await;
    let download = world.download(ID, ByteRange::Full).await.unwrap();
    assert_eq!(download.stamp(), None);
}

#[tokio::test]
async fn chunks_of_a_download_are_bounded() {
    let (world, _) = world(100 * CHUNK).await;
    let mut download = world.download(ID, ByteRange::Full).await.unwrap();
    let mut chunks = 0;
    while let Some(chunk) = download.next().await {
        assert!(chunk.unwrap().len() <= 16 * CHUNK);
        chunks += 1;
    }
    assert!(chunks >= 7, "{chunks}");
}

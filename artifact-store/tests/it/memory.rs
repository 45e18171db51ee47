//! The memory of readers: cached artifacts and those being collected share one budget.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use artifact_backend::{ArtifactBackend, Result, Stamp, Upload};
use artifact_backend_mem::MemBackend;
use artifact_store::{
    ArtifactId, ArtifactStore, ByteRange, Catalog as _, Download, Experiment, MemoryDatabase,
    NewArtifact, Principal, StoreConfig, authorize,
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;

use crate::support::{bytes, experiment, time};

const CHUNK: usize = 64 << 10;
const BUDGET: usize = 4 << 20;
/// The largest artifact that a cache of this size accepts.
const SIZE: usize = BUDGET / 8;

/// Blobs in memory with stamps. Each downloaded chunk is a new buffer, which is counted until its last
/// owner drops it.
#[derive(Debug, Default)]
struct CountingBackend {
    blobs: MemBackend,
    live: Arc<AtomicUsize>,
}

struct Buffer {
    bytes: Vec<u8>,
    live: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.live.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}

#[async_trait]
impl ArtifactBackend for CountingBackend {
    async fn store(&self, id: ArtifactId, bytes: Bytes) -> Result<()> {
        self.blobs.store(id, bytes).await
    }

    async fn upload(&self, id: ArtifactId) -> Result<Box<dyn Upload>> {
        self.blobs.upload(id).await
    }

    async fn load(&self, id: ArtifactId) -> Result<Bytes> {
        self.blobs.load(id).await
    }

    async fn download(&self, id: ArtifactId, range: ByteRange) -> Result<Download> {
        let all = self.blobs.load(id).await?;
        let size = all.len() as u64;
        let range = range.resolve(size).unwrap();
        let live = Arc::clone(&self.live);
        let chunks = (0..all.len()).step_by(CHUNK).map(move |at| {
            let bytes = all[at..all.len().min(at + CHUNK)].to_vec();
            live.fetch_add(bytes.len(), Ordering::Relaxed);
            let live = Arc::clone(&live);
            Ok(Bytes::from_owner(Buffer { bytes, live }))
        });
        let stream = futures_util::stream::iter(chunks).boxed();
        Ok(Download::new(id, size, range, stream).with_stamp(Stamp::new([1, 2, 3])))
    }
}

struct Site {
    store: ArtifactStore,
    live: Arc<AtomicUsize>,
}

impl Site {
    async fn new() -> Self {
        let backend = CountingBackend::default();
        let live = Arc::clone(&backend.live);
        let rows = Arc::new(MemoryDatabase::new());
        let home = Experiment::new(experiment(), time(0));
        rows.create_experiment(&home).await.unwrap();
        let config = StoreConfig::default().with_verified_cache_bytes(BUDGET);
        let store = ArtifactStore::new(Arc::new(backend), rows, config);
        Self { store, live }
    }

    async fn deposit(&self) -> ArtifactId {
        let new = NewArtifact::new(experiment(), &Principal::admin());
        let mut deposit = self.store.deposit(new);
        deposit.write(bytes(SIZE).into()).await.unwrap();
        deposit.finish().await.unwrap().id
    }

    async fn read(&self, id: ArtifactId) -> Download {
        let row = self.store.row(&experiment(), id).await.unwrap();
        let grant = authorize(&Principal::admin(), row).unwrap();
        self.store.read(&grant, ByteRange::Full).await.unwrap()
    }

    /// Reads all downloads in turn, one chunk each, and returns the most memory that was live between
    /// two chunks.
    async fn interleave(&self, mut downloads: Vec<Download>) -> usize {
        let mut most = 0;
        let mut is_open = true;
        while is_open {
            is_open = false;
            for download in &mut downloads {
                let Some(chunk) = download.next().await else {
                    continue;
                };
                drop(chunk.unwrap());
                is_open = true;
                most = most.max(self.live.load(Ordering::Relaxed));
            }
        }
        most
    }
}

#[tokio::test]
async fn a_hundred_readers_of_one_artifact_hold_it_once() {
    let site = Site::new().await;
    let id = site.deposit().await;
    let mut downloads = Vec::new();
    for _ in 0..100 {
        downloads.push(site.read(id).await);
    }
    let most = site.interleave(downloads).await;
    // The collected artifact, and the last chunk of each reader until it is verified.
    assert!(most <= SIZE + 100 * CHUNK, "{most}");
    assert_eq!(site.live.load(Ordering::Relaxed), SIZE, "one entry is left");
}

#[tokio::test]
async fn readers_of_many_artifacts_stay_within_the_budget() {
    let site = Site::new().await;
    let mut downloads = Vec::new();
    for _ in 0..50 {
        let id = site.deposit().await;
        downloads.push(site.read(id).await);
        downloads.push(site.read(id).await);
    }
    let readers = downloads.len();
    let most = site.interleave(downloads).await;
    assert!(most <= BUDGET + readers * CHUNK, "{most}");
    assert!(site.live.load(Ordering::Relaxed) <= BUDGET);
}

#[tokio::test]
async fn dropped_readers_hold_nothing() {
    let site = Site::new().await;
    let id = site.deposit().await;
    let mut downloads = Vec::new();
    for _ in 0..10 {
        let mut download = site.read(id).await;
        download.next().await.unwrap().unwrap();
        downloads.push(download);
    }
    assert_eq!(site.live.load(Ordering::Relaxed), CHUNK);
    drop(downloads);
    assert_eq!(site.live.load(Ordering::Relaxed), 0);
}

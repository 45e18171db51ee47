//! The memory of readers: cached artifacts and those being collected share one budget.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use artifact_backend::{ArtifactBackend, BlobStat, ChunkSize, Result, Stamp, Upload};
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
    /// Whether readers choose the size of their chunks.
    adapts: bool,
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
        let all =
            all.slice(usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap());
        let live = Arc::clone(&self.live);
        let chunk_size = ChunkSize::new(CHUNK);
        let (max, mut at) = (chunk_size.clone(), 0);
        let chunks = std::iter::from_fn(move || {
            let bytes = all[at..all.len().min(at + max.get())].to_vec();
            at += bytes.len();
            live.fetch_add(bytes.len(), Ordering::Relaxed);
            let live = Arc::clone(&live);
            (!bytes.is_empty()).then(|| Ok(Bytes::from_owner(Buffer { bytes, live })))
        });
        let stream = futures_util::stream::iter(chunks).boxed();
        let download = Download::new(id, size, range, stream).with_stamp(Stamp::new([1, 2, 3]));
        Ok(if self.adapts {
            download.with_chunk_size(chunk_size)
        } else {
            download
        })
    }

    async fn stat(&self, id: ArtifactId) -> Result<BlobStat> {
        self.blobs.stat(id).await
    }
}

struct Site {
    store: ArtifactStore,
    live: Arc<AtomicUsize>,
}

impl Site {
    async fn new() -> Self {
        let config = StoreConfig::default().with_verified_cache_bytes(BUDGET);
        Self::with(config, false).await
    }

    async fn with(config: StoreConfig, adapts: bool) -> Self {
        let backend = CountingBackend {
            adapts,
            ..CountingBackend::default()
        };
        let live = Arc::clone(&backend.live);
        let rows = Arc::new(MemoryDatabase::new());
        let home = Experiment::new(experiment(), time(0));
        rows.create_experiment(&home).await.unwrap();
        let store = ArtifactStore::new(Arc::new(backend), rows, config);
        Self { store, live }
    }

    async fn deposit(&self) -> ArtifactId {
        self.deposit_of(SIZE).await
    }

    async fn deposit_of(&self, size: usize) -> ArtifactId {
        let new = NewArtifact::new(experiment(), &Principal::admin());
        let mut deposit = self.store.deposit(new);
        deposit.write(bytes(size).into()).await.unwrap();
        deposit.finish().await.unwrap().id
    }

    async fn read(&self, id: ArtifactId) -> Download {
        self.read_range(id, ByteRange::Full).await
    }

    async fn read_range(&self, id: ArtifactId, range: ByteRange) -> Download {
        let row = self.store.row(&experiment(), id).await.unwrap();
        let grant = authorize(&Principal::admin(), row).unwrap();
        self.store.read(&grant, range).await.unwrap()
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

#[tokio::test(start_paused = true)]
async fn slow_readers_hold_small_chunks_and_share_a_budget_for_larger_ones() {
    const READERS: usize = 100;
    const SMALL: usize = 16 << 10;
    /// More than the cache accepts.
    const LARGE: usize = 2 << 20;
    for range in [
        ByteRange::Full,
        ByteRange::FromTo {
            first: 1,
            last: LARGE as u64 - 2,
        },
    ] {
        let config = StoreConfig::default()
            .with_verified_cache_bytes(BUDGET)
            .with_read_memory_bytes(BUDGET);
        let site = Site::with(config, true).await;
        let id = site.deposit_of(LARGE).await;
        let mut readers = Vec::new();
        for _ in 0..READERS {
            let mut download = site.read_range(id, range).await;
            let chunk = download.next().await.unwrap().unwrap();
            readers.push((download, chunk));
        }
        let live = || site.live.load(Ordering::Relaxed);
        assert!(live() <= BUDGET + READERS * SMALL, "{}", live());
        // Each holds a chunk for a second; then all chunks are small.
        for _ in 0..2 {
            tokio::time::advance(Duration::from_secs(1)).await;
            for (download, chunk) in &mut readers {
                *chunk = Bytes::new();
                *chunk = download.next().await.unwrap().unwrap();
            }
        }
        assert_eq!(live(), READERS * SMALL);
        // A fast reader gets larger chunks meanwhile, and the right bytes.
        let mut fast = site.read_range(id, range).await;
        let (mut sizes, mut all) = (Vec::new(), Vec::new());
        while let Some(chunk) = fast.next().await {
            let chunk = chunk.unwrap();
            sizes.push(chunk.len());
            all.extend_from_slice(&chunk);
        }
        assert!(sizes.contains(&(512 << 10)), "{sizes:?}");
        let whole = bytes(LARGE);
        let expected = match range {
            ByteRange::Full => &whole[..],
            _ => &whole[1..LARGE - 1],
        };
        assert!(all == expected);
        drop(readers);
        assert_eq!(live(), 0);
    }
}

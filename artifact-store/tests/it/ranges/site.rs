//! A store whose blobs a test can change, and which counts what is read of them.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use artifact_backend::{
    ArtifactBackend, BlobStat, ByteRange, ChunkSize, Error, ErrorKind, Operation, Result, Stamp,
    Upload,
};
use artifact_backend_mem::MemBackend;
use artifact_store::{
    ArtifactId, ArtifactStore, Catalog, Download, Experiment, MemoryDatabase, NewArtifact,
    Principal, StoreConfig, authorize,
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;

use crate::support::{FaultyCatalog, experiment, time};

/// The size of a chunk without a choice of the reader.
const CHUNK: usize = 40_000;

/// Changes what is read: its arguments are how many downloads there were before and the blob.
type Change = Box<dyn Fn(usize, &mut Vec<u8>) + Send + Sync>;

/// Blobs in memory, whose downloads can be changed.
#[derive(Default)]
pub(super) struct Blobs {
    mem: MemBackend,
    changes: Mutex<HashMap<ArtifactId, Change>>,
    downloads: AtomicUsize,
    /// The bytes that were read.
    pub(super) read: Arc<AtomicU64>,
    /// The bytes of all buffers that are alive, and the most that there were.
    pub(super) live: Arc<AtomicUsize>,
    /// Whether the reader chooses the size of the chunks.
    pub(super) adapts: bool,
}

impl std::fmt::Debug for Blobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Blobs").finish_non_exhaustive()
    }
}

struct Buffer {
    bytes: Vec<u8>,
    live: Arc<AtomicUsize>,
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.live.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[async_trait]
impl ArtifactBackend for Blobs {
    async fn store(&self, id: ArtifactId, bytes: Bytes) -> Result<()> {
        self.mem.store(id, bytes).await
    }

    async fn upload(&self, id: ArtifactId) -> Result<Box<dyn Upload>> {
        self.mem.upload(id).await
    }

    async fn load(&self, id: ArtifactId) -> Result<Bytes> {
        self.mem.load(id).await
    }

    async fn download(&self, id: ArtifactId, range: ByteRange) -> Result<Download> {
        let mut all = self.mem.load(id).await?.to_vec();
        let before = self.downloads.fetch_add(1, Ordering::Relaxed);
        let changes = self.changes.lock().unwrap();
        let stamp = u64::from(changes.contains_key(&id));
        if let Some(change) = changes.get(&id) {
            change(before, &mut all);
        }
        let size = all.len() as u64;
        let unsatisfiable = |_| {
            let (kind, operation) = (ErrorKind::InvalidRange, Operation::Download);
            Error::new(kind, operation).with_id(id)
        };
        let range = range.resolve(size).map_err(unsatisfiable)?;
        let chunk_size = ChunkSize::new(CHUNK);
        let (read, live) = (Arc::clone(&self.read), Arc::clone(&self.live));
        let (max, mut rest) = (chunk_size.clone(), range.clone());
        let chunks = std::iter::from_fn(move || {
            let max = u64::try_from(max.get()).unwrap();
            let end = rest.end.min(rest.start + max);
            let bytes = all[usizes(&(rest.start..end))].to_vec();
            rest.start = end;
            read.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            live.fetch_add(bytes.len(), Ordering::Relaxed);
            let live = Arc::clone(&live);
            (!bytes.is_empty()).then(|| Ok(Bytes::from_owner(Buffer { bytes, live })))
        });
        let stream = futures_util::stream::iter(chunks).boxed();
        let download = Download::new(id, size, range, stream).with_stamp(Stamp::new([stamp, 0, 0]));
        Ok(if self.adapts {
            download.with_chunk_size(chunk_size)
        } else {
            download
        })
    }

    async fn stat(&self, id: ArtifactId) -> Result<BlobStat> {
        self.mem.stat(id).await
    }
}

pub(super) fn usizes(range: &Range<u64>) -> Range<usize> {
    usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()
}

pub(super) struct Site {
    pub(super) blobs: Arc<Blobs>,
    pub(super) catalog: Arc<FaultyCatalog>,
    pub(super) store: ArtifactStore,
}

impl Site {
    pub(super) async fn new() -> Self {
        Self::with(StoreConfig::default().with_verified_cache_bytes(0), true).await
    }

    pub(super) async fn with(config: StoreConfig, adapts: bool) -> Self {
        let blobs = Arc::new(Blobs {
            adapts,
            ..Blobs::default()
        });
        let rows = MemoryDatabase::new();
        let home = Experiment::new(experiment(), time(0));
        rows.create_experiment(&home).await.unwrap();
        let catalog = Arc::new(FaultyCatalog::new(Arc::new(rows)));
        let config = config.with_max_artifact_bytes(1 << 30);
        let store = ArtifactStore::new(blobs.clone(), catalog.clone(), config);
        Self {
            blobs,
            catalog,
            store,
        }
    }

    /// Returns a store that knows nothing of earlier reads.
    pub(super) fn restarted(&self) -> ArtifactStore {
        let config = self.store.config().clone();
        ArtifactStore::new(self.blobs.clone(), self.catalog.clone(), config)
    }

    pub(super) async fn deposit(&self, bytes: &[u8]) -> ArtifactId {
        let new = NewArtifact::new(experiment(), &Principal::admin());
        let mut deposit = self.store.deposit(new);
        for piece in bytes.chunks(100_000) {
            deposit.write(Bytes::copy_from_slice(piece)).await.unwrap();
        }
        deposit.finish().await.unwrap().id
    }

    /// Makes every later download see changed bytes.
    pub(super) fn change(
        &self,
        id: ArtifactId,
        change: impl Fn(usize, &mut Vec<u8>) + Send + Sync + 'static,
    ) {
        let mut changes = self.blobs.changes.lock().unwrap();
        changes.insert(id, Box::new(change));
    }

    pub(super) fn flip(&self, id: ArtifactId, at: usize) {
        self.change(id, move |_, bytes| bytes[at] ^= 1);
    }

    pub(super) fn read_bytes(&self) -> u64 {
        self.blobs.read.load(Ordering::Relaxed)
    }

    pub(super) fn downloads(&self) -> usize {
        self.blobs.downloads.load(Ordering::Relaxed)
    }
}

pub(super) async fn open(
    store: &ArtifactStore,
    id: ArtifactId,
    range: impl Into<ByteRange>,
) -> artifact_store::Result<Download> {
    let row = store.row(&experiment(), id).await?;
    let grant = authorize(&Principal::admin(), row)?;
    store.read(&grant, range.into()).await
}

/// What a reader got before the end, and the kind of the error that ended it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) bytes: Vec<u8>,
    pub(super) error: Option<artifact_store::ErrorKind>,
}

pub(super) async fn read(
    store: &ArtifactStore,
    id: ArtifactId,
    range: impl Into<ByteRange>,
) -> Outcome {
    let mut bytes = Vec::new();
    let error = match open(store, id, range).await {
        Ok(mut download) => loop {
            match download.next().await {
                Some(Ok(chunk)) => bytes.extend_from_slice(&chunk),
                Some(Err(error)) => break Some(error.kind().into()),
                None => break None,
            }
        },
        Err(error) => Some(error.kind()),
    };
    Outcome { bytes, error }
}

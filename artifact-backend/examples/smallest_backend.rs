//! The smallest complete backend: a map. It runs the conformance suite on itself.
//!
//! `cargo run -p artifact-backend --example smallest_backend`
#![expect(clippy::print_stdout, reason = "an example prints its result")]

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use artifact_backend::async_trait;
use artifact_backend::bytes::{Bytes, BytesMut};
use artifact_backend::{
    ArtifactBackend, ArtifactId, ArtifactInventory, BlobList, BlobStat, ByteRange, Clock, Download,
    Error, ErrorKind, Operation, Result, Shard, StoreId, SweepReport, SystemClock, Upload,
};
use artifact_backend_conformance::Suite;
use futures_util::{StreamExt, stream};

/// The largest chunk of a download. Clause 8 forbids a chunk as large as the blob.
const CHUNK: usize = 64 * 1024;

/// The blobs, each with the time when it was stored, and the store id.
#[derive(Clone, Default)]
struct SmallestBackend {
    blobs: Arc<Mutex<BTreeMap<ArtifactId, (Bytes, SystemTime)>>>,
    store_id: Arc<OnceLock<StoreId>>,
}

impl SmallestBackend {
    fn blobs(&self) -> MutexGuard<'_, BTreeMap<ArtifactId, (Bytes, SystemTime)>> {
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, operation: Operation, id: ArtifactId) -> Result<(Bytes, SystemTime)> {
        let blob = self.blobs().get(&id).cloned();
        blob.ok_or_else(|| Error::new(ErrorKind::NotFound, operation).with_id(id))
    }

    /// Keeps clauses 1 and 2 under one lock: inserts the whole blob, and only under a free id.
    fn create(&self, operation: Operation, id: ArtifactId, bytes: Bytes) -> Result<()> {
        match self.blobs().entry(id) {
            Entry::Vacant(entry) => {
                entry.insert((bytes, SystemClock.now()));
                Ok(())
            }
            Entry::Occupied(_) => Err(Error::new(ErrorKind::AlreadyExists, operation).with_id(id)),
        }
    }
}

// Not derived, because a derived impl would print the contents of the blobs.
impl std::fmt::Debug for SmallestBackend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SmallestBackend({} blobs)", self.blobs().len())
    }
}

#[async_trait]
impl ArtifactBackend for SmallestBackend {
    async fn store(&self, id: ArtifactId, bytes: Bytes) -> Result<()> {
        self.create(Operation::Store, id, bytes)
    }

    async fn upload(&self, id: ArtifactId) -> Result<Box<dyn Upload>> {
        Ok(Box::new(SmallestUpload {
            backend: self.clone(),
            id,
            bytes: BytesMut::new(),
        }))
    }

    async fn load(&self, id: ArtifactId) -> Result<Bytes> {
        Ok(self.find(Operation::Load, id)?.0)
    }

    async fn download(&self, id: ArtifactId, range: ByteRange) -> Result<Download> {
        let (bytes, _) = self.find(Operation::Download, id)?;
        let size = bytes.len() as u64;
        let range = range
            .resolve(size)
            .map_err(|range| Error::invalid_range(Operation::Download, id, range))?;
        let in_memory = "a resolved range lies inside a blob that is in memory";
        let start = usize::try_from(range.start).expect(in_memory);
        let end = usize::try_from(range.end).expect(in_memory);
        let chunks = (start..end)
            .step_by(CHUNK)
            .map(move |from| Ok(bytes.slice(from..end.min(from + CHUNK))));
        Ok(Download::new(id, size, range, stream::iter(chunks).boxed()))
    }

    async fn stat(&self, id: ArtifactId) -> Result<BlobStat> {
        let (bytes, modified) = self.find(Operation::Stat, id)?;
        Ok(BlobStat::new(id, bytes.len() as u64, modified))
    }
}

#[async_trait]
impl ArtifactInventory for SmallestBackend {
    async fn list(&self) -> Result<BlobList> {
        let blobs = self.blobs();
        let stat = |(id, (bytes, modified)): (&ArtifactId, &(Bytes, SystemTime))| {
            Ok(BlobStat::new(*id, bytes.len() as u64, *modified))
        };
        let stats: Vec<_> = blobs.iter().map(stat).collect();
        Ok(stream::iter(stats).boxed())
    }

    async fn list_shard(&self, shard: Shard, after: Option<ArtifactId>) -> Result<BlobList> {
        // One access to the map for each blob: a copy of all stats would grow with their number.
        let (this, mut after) = (self.clone(), after);
        let stats = std::iter::from_fn(move || {
            let from = match after {
                Some(after) if after >= shard.first_id() => Bound::Excluded(after),
                _ => Bound::Included(shard.first_id()),
            };
            let blobs = this.blobs();
            let (id, (bytes, modified)) = blobs.range((from, Bound::Unbounded)).next()?;
            after = Some(*id);
            let stat = BlobStat::new(*id, bytes.len() as u64, *modified);
            shard.contains(*id).then_some(Ok(stat))
        });
        Ok(stream::iter(stats).boxed())
    }

    async fn delete(&self, id: ArtifactId) -> Result<()> {
        self.blobs().remove(&id);
        Ok(())
    }

    async fn sweep(&self, _older_than: Duration) -> Result<SweepReport> {
        // A dropped upload frees its bytes, so there are no leftovers.
        Ok(SweepReport::default())
    }

    async fn store_id(&self) -> Result<Option<StoreId>> {
        Ok(self.store_id.get().copied())
    }

    async fn create_store_id(&self, new: StoreId) -> Result<StoreId> {
        Ok(*self.store_id.get_or_init(|| new))
    }

    async fn probe(&self) -> Result<()> {
        Ok(())
    }

    async fn close(&self) {}
}

struct SmallestUpload {
    backend: SmallestBackend,
    id: ArtifactId,
    bytes: BytesMut,
}

impl std::fmt::Debug for SmallestUpload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SmallestUpload({})", self.id)
    }
}

#[async_trait]
impl Upload for SmallestUpload {
    fn expect_size(&mut self, _bytes: u64) {}

    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        // No await and no error, so no write can break the upload.
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        let Self { backend, id, bytes } = *self;
        backend.create(Operation::Commit, id, bytes.freeze())
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

#[tokio::main]
pub(crate) async fn main() -> ExitCode {
    let report = Suite::new(|| async { Ok(SmallestBackend::default()) })
        .volatile("it keeps its blobs in memory")
        .run()
        .await;
    println!("{report}");
    if report.is_passed() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

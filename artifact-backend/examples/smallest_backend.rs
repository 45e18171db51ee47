//! The smallest whole backend: a map. It keeps the contract, and the conformance suite says so.
//!
//! `cargo run -p artifact-backend --example smallest_backend`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use artifact_backend::{
    ArtifactBackend, ArtifactId, ArtifactInventory, BlobList, BlobStat, ByteRange, Clock, Download,
    Error, ErrorKind, Operation, Result, SweepReport, SystemClock, Upload,
};
use artifact_backend_conformance::Suite;
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};

/// What a download delivers at a time, at most: clause 8 allows no piece as large as the blob.
const PIECE: usize = 64 * 1024;

/// The blobs, and when each was stored.
#[derive(Clone, Default)]
struct SmallestBackend(Arc<Mutex<BTreeMap<ArtifactId, (Bytes, SystemTime)>>>);

impl SmallestBackend {
    fn blobs(&self) -> MutexGuard<'_, BTreeMap<ArtifactId, (Bytes, SystemTime)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, operation: Operation, id: ArtifactId) -> Result<(Bytes, SystemTime)> {
        let blob = self.blobs().get(&id).cloned();
        blob.ok_or_else(|| Error::new(ErrorKind::NotFound, operation).with_id(id))
    }

    /// Clauses 1 and 2 in one step under one lock: only where nothing is, and at once as a whole.
    fn create(&self, operation: Operation, id: ArtifactId, bytes: Bytes) -> Result<()> {
        match self.blobs().entry(id) {
            Entry::Vacant(place) => {
                place.insert((bytes, SystemClock.now()));
                Ok(())
            }
            Entry::Occupied(_) => Err(Error::new(ErrorKind::AlreadyExists, operation).with_id(id)),
        }
    }
}

// By hand, since a derived one would print what the blobs hold.
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
        let in_memory = "it is within a blob that is in memory";
        let start = usize::try_from(range.start).expect(in_memory);
        let end = usize::try_from(range.end).expect(in_memory);
        let pieces = (start..end)
            .step_by(PIECE)
            .map(move |from| Ok(bytes.slice(from..end.min(from + PIECE))));
        Ok(Download::new(id, size, range, stream::iter(pieces).boxed()))
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

    async fn stat(&self, id: ArtifactId) -> Result<BlobStat> {
        let (bytes, modified) = self.find(Operation::Stat, id)?;
        Ok(BlobStat::new(id, bytes.len() as u64, modified))
    }

    async fn delete(&self, id: ArtifactId) -> Result<()> {
        self.blobs().remove(&id);
        Ok(())
    }

    async fn sweep(&self, _older_than: Duration) -> Result<SweepReport> {
        // An upload that is dropped frees its bytes by itself: there are no leftovers.
        Ok(SweepReport::default())
    }
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
        // There is no await in here and no error, so no write can spoil the upload.
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

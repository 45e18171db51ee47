//! The operations, each one look into the map.

use std::iter;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use artifact_backend::{
    ArtifactBackend, ArtifactId, ArtifactInventory, BlobList, BlobStat, ByteRange, Download, Error,
    Operation, Result, SweepReport, Upload,
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};

use crate::config::MemConfig;
use crate::error;
use crate::state::Shared;
use crate::upload::MemUpload;

/// The most bytes of one piece of a download.
const PIECE: usize = 256 * 1024;

/// A backend that is a map in memory, and the reference semantics of the contract.
///
/// Clones share one map. When the last clone, upload and download is dropped, every blob is gone:
/// no medium here can outlive the process, so "durable" is as long as that.
///
/// No operation waits for anything, so each is done at its first poll, and a future that is
/// dropped before that has done nothing.
#[derive(Debug, Clone)]
pub struct MemBackend {
    shared: Arc<Shared>,
}

impl MemBackend {
    /// An empty backend.
    pub fn new(config: MemConfig) -> Self {
        Self {
            shared: Arc::new(Shared::new(config)),
        }
    }

    /// The bytes of all blobs and of the uploads in flight: what `max_total_bytes` bounds.
    pub fn used_bytes(&self) -> u64 {
        self.shared.lock().used()
    }

    /// How many blobs there are. Uploads in flight are none.
    pub fn len(&self) -> usize {
        self.shared.lock().len()
    }

    /// Whether there is no blob.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Default for MemBackend {
    fn default() -> Self {
        Self::new(MemConfig::default())
    }
}

#[async_trait]
impl ArtifactBackend for MemBackend {
    async fn store(&self, id: ArtifactId, bytes: Bytes) -> Result<()> {
        // A copy of its own: `bytes` may be a small part of a large buffer, which it would keep
        // alive and which `max_total_bytes` would not see.
        let bytes = Bytes::copy_from_slice(&bytes);
        let size = bytes.len() as u64;
        let now = self.shared.now();
        let mut state = self.shared.lock();
        if state.holds(id) {
            // Said before OutOfSpace: it stays true when room is made.
            return Err(error::already_exists(Operation::Store, id));
        }
        state.reserve(Operation::Store, id, size)?;
        state.publish(Operation::Store, id, bytes, now)
    }

    async fn upload(&self, id: ArtifactId) -> Result<Box<dyn Upload>> {
        if self.shared.lock().holds(id) {
            return Err(error::already_exists(Operation::Upload, id));
        }
        Ok(Box::new(MemUpload::new(Arc::clone(&self.shared), id)))
    }

    async fn load(&self, id: ArtifactId) -> Result<Bytes> {
        self.shared.lock().bytes(Operation::Load, id)
    }

    async fn download(&self, id: ArtifactId, range: ByteRange) -> Result<Download> {
        let bytes = self.shared.lock().bytes(Operation::Download, id)?;
        let size = bytes.len() as u64;
        let range = range
            .resolve(size)
            .map_err(|range| Error::invalid_range(Operation::Download, id, range))?;
        let stream = stream::iter(pieces(&bytes, &range).map(Ok)).boxed();
        Ok(Download::new(id, size, range, stream))
    }
}

#[async_trait]
impl ArtifactInventory for MemBackend {
    async fn list(&self) -> Result<BlobList> {
        let shared = Arc::clone(&self.shared);
        let mut last = None;
        let blobs = iter::from_fn(move || {
            let stat = shared.lock().next_after(last)?;
            last = Some(stat.id);
            Some(Ok(stat))
        });
        Ok(stream::iter(blobs).boxed())
    }

    async fn stat(&self, id: ArtifactId) -> Result<BlobStat> {
        self.shared.lock().stat(id)
    }

    async fn delete(&self, id: ArtifactId) -> Result<()> {
        self.shared.lock().remove(id);
        Ok(())
    }

    async fn sweep(&self, _older_than: Duration) -> Result<SweepReport> {
        // Dropped and aborted uploads free what they had at once: there are no leftovers.
        Ok(SweepReport::default())
    }
}

/// The bytes at `range`, in pieces that share the blob's memory.
fn pieces(bytes: &Bytes, range: &Range<u64>) -> impl Iterator<Item = Bytes> + Send + 'static {
    let inside = "a range is resolved against the size of bytes that are in memory";
    let start = usize::try_from(range.start).expect(inside);
    let end = usize::try_from(range.end).expect(inside);
    let mut left = bytes.slice(start..end);
    iter::from_fn(move || {
        let piece = left.split_to(left.len().min(PIECE));
        (!piece.is_empty()).then_some(piece)
    })
}

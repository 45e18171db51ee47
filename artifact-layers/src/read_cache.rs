//! A cache of small blobs.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use artifact_backend::{
    ArtifactBackend, ArtifactId, ArtifactInventory, ByteRange, Download, Error, Layer, Operation,
    Result, Stamp, forward,
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use quick_cache::sync::{Cache, DefaultLifecycle, GuardResult};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

/// A cache in memory for reads of small blobs.
///
/// A `load`, and a `download` of the whole blob, keep a copy of a blob of up to
/// [`max_blob`](Self::with_max_blob) bytes. Later loads and downloads, also of a range, then do not reach the
/// inner backend. The blobs used least are evicted. Blobs never change, so entries do not expire.
///
/// - **Memory**: The copies, and 128 bytes for each entry, take at most the limit that [`new`](Self::new) got.
/// - **Deletes**: A blob whose delete returned is not served again by this backend and its clones, also if a
///   read was in progress meanwhile. After a delete that failed or was dropped, the storage decides: the blob
///   may be read and cached again while it exists.
/// - **Other processes**: A blob that another process or another handle deletes may be served until it is
///   evicted. Apply the layer only where that is allowed, for example because each read is authorized by a row
///   that is deleted first.
/// - **Errors** are not cached: a missing blob may be stored later, and a corrupt one repaired.
/// - **Stamp**: A cached download has the stamp of the read that filled the entry, or no stamp if that was a
///   `load`. Damage in the storage does not show until the entry is evicted, so give a scrub the inner backend.
///
/// `stat`, `list` and writes always reach the inner backend.
#[derive(Debug, Clone)]
#[must_use = "a layer does nothing until it is applied"]
pub struct ReadCache {
    max_bytes: u64,
    max_blob: u64,
}

impl ReadCache {
    /// The memory in bytes that an entry takes beside its blob.
    pub const ENTRY_BYTES: u64 = 128;

    /// Creates the layer with the memory of the cache in bytes.
    pub fn new(max_bytes: u64) -> Self {
        Self {
            max_bytes,
            max_blob: 64 * 1024,
        }
    }

    /// Sets the size in bytes of the largest blob that is cached (default: 64 KiB). A blob that takes more than
    /// a quarter of the memory is not cached.
    pub fn with_max_blob(mut self, bytes: u64) -> Self {
        self.max_blob = bytes;
        self
    }
}

impl<B: ArtifactBackend> Layer<B> for ReadCache {
    type Backend = CachedBackend<B>;

    fn layer(&self, inner: B) -> Self::Backend {
        CachedBackend {
            blobs: Arc::new(Blobs::new(self)),
            inner,
        }
    }
}

/// A backend with a [`ReadCache`]. Clones share the cache.
#[derive(Debug, Clone)]
pub struct CachedBackend<B> {
    blobs: Arc<Blobs>,
    inner: B,
}

impl<B> CachedBackend<B> {
    /// Returns the memory in bytes that the cached blobs take now.
    pub fn cached_bytes(&self) -> u64 {
        self.blobs.cache.weight()
    }
}

#[async_trait]
impl<B: ArtifactBackend> ArtifactBackend for CachedBackend<B> {
    forward!(inner => store, upload, stat, noted);

    async fn load(&self, id: ArtifactId) -> Result<Bytes> {
        let place = match self.blobs.get(id) {
            GuardResult::Value(blob) => return Ok(blob.bytes),
            GuardResult::Guard(place) => Some(place),
            GuardResult::Timeout => None,
        };
        let bytes = self.inner.load(id).await?;
        if let Some(place) = place.filter(|_| self.blobs.accepts(bytes.len() as u64)) {
            // Fails if the blob was deleted meanwhile.
            let _ = place.insert(Blob::copy(&bytes, None));
        }
        Ok(bytes)
    }

    async fn download(&self, id: ArtifactId, range: ByteRange) -> Result<Download> {
        if range != ByteRange::Full {
            return match self.blobs.cache.get(&id) {
                Some(blob) => blob.download(id, range),
                None => self.inner.download(id, range).await,
            };
        }
        let place = match self.blobs.get(id) {
            GuardResult::Value(blob) => return blob.download(id, range),
            GuardResult::Guard(place) => Some(place),
            GuardResult::Timeout => None,
        };
        let download = self.inner.download(id, range).await?;
        match place.filter(|_| self.blobs.accepts(download.size())) {
            None => Ok(download),
            Some(place) => {
                let stamp = download.stamp();
                let blob = Blob::copy(&download.into_bytes().await?, stamp);
                let _ = place.insert(blob.clone());
                blob.download(id, range)
            }
        }
    }
}

#[async_trait]
impl<B: ArtifactInventory> ArtifactInventory for CachedBackend<B> {
    forward!(inner => list, list_shard, sweep, store_id, create_store_id, probe, close, note_log);

    async fn delete(&self, id: ArtifactId) -> Result<()> {
        // Removes the entry after the delete, whether it succeeds, fails or is dropped: a read that began
        // before may have filled it meanwhile.
        let _forget = Forget {
            blobs: &self.blobs,
            id,
        };
        self.inner.delete(id).await
    }
}

struct Forget<'b> {
    blobs: &'b Blobs,
    id: ArtifactId,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        // Also removes the place that a read in progress has reserved.
        self.blobs.cache.remove(&self.id);
    }
}

/// A cached blob. It owns its memory alone, so that it does not keep a larger buffer alive.
#[derive(Clone)]
struct Blob {
    bytes: Bytes,
    stamp: Option<Stamp>,
}

impl Blob {
    fn copy(bytes: &Bytes, stamp: Option<Stamp>) -> Self {
        Self {
            bytes: Bytes::copy_from_slice(bytes),
            stamp,
        }
    }

    fn download(self, id: ArtifactId, range: ByteRange) -> Result<Download> {
        let size = self.bytes.len() as u64;
        let range = range
            .resolve(size)
            .map_err(|range| Error::invalid_range(Operation::Download, id, range))?;
        let download = if range == (0..size) {
            Download::in_memory(id, self.bytes)
        } else {
            let inside = "a resolved range lies inside a blob that is in memory";
            let start = usize::try_from(range.start).expect(inside);
            let end = usize::try_from(range.end).expect(inside);
            let chunk = Ok(self.bytes.slice(start..end));
            Download::new(id, size, range, stream::iter([chunk]).boxed())
        };
        Ok(match self.stamp {
            Some(stamp) => download.with_stamp(stamp),
            None => download,
        })
    }
}

#[derive(Debug, Clone)]
struct Size;

impl Weighter<ArtifactId, Blob> for Size {
    fn weight(&self, _id: &ArtifactId, blob: &Blob) -> u64 {
        blob.bytes.len() as u64 + ReadCache::ENTRY_BYTES
    }
}

type BlobCache = Cache<ArtifactId, Blob, Size>;

struct Blobs {
    cache: BlobCache,
    max_blob: u64,
}

impl Blobs {
    fn new(config: &ReadCache) -> Self {
        // The cache is divided into shards, which each need room for several of the largest blobs.
        let largest = config.max_blob.saturating_add(ReadCache::ENTRY_BYTES);
        let max_blob = (config.max_bytes / 4).min(largest);
        let shards = (config.max_bytes / max_blob.max(1) / 4).clamp(1, 32);
        let shards = 1 << shards.ilog2();
        // The capacity of a shard is rounded up, so the sum would exceed the limit.
        let capacity = config.max_bytes / shards * shards;
        let entries = (config.max_bytes / 4096).clamp(32 * shards, 1 << 20);
        let to_usize = |number: u64| usize::try_from(number).expect("it is less than 2^20");
        let options = OptionsBuilder::new()
            .shards(to_usize(shards))
            .estimated_items_capacity(to_usize(entries))
            .weight_capacity(capacity)
            // The cache would remember ids of evicted blobs, in memory that it does not count.
            .ghost_allocation(0.0)
            .build()
            .expect("every option that has no default is set");
        let hasher = DefaultHashBuilder::default();
        Self {
            cache: Cache::with_options(options, Size, hasher, DefaultLifecycle::default()),
            max_blob: max_blob.saturating_sub(ReadCache::ENTRY_BYTES),
        }
    }

    fn accepts(&self, size: u64) -> bool {
        size <= self.max_blob
    }

    /// Returns the blob, or a place for it. Never waits for another read of this blob: of two reads at once, only
    /// the first fills the place.
    fn get(
        &self,
        id: ArtifactId,
    ) -> GuardResult<
        '_,
        ArtifactId,
        Blob,
        Size,
        DefaultHashBuilder,
        DefaultLifecycle<ArtifactId, Blob>,
    > {
        self.cache.get_value_or_guard(&id, Some(Duration::ZERO))
    }
}

impl fmt::Debug for Blobs {
    // Does not print the blobs, which are secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blobs")
            .field("entries", &self.cache.len())
            .field("bytes", &self.cache.weight())
            .finish_non_exhaustive()
    }
}

//! The cache of entries of sealed segments, so that the load of a hot blob reads no index.

use artifact_backend::ArtifactId;
use quick_cache::sync::Cache;

use crate::format::entry::Entry;

/// The newest entries of ids that were found in sealed segments, with the numbers of their segments.
///
/// An entry that is replaced must be [removed](Self::remove) before the new one can be found, and no entry may be inserted after that
/// which was read before it. [`Index`](super::index::Index) does both under its lock.
#[derive(Debug)]
pub(crate) struct EntryCache(Option<Cache<ArtifactId, (u32, Entry)>>);

impl EntryCache {
    /// Creates a cache of up to `entries` entries. Memory is used when it is filled.
    pub(crate) fn new(entries: usize) -> Self {
        Self((entries > 0).then(|| Cache::new(entries)))
    }

    pub(crate) fn get(&self, id: ArtifactId) -> Option<(u32, Entry)> {
        self.0.as_ref()?.get(&id)
    }

    pub(crate) fn insert(&self, segment: u32, entry: Entry) {
        if let Some(cache) = &self.0 {
            cache.insert(entry.id, (segment, entry));
        }
    }

    pub(crate) fn remove(&self, id: ArtifactId) {
        if let Some(cache) = &self.0 {
            cache.remove(&id);
        }
    }
}

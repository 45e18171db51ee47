//! A cache of artifacts that were read and verified recently, so that they are not read and hashed
//! again.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use artifact_backend::{ArtifactId, Stamp};
use bytes::Bytes;

/// One artifact takes at most this fraction (1/n) of the memory.
const MAX_FRACTION: u64 = 8;
/// The size of an entry without its chunks.
const ENTRY_BYTES: usize = 256;

/// Verified blobs by id and by the stamp that they were read under. A caller has just opened the blob,
/// so a deleted or changed blob is never served from here.
///
/// The oldest entry is evicted, unless it was used since it was last considered (the second chance of
/// CLOCK). One pass over many blobs therefore does not evict the entries that are used often.
pub(crate) struct VerifiedCache {
    max_bytes: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    bytes: usize,
    entries: HashMap<ArtifactId, Entry>,
    /// Every id of `entries` once, in the order of eviction.
    order: VecDeque<ArtifactId>,
}

struct Entry {
    stamp: Stamp,
    chunks: Arc<[Bytes]>,
    bytes: usize,
    used: bool,
}

impl VerifiedCache {
    /// Creates a cache of about `max_bytes` bytes.
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Only an allocation can panic in the critical sections, and that ends the process.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether a blob of `size` bytes is cached.
    pub(crate) fn accepts(&self, size: u64) -> bool {
        size <= self.max_bytes as u64 / MAX_FRACTION && self.max_bytes > ENTRY_BYTES
    }

    /// Returns the chunks of a blob, if its storage has not changed since they were read.
    pub(crate) fn get(&self, id: ArtifactId, stamp: Stamp) -> Option<Arc<[Bytes]>> {
        let mut state = self.state();
        let entry = state.entries.get_mut(&id)?;
        if entry.stamp != stamp {
            return None;
        }
        entry.used = true;
        Some(Arc::clone(&entry.chunks))
    }

    /// Caches the chunks of a blob whose size is [accepted](Self::accepts).
    pub(crate) fn insert(&self, id: ArtifactId, stamp: Stamp, chunks: Arc<[Bytes]>) {
        // The buffer of a chunk may be twice as large as the chunk.
        let sizes = chunks.iter().map(|chunk| chunk.len().next_power_of_two());
        let bytes = sizes.sum::<usize>() + ENTRY_BYTES;
        let mut state = self.state();
        state.make_room(self.max_bytes.saturating_sub(bytes));
        state.bytes += bytes;
        let entry = Entry {
            stamp,
            chunks,
            bytes,
            used: false,
        };
        match state.entries.insert(id, entry) {
            Some(old) => state.bytes -= old.bytes,
            None => state.order.push_back(id),
        }
    }

    /// Removes a blob that was deleted.
    pub(crate) fn forget(&self, id: ArtifactId) {
        let mut state = self.state();
        if let Some(entry) = state.entries.remove(&id) {
            state.bytes -= entry.bytes;
            state.order.retain(|cached| *cached != id);
        }
    }
}

impl State {
    /// Evicts entries until at most `max_bytes` bytes remain.
    fn make_room(&mut self, max_bytes: usize) {
        while self.bytes > max_bytes {
            let Some(id) = self.order.pop_front() else {
                return;
            };
            let Some(entry) = self.entries.get_mut(&id) else {
                continue;
            };
            if std::mem::take(&mut entry.used) {
                self.order.push_back(id);
            } else {
                self.bytes -= entry.bytes;
                self.entries.remove(&id);
            }
        }
    }
}

impl fmt::Debug for VerifiedCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedCache")
            .field("max_bytes", &self.max_bytes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp::new([1, 2, 3]);

    fn id(number: u8) -> ArtifactId {
        ArtifactId::from_bytes([number; 16])
    }

    fn insert(cache: &VerifiedCache, number: u8, length: usize) {
        let chunk = Bytes::from(vec![number; length]);
        cache.insert(id(number), STAMP, [chunk].into());
    }

    fn holds(cache: &VerifiedCache, number: u8) -> bool {
        let found = cache.get(id(number), STAMP);
        found.is_some_and(|chunks| chunks[0].first() == Some(&number))
    }

    #[test]
    fn entries_of_changed_blobs_are_not_found_and_are_replaced() {
        let cache = VerifiedCache::new(1 << 20);
        insert(&cache, 1, 100);
        let changed = Stamp::new([1, 2, 4]);
        assert!(holds(&cache, 1) && cache.get(id(1), changed).is_none());
        cache.insert(id(1), changed, [Bytes::from_static(b"x")].into());
        assert!(!holds(&cache, 1) && cache.get(id(1), changed).is_some());
        let state = cache.state();
        assert_eq!((state.bytes, state.order.len()), (1 + ENTRY_BYTES, 1));
    }

    #[test]
    fn memory_is_bounded_and_used_entries_stay() {
        let each = (4 << 10) + ENTRY_BYTES;
        let cache = VerifiedCache::new(10 * each);
        insert(&cache, 0, 4 << 10);
        for number in 1..100 {
            insert(&cache, number, 4 << 10);
            assert!(holds(&cache, 0), "after {number}");
            let state = cache.state();
            assert!(state.bytes <= 10 * each, "{}", state.bytes);
            assert_eq!(state.order.len(), state.entries.len());
        }
        assert!(!holds(&cache, 1) && holds(&cache, 99));
    }

    #[test]
    fn forgotten_entries_leave_nothing_behind() {
        let cache = VerifiedCache::new(1 << 20);
        insert(&cache, 1, 100);
        cache.forget(id(1));
        cache.forget(id(2));
        assert!(!holds(&cache, 1));
        let state = cache.state();
        assert_eq!((state.bytes, state.order.len()), (0, 0));
    }

    #[test]
    fn entries_larger_than_an_eighth_of_the_memory_are_not_accepted() {
        assert!(!VerifiedCache::new(0).accepts(0));
        let cache = VerifiedCache::new(8 << 10);
        assert!(cache.accepts(1 << 10) && !cache.accepts((1 << 10) + 1));
    }
}

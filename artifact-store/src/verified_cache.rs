//! A cache of artifacts that were read and verified recently, so that they are not read and hashed
//! again. Entries and the reads that collect new ones share one memory budget.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use artifact_backend::{ArtifactId, Stamp};
use bytes::Bytes;

use crate::metrics::CacheMetrics;

/// One artifact takes at most this fraction (1/n) of the memory.
const MAX_FRACTION: u64 = 8;
/// All collections together take at most this fraction (1/n) of the memory, so that slow readers
/// cannot evict every entry.
const COLLECTIONS_FRACTION: usize = 2;
/// The size of an entry without its chunks.
const ENTRY_BYTES: usize = 256;

/// Verified blobs by id and by the stamp that they were read under. A caller has just opened the blob,
/// so a deleted or changed blob is never served from here.
///
/// The oldest entry is evicted, unless it was used since it was last considered (the second chance of
/// CLOCK). One pass over many blobs therefore does not evict the entries that are used often. An entry
/// that a reader still holds is not evicted, because that would free no memory.
pub(crate) struct VerifiedCache {
    max_bytes: usize,
    /// The memory of all entries and collections, in bytes. Grows only while `state` is locked.
    held_bytes: Arc<AtomicUsize>,
    state: Mutex<State>,
    lookups: CacheMetrics,
}

#[derive(Default)]
struct State {
    entries: HashMap<ArtifactId, Arc<Entry>>,
    /// Every id of `entries` once, in the order of eviction.
    order: VecDeque<ArtifactId>,
    collections: HashMap<ArtifactId, Collection>,
    /// The memory of `collections` in bytes.
    collecting_bytes: usize,
    last_ticket: u64,
}

/// A verified blob.
pub(crate) struct Entry {
    stamp: Stamp,
    chunks: Vec<Bytes>,
    used: AtomicBool,
    /// Returned to the budget when the cache and the last reader have dropped the entry.
    _memory: Memory,
}

impl Entry {
    pub(crate) fn chunks(&self) -> &[Bytes] {
        &self.chunks
    }

    /// Returns the bytes of a blob that has one chunk. They hold the entry, as every reader does.
    pub(crate) fn single_chunk(entry: &Arc<Self>) -> Option<Bytes> {
        matches!(*entry.chunks, [_]).then(|| Bytes::from_owner(SingleChunk(Arc::clone(entry))))
    }
}

/// The owner of the bytes of an entry with one chunk.
struct SingleChunk(Arc<Entry>);

impl AsRef<[u8]> for SingleChunk {
    fn as_ref(&self) -> &[u8] {
        self.0.chunks.first().map_or(&[], |chunk| chunk)
    }
}

/// The chunks of a blob that one reader collects.
struct Collection {
    ticket: u64,
    stamp: Stamp,
    chunks: Vec<Bytes>,
    /// How many bytes the blob has, and how many of them are collected.
    size: u64,
    collected: u64,
    memory: Memory,
}

/// A part of the budget; dropping it returns it.
struct Memory {
    held_bytes: Arc<AtomicUsize>,
    bytes: usize,
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.held_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl VerifiedCache {
    /// Creates a cache that holds at most `max_bytes` bytes.
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            held_bytes: Arc::default(),
            state: Mutex::default(),
            lookups: CacheMetrics::of_verified(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Only an allocation can panic in the critical sections, and that ends the process.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accepts(&self, size: u64) -> bool {
        size <= self.max_bytes as u64 / MAX_FRACTION && self.max_bytes > ENTRY_BYTES
    }

    /// Returns a blob, if its storage has not changed since it was read.
    pub(crate) fn get(&self, id: ArtifactId, stamp: Stamp) -> Option<Arc<Entry>> {
        let found = self.find(id, stamp);
        let count = match found {
            Some(_) => &self.lookups.hit,
            None => &self.lookups.miss,
        };
        count.increment(1);
        found
    }

    fn find(&self, id: ArtifactId, stamp: Stamp) -> Option<Arc<Entry>> {
        let state = self.state();
        let entry = state
            .entries
            .get(&id)
            .filter(|entry| entry.stamp == stamp)?;
        entry.used.store(true, Ordering::Relaxed);
        Some(Arc::clone(entry))
    }

    /// Begins to collect a blob of `size` bytes. Returns `None` if it is too large or the budget is
    /// used up.
    ///
    /// If another reader collects the blob already, the returned collector only competes with it.
    pub(crate) fn collect(
        self: &Arc<Self>,
        id: ArtifactId,
        stamp: Stamp,
        size: u64,
    ) -> Option<Collector> {
        if !self.accepts(size) {
            return None;
        }
        let mut state = self.state();
        let collector = |ticket, is_active| Collector {
            cache: Arc::clone(self),
            id,
            ticket,
            is_active,
        };
        if let Some(other) = state.collections.get(&id)
            && other.stamp == stamp
        {
            return Some(collector(other.ticket, false));
        }
        state.remove_collection(id);
        if !self.reserve(&mut state, ENTRY_BYTES) {
            return None;
        }
        state.last_ticket += 1;
        let ticket = state.last_ticket;
        let collection = Collection {
            ticket,
            stamp,
            chunks: Vec::new(),
            size,
            collected: 0,
            memory: Memory {
                held_bytes: Arc::clone(&self.held_bytes),
                bytes: ENTRY_BYTES,
            },
        };
        state.collections.insert(id, collection);
        Some(collector(ticket, true))
    }

    /// Removes a blob that was deleted or is damaged.
    pub(crate) fn forget(&self, id: ArtifactId) {
        let mut state = self.state();
        state.remove_collection(id);
        if state.entries.remove(&id).is_some() {
            state.order.retain(|cached| *cached != id);
        }
    }

    /// Takes memory for a collection from the budget. Evicts entries if necessary.
    fn reserve(&self, state: &mut State, bytes: usize) -> bool {
        if state.collecting_bytes + bytes > self.max_bytes / COLLECTIONS_FRACTION {
            return false;
        }
        while self.held_bytes.load(Ordering::Relaxed) + bytes > self.max_bytes {
            if !state.evict() {
                return false;
            }
        }
        self.held_bytes.fetch_add(bytes, Ordering::Relaxed);
        state.collecting_bytes += bytes;
        true
    }
}

impl State {
    /// Evicts one entry, unless readers hold all of them.
    fn evict(&mut self) -> bool {
        // The second look at an entry finds it unused.
        for _ in 0..2 * self.order.len() {
            let Some(id) = self.order.pop_front() else {
                return false;
            };
            let Some(entry) = self.entries.get(&id) else {
                continue;
            };
            if Arc::strong_count(entry) > 1 || entry.used.swap(false, Ordering::Relaxed) {
                self.order.push_back(id);
            } else {
                self.entries.remove(&id);
                return true;
            }
        }
        false
    }

    /// Returns the collection if it still has this ticket.
    fn collection(&mut self, id: ArtifactId, ticket: u64) -> Option<&mut Collection> {
        let collection = self.collections.get_mut(&id);
        collection.filter(|collection| collection.ticket == ticket)
    }

    fn remove_collection(&mut self, id: ArtifactId) -> Option<Collection> {
        let collection = self.collections.remove(&id)?;
        self.collecting_bytes -= collection.memory.bytes;
        Some(collection)
    }
}

impl fmt::Debug for VerifiedCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedCache")
            .field("max_bytes", &self.max_bytes)
            .field("held_bytes", &self.held_bytes)
            .finish_non_exhaustive()
    }
}

/// A reader's part in the collection of a blob: it collects the chunks, or competes with the reader
/// that does.
///
/// Of the readers of one blob only one collects. If a later reader is at the end of the blob before
/// the collecting reader is at its middle, the collection is given up and the next reader begins
/// another, so that a slow client does not keep a blob out of the cache.
pub(crate) struct Collector {
    cache: Arc<VerifiedCache>,
    id: ArtifactId,
    /// Identifies the collection.
    ticket: u64,
    /// Whether this reader collects.
    is_active: bool,
}

impl Collector {
    /// Returns whether this reader collects.
    pub(crate) fn is_active(&self) -> bool {
        self.is_active
    }

    /// Adds the next chunk. Gives the collection up if the budget has no room for the chunk.
    pub(crate) fn push(&mut self, chunk: &Bytes) {
        if !self.is_active {
            return;
        }
        // The buffer of a chunk may be twice as large as the chunk.
        let bytes = chunk.len().next_power_of_two();
        let mut state = self.cache.state();
        self.is_active = state.collection(self.id, self.ticket).is_some();
        if !self.is_active {
            return;
        }
        if !self.cache.reserve(&mut state, bytes) {
            state.remove_collection(self.id);
            self.is_active = false;
        } else if let Some(collection) = state.collection(self.id, self.ticket) {
            collection.memory.bytes += bytes;
            collection.collected += chunk.len() as u64;
            collection.chunks.push(chunk.clone());
        }
    }

    /// Caches the collected chunks after they were verified.
    pub(crate) fn finish(mut self) {
        let mut state = self.cache.state();
        let Some(collection) = state.collection(self.id, self.ticket) else {
            return;
        };
        if !self.is_active {
            if collection.collected < collection.size / 2 {
                state.remove_collection(self.id);
            }
            return;
        }
        let Some(collection) = state.remove_collection(self.id) else {
            return;
        };
        let entry = Entry {
            stamp: collection.stamp,
            chunks: collection.chunks,
            used: AtomicBool::new(false),
            _memory: collection.memory,
        };
        if state.entries.insert(self.id, Arc::new(entry)).is_none() {
            state.order.push_back(self.id);
        }
        drop(state);
        self.is_active = false;
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        if self.is_active {
            let mut state = self.cache.state();
            if state.collection(self.id, self.ticket).is_some() {
                state.remove_collection(self.id);
            }
        }
    }
}

#[cfg(test)]
mod tests;

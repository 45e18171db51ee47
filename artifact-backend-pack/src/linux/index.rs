//! Which segment holds which id.
//!
//! `tests/model` explores interleavings of this module with loom.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use artifact_backend::{ArtifactId, Operation, Result, Shard};
use foldhash::HashMap;

use crate::format::entry::{Content, Entry};
use crate::format::filter::Probe;
use crate::linux::entry_cache::EntryCache;
use crate::linux::segment::{NotCached, Sealed, SegmentFile, Wait};
use crate::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The file that is written to, with the last entry of each of its ids.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) file: Arc<SegmentFile>,
    pub(crate) entries: HashMap<ArtifactId, Entry>,
}

#[derive(Debug, Default)]
struct State {
    open: Option<Open>,
    /// In ascending order of their numbers.
    sealed: Vec<Arc<Sealed>>,
    by_number: HashMap<u32, Arc<Sealed>>,
    /// Changes when a segment is sealed or removed.
    generation: u64,
}

/// The entries of all segments: those of the open one in memory, those of sealed ones in their indexes.
///
/// The newest entry of an id decides. An entry gets here only when it is durable.
#[derive(Debug)]
pub(crate) struct Index {
    state: RwLock<State>,
    cache: EntryCache,
}

/// The sealed segments that may have an id, newest first, at one moment.
#[derive(Debug)]
struct Candidates {
    segments: Vec<Arc<Sealed>>,
    generation: u64,
}

/// Where an entry was found.
#[derive(Debug, Clone)]
pub(crate) enum Holder {
    Open(Arc<SegmentFile>),
    Sealed(Arc<Sealed>),
}

impl Holder {
    pub(crate) fn file(&self) -> &SegmentFile {
        match self {
            Self::Open(file) => file,
            Self::Sealed(sealed) => &sealed.file,
        }
    }
}

/// The entry of an id and its segment.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) holder: Holder,
    pub(crate) entry: Entry,
}

impl Found {
    /// Returns the entry unless it is a tombstone.
    pub(crate) fn is_blob(&self) -> bool {
        !matches!(self.entry.content, Content::Tombstone { .. })
    }
}

impl Index {
    /// Creates an index that caches up to `cached` entries of sealed segments.
    pub(crate) fn new(cached: usize) -> Self {
        Self {
            state: RwLock::new(State::default()),
            cache: EntryCache::new(cached),
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds the newest entry of an id, which may be a tombstone.
    pub(crate) fn find(
        &self,
        operation: Operation,
        id: ArtifactId,
        wait: Wait,
    ) -> Result<Result<Option<Found>, NotCached>> {
        let candidates = match self.find_in_memory(id) {
            Ok(found) => return Ok(Ok(Some(found))),
            Err(candidates) => candidates,
        };
        for sealed in candidates.segments {
            match sealed.search(operation, id, wait)? {
                Ok(Some(entry)) => {
                    self.remember(candidates.generation, &sealed, entry);
                    return Ok(Ok(Some(Found {
                        holder: Holder::Sealed(sealed),
                        entry,
                    })));
                }
                Ok(None) => {}
                Err(NotCached) => return Ok(Err(NotCached)),
            }
        }
        Ok(Ok(None))
    }

    /// Finds an entry of the open segment, or one in the cache. Else returns the sealed segments to search.
    fn find_in_memory(&self, id: ArtifactId) -> Result<Found, Candidates> {
        let state = self.read();
        if let Some(open) = &state.open
            && let Some(entry) = open.entries.get(&id)
        {
            return Ok(Found {
                holder: Holder::Open(Arc::clone(&open.file)),
                entry: *entry,
            });
        }
        if let Some((number, entry)) = self.cache.get(id)
            && let Some(sealed) = state.by_number.get(&number)
        {
            return Ok(Found {
                holder: Holder::Sealed(Arc::clone(sealed)),
                entry,
            });
        }
        let probe = Probe::new(id);
        let newest_first = state.sealed.iter().rev();
        let segments = newest_first.filter(|sealed| sealed.filter.may_contain(&probe));
        Err(Candidates {
            segments: segments.cloned().collect(),
            generation: state.generation,
        })
    }

    /// Caches an entry that was found in a segment, unless there may be a newer one by now. The lock keeps [`apply`](Self::apply) out
    /// between the look and the insertion.
    fn remember(&self, generation: u64, sealed: &Sealed, entry: Entry) {
        let state = self.read();
        let is_replaced = |open: &Open| open.entries.contains_key(&entry.id);
        if state.generation == generation && !state.open.as_ref().is_some_and(is_replaced) {
            self.cache.insert(sealed.number(), entry);
        }
    }

    /// Adds durable entries of the open segment.
    pub(crate) fn apply(&self, entries: &[Entry]) {
        let mut state = self.write();
        for entry in entries {
            if let Some(replaced) = state.by_number.get(&entry.replaces) {
                replaced
                    .freed
                    .fetch_add(entry.freed().into(), Ordering::Relaxed);
            }
        }
        let open = state.open.as_mut().expect("a frame has a segment");
        for entry in entries {
            self.cache.remove(entry.id);
            open.entries.insert(entry.id, *entry);
        }
    }

    /// Begins a segment.
    pub(crate) fn open(&self, open: Open) {
        self.write().open = Some(open);
    }

    /// Replaces the open segment by its sealed form.
    pub(crate) fn seal(&self, sealed: Sealed) {
        let mut state = self.write();
        state.open = None;
        state.add(sealed);
    }

    /// Adds a sealed segment while the root is opened.
    pub(crate) fn add(&self, sealed: Sealed) {
        self.write().add(sealed);
    }

    /// Forgets a segment whose live records were moved.
    pub(crate) fn remove(&self, number: u32) {
        let mut state = self.write();
        state.sealed.retain(|sealed| sealed.number() != number);
        state.by_number.remove(&number);
        state.generation += 1;
    }

    /// Returns the sealed segments in ascending order of their numbers.
    pub(crate) fn sealed(&self) -> Vec<Arc<Sealed>> {
        self.read().sealed.clone()
    }

    /// Returns all segments in ascending order of their numbers.
    pub(crate) fn holders(&self) -> Vec<Holder> {
        let state = self.read();
        let sealed = state
            .sealed
            .iter()
            .map(|sealed| Holder::Sealed(Arc::clone(sealed)));
        let open = state
            .open
            .iter()
            .map(|open| Holder::Open(Arc::clone(&open.file)));
        sealed.chain(open).collect()
    }

    /// Returns how many ids the open segment has.
    pub(crate) fn open_len(&self) -> usize {
        let state = self.read();
        state.open.as_ref().map_or(0, |open| open.entries.len())
    }

    /// Returns the entries of the open segment.
    pub(crate) fn open_entries(&self) -> Vec<Entry> {
        let state = self.read();
        let open = state.open.iter().flat_map(|open| open.entries.values());
        open.copied().collect()
    }

    /// Returns the entries of the open segment in a range of ids, sorted, and the sealed segments, newest first.
    pub(crate) fn sources(
        &self,
        shard: Option<Shard>,
        after: Option<ArtifactId>,
    ) -> (Vec<Entry>, Vec<Arc<Sealed>>) {
        let state = self.read();
        let open = state.open.iter().flat_map(|open| open.entries.values());
        let wanted = |entry: &&Entry| {
            shard.is_none_or(|shard| shard.contains(entry.id))
                && after.is_none_or(|after| entry.id > after)
        };
        let mut entries: Vec<_> = open.filter(wanted).copied().collect();
        let sealed = state.sealed.iter().rev().cloned().collect();
        drop(state);
        entries.sort_unstable_by_key(|entry| entry.id);
        (entries, sealed)
    }

    /// Counts bytes that an entry has made useless.
    pub(crate) fn count_freed(&self, entry: &Entry) {
        if let Some(replaced) = self.read().by_number.get(&entry.replaces) {
            replaced
                .freed
                .fetch_add(entry.freed().into(), Ordering::Relaxed);
        }
    }
}

impl State {
    /// Adds the newest sealed segment.
    fn add(&mut self, sealed: Sealed) {
        let sealed = Arc::new(sealed);
        self.by_number.insert(sealed.number(), Arc::clone(&sealed));
        self.sealed.push(sealed);
        self.generation += 1;
    }
}

//! Which segment holds which id.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use artifact_backend::{ArtifactId, Operation, Result, Shard};

use crate::format::entry::{Content, Entry};
use crate::linux::segment::{NotCached, Sealed, SegmentFile, Wait};

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
}

/// The entries of all segments: those of the open one in memory, those of sealed ones in their indexes.
///
/// The newest entry of an id decides. An entry gets here only when it is durable.
#[derive(Debug, Default)]
pub(crate) struct Index(RwLock<State>);

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
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds the newest entry of an id, which may be a tombstone.
    pub(crate) fn find(
        &self,
        operation: Operation,
        id: ArtifactId,
        wait: Wait,
    ) -> Result<Result<Option<Found>, NotCached>> {
        let candidates: Vec<_> = {
            let state = self.read();
            if let Some(open) = &state.open
                && let Some(entry) = open.entries.get(&id)
            {
                return Ok(Ok(Some(Found {
                    holder: Holder::Open(Arc::clone(&open.file)),
                    entry: *entry,
                })));
            }
            let newest_first = state.sealed.iter().rev();
            newest_first
                .filter(|sealed| sealed.filter.may_contain(id))
                .cloned()
                .collect()
        };
        for sealed in candidates {
            match sealed.search(operation, id, wait)? {
                Ok(Some(entry)) => {
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

    /// Adds durable entries of the open segment.
    pub(crate) fn apply(&self, entries: &[Entry]) {
        let mut state = self.write();
        for entry in entries {
            if let Some(replaced) = sealed(&state.sealed, entry.replaces) {
                replaced
                    .freed
                    .fetch_add(entry.freed().into(), Ordering::Relaxed);
            }
        }
        let open = state.open.as_mut().expect("a frame has a segment");
        for entry in entries {
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
        state.sealed.push(Arc::new(sealed));
    }

    /// Adds a sealed segment while the root is opened.
    pub(crate) fn add(&self, sealed: Sealed) {
        self.write().sealed.push(Arc::new(sealed));
    }

    /// Forgets a segment whose live records were moved.
    pub(crate) fn remove(&self, number: u32) {
        let mut state = self.write();
        state.sealed.retain(|sealed| sealed.number() != number);
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
        if let Some(replaced) = sealed(&self.read().sealed, entry.replaces) {
            replaced
                .freed
                .fetch_add(entry.freed().into(), Ordering::Relaxed);
        }
    }
}

/// Returns the sealed segment with a number.
fn sealed(all: &[Arc<Sealed>], number: u32) -> Option<&Sealed> {
    let at = all.binary_search_by_key(&number, |sealed| sealed.number());
    at.ok().map(|at| &*all[at])
}

//! The map and the count of bytes, which change together under one lock.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use artifact_backend::{ArtifactId, BlobStat, Clock, Error, Operation, Result};
use bytes::Bytes;

use crate::config::MemConfig;
use crate::error;

/// What all clones of one backend, and its uploads, share.
#[derive(Debug)]
pub(crate) struct Shared {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

impl Shared {
    pub(crate) fn new(config: MemConfig) -> Self {
        let MemConfig {
            max_total_bytes,
            clock,
        } = config;
        Self {
            clock,
            state: Mutex::new(State {
                blobs: BTreeMap::new(),
                used: 0,
                limit: max_total_bytes.unwrap_or(u64::MAX),
            }),
        }
    }

    pub(crate) fn now(&self) -> SystemTime {
        self.clock.now()
    }

    /// The lock is never held across an await, and nothing that can panic runs under it, so the
    /// state is whole even where a thread died with it.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every blob, and how many bytes they and the uploads in flight have together.
pub(crate) struct State {
    // Sorted, so that a list can go on behind the last id that it showed.
    blobs: BTreeMap<ArtifactId, Blob>,
    used: u64,
    limit: u64,
}

struct Blob {
    bytes: Bytes,
    modified: SystemTime,
}

impl State {
    pub(crate) fn used(&self) -> u64 {
        self.used
    }

    pub(crate) fn len(&self) -> usize {
        self.blobs.len()
    }

    pub(crate) fn holds(&self, id: ArtifactId) -> bool {
        self.blobs.contains_key(&id)
    }

    /// Takes room for `wanted` bytes, or says that there is none.
    pub(crate) fn reserve(
        &mut self,
        operation: Operation,
        id: ArtifactId,
        wanted: u64,
    ) -> Result<()> {
        let free = self.limit - self.used;
        if wanted > free {
            return Err(error::out_of_space(operation, id, wanted, free));
        }
        self.used += wanted;
        Ok(())
    }

    /// Gives back room that [`reserve`](Self::reserve) took.
    pub(crate) fn release(&mut self, bytes: u64) {
        self.used -= bytes;
    }

    /// The one place where a blob comes to be: whole, and only where there is none (clauses 1 and
    /// 2). Room for it is reserved already.
    pub(crate) fn publish(
        &mut self,
        operation: Operation,
        id: ArtifactId,
        bytes: Bytes,
        modified: SystemTime,
    ) -> Result<(), Error> {
        match self.blobs.entry(id) {
            Entry::Occupied(_) => Err(error::already_exists(operation, id)),
            Entry::Vacant(place) => {
                place.insert(Blob { bytes, modified });
                Ok(())
            }
        }
    }

    pub(crate) fn bytes(&self, operation: Operation, id: ArtifactId) -> Result<Bytes> {
        match self.blobs.get(&id) {
            Some(blob) => Ok(blob.bytes.clone()),
            None => Err(error::not_found(operation, id)),
        }
    }

    pub(crate) fn stat(&self, id: ArtifactId) -> Result<BlobStat> {
        match self.blobs.get(&id) {
            Some(blob) => Ok(blob.stat(id)),
            None => Err(error::not_found(Operation::Stat, id)),
        }
    }

    pub(crate) fn remove(&mut self, id: ArtifactId) {
        if let Some(blob) = self.blobs.remove(&id) {
            self.release(blob.bytes.len() as u64);
        }
    }

    /// The first blob behind `last`, or the first of all.
    pub(crate) fn next_after(&self, last: Option<ArtifactId>) -> Option<BlobStat> {
        let from = last.map_or(Bound::Unbounded, Bound::Excluded);
        let (id, blob) = self.blobs.range((from, Bound::Unbounded)).next()?;
        Some(blob.stat(*id))
    }
}

impl std::fmt::Debug for State {
    // Never the blobs: they are others' secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("blobs", &self.blobs.len())
            .field("used", &self.used)
            .field("limit", &self.limit)
            .finish()
    }
}

impl Blob {
    fn stat(&self, id: ArtifactId) -> BlobStat {
        BlobStat::new(id, self.bytes.len() as u64, self.modified)
    }
}

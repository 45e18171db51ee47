//! The state that all clones and uploads share: the map and the byte count, under one lock.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use artifact_backend::{ArtifactId, BlobStat, Clock, Error, Operation, Result, Shard, StoreId};
use artifact_backend_config::MemConfig;
use bytes::Bytes;

use crate::error;

/// The state that all clones and uploads of a backend share.
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
            ..
        } = config;
        Self {
            clock,
            state: Mutex::new(State {
                blobs: BTreeMap::new(),
                used: 0,
                limit: max_total_bytes.unwrap_or(u64::MAX),
                store_id: None,
            }),
        }
    }

    pub(crate) fn now(&self) -> SystemTime {
        self.clock.now()
    }

    /// Locks the state. The lock is never held across an await. No code under it can panic, so a
    /// poisoned lock still guards a consistent state.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The blobs, and the bytes that they and the uploads in progress use.
pub(crate) struct State {
    // Sorted, so that a list can continue after the last id that it returned.
    blobs: BTreeMap<ArtifactId, Blob>,
    used: u64,
    limit: u64,
    pub(crate) store_id: Option<StoreId>,
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

    /// Reserves room for `wanted` bytes.
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

    /// Frees room that [`reserve`](Self::reserve) reserved.
    pub(crate) fn release(&mut self, bytes: u64) {
        self.used -= bytes;
    }

    /// Inserts a whole blob under a free id (clauses 1 and 2). The caller has reserved its room.
    pub(crate) fn publish(
        &mut self,
        operation: Operation,
        id: ArtifactId,
        bytes: Bytes,
        modified: SystemTime,
    ) -> Result<(), Error> {
        match self.blobs.entry(id) {
            Entry::Occupied(_) => Err(error::already_exists(operation, id)),
            Entry::Vacant(entry) => {
                entry.insert(Blob { bytes, modified });
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

    /// Returns the first blob after `last`, or the first of all.
    pub(crate) fn next_after(&self, last: Option<ArtifactId>) -> Option<BlobStat> {
        let from = last.map_or(Bound::Unbounded, Bound::Excluded);
        let (id, blob) = self.blobs.range((from, Bound::Unbounded)).next()?;
        Some(blob.stat(*id))
    }

    /// Returns the first blob of a shard after `after`.
    pub(crate) fn next_in(&self, shard: Shard, after: Option<ArtifactId>) -> Option<BlobStat> {
        let first = shard.first_id();
        let from = match after {
            Some(after) if after >= first => Bound::Excluded(after),
            _ => Bound::Included(first),
        };
        let (id, blob) = self.blobs.range((from, Bound::Unbounded)).next()?;
        shard.contains(*id).then(|| blob.stat(*id))
    }
}

impl std::fmt::Debug for State {
    // Does not print the blobs, which are secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("blobs", &self.blobs.len())
            .field("used", &self.used)
            .field("limit", &self.limit)
            .field("store_id", &self.store_id)
            .finish()
    }
}

impl Blob {
    fn stat(&self, id: ArtifactId) -> BlobStat {
        BlobStat::new(id, self.bytes.len() as u64, self.modified)
    }
}

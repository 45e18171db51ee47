//! A cache of rows. They never change, so entries do not expire.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

#[cfg(all(test, artifact_model))]
use loom::sync::{Mutex, MutexGuard};
#[cfg(not(all(test, artifact_model)))]
use std::sync::{Mutex, MutexGuard};

use artifact_backend::ArtifactId;

use crate::row::Row;

/// At most [`CAPACITY`](RowCache::CAPACITY) rows. A full cache is cleared: that is simpler than
/// tracking the order of use, and a missing row costs one short query.
///
/// It is not a cache from a library, because none refuses an insertion that began before a deletion;
/// see [`Epoch`].
#[derive(Debug, Default)]
pub(crate) struct RowCache(Mutex<Cached>);

#[derive(Debug, Default)]
struct Cached {
    rows: HashMap<ArtifactId, Arc<Row>>,
    /// The number of deletions so far.
    deletions: u64,
}

/// The number of deletions when a query began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Epoch(u64);

impl RowCache {
    /// A row takes about 300 bytes and at most 1 KiB, so the cache takes a few MiB.
    pub(crate) const CAPACITY: usize = 8192;

    fn lock(&self) -> MutexGuard<'_, Cached> {
        // No critical section leaves the map half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the row, or the epoch to pass to [`insert`](Self::insert) after the query.
    pub(crate) fn get(&self, id: ArtifactId) -> Result<Arc<Row>, Epoch> {
        let cached = self.lock();
        cached.rows.get(&id).cloned().ok_or(Epoch(cached.deletions))
    }

    /// Caches a row that was queried since `epoch`, unless any row was deleted meanwhile: it could be
    /// this one.
    pub(crate) fn insert(&self, epoch: Epoch, row: &Arc<Row>) {
        let mut cached = self.lock();
        if cached.deletions == epoch.0 {
            if cached.rows.len() >= Self::CAPACITY {
                cached.rows.clear();
            }
            cached.rows.insert(row.id, Arc::clone(row));
        }
    }

    /// Removes a row that was deleted.
    pub(crate) fn forget(&self, id: ArtifactId) {
        let mut cached = self.lock();
        cached.deletions += 1;
        cached.rows.remove(&id);
    }
}

#[cfg(all(test, artifact_model))]
mod model;

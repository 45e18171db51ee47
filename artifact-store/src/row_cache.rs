//! Rows that were asked for before. They never change, so they need no time to live.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

#[cfg(all(test, artifact_model))]
use loom::sync::{Mutex, MutexGuard};
#[cfg(not(all(test, artifact_model)))]
use std::sync::{Mutex, MutexGuard};

use artifact_backend::ArtifactId;

use crate::row::Row;

/// At most [`CAPACITY`](RowCache::CAPACITY) rows. When it is full it begins anew: simpler than an
/// order of use, and a row costs one short query.
#[derive(Debug, Default)]
pub(crate) struct RowCache(Mutex<Cached>);

#[derive(Debug, Default)]
struct Cached {
    rows: HashMap<ArtifactId, Arc<Row>>,
    /// How often a row was forgotten.
    forgotten: u64,
}

/// The state of the cache when a query began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Epoch(u64);

impl RowCache {
    /// A row takes some 300 bytes, at most 1 KiB: a few MiB in all.
    pub(crate) const CAPACITY: usize = 8192;

    fn lock(&self) -> MutexGuard<'_, Cached> {
        // Nothing in the critical sections leaves the map in between.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The row, or else what to give to [`insert`](Self::insert) after the query.
    pub(crate) fn get(&self, id: ArtifactId) -> Result<Arc<Row>, Epoch> {
        let cached = self.lock();
        cached.rows.get(&id).cloned().ok_or(Epoch(cached.forgotten))
    }

    /// Keeps a row that was queried since `epoch`, unless any row was forgotten meanwhile: it could
    /// be this one.
    pub(crate) fn insert(&self, epoch: Epoch, row: &Arc<Row>) {
        let mut cached = self.lock();
        if cached.forgotten == epoch.0 {
            if cached.rows.len() >= Self::CAPACITY {
                cached.rows.clear();
            }
            cached.rows.insert(row.id, Arc::clone(row));
        }
    }

    pub(crate) fn forget(&self, id: ArtifactId) {
        let mut cached = self.lock();
        cached.forgotten += 1;
        cached.rows.remove(&id);
    }
}

#[cfg(all(test, artifact_model))]
mod model;

//! A cache of experiments, because every request names one.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use crate::experiment::{Experiment, ExperimentId};

/// At most [`CAPACITY`](ExperimentCache::CAPACITY) existing experiments. They never change and are
/// never deleted, so entries do not expire. A full cache is cleared.
#[derive(Debug, Default)]
pub(crate) struct ExperimentCache(RwLock<HashMap<ExperimentId, Experiment>>);

impl ExperimentCache {
    pub(crate) const CAPACITY: usize = 1024;

    pub(crate) fn get(&self, id: &ExperimentId) -> Option<Experiment> {
        // Only single insertions happen under the lock, so a panic leaves the map valid.
        let cached = self.0.read().unwrap_or_else(PoisonError::into_inner);
        cached.get(id).cloned()
    }

    pub(crate) fn insert(&self, experiment: &Experiment) {
        let mut cached = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if cached.len() >= Self::CAPACITY {
            cached.clear();
        }
        cached.insert(experiment.id.clone(), experiment.clone());
    }
}

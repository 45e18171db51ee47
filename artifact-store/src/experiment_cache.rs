//! Experiments that were asked for before: every request names one.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use crate::experiment::{Experiment, ExperimentId};

/// Only experiments that there are, at most [`CAPACITY`](ExperimentCache::CAPACITY) of them. They never
/// change and are never deleted, so an entry needs no time to live. When it is full it begins anew.
#[derive(Debug, Default)]
pub(crate) struct ExperimentCache(RwLock<HashMap<ExperimentId, Experiment>>);

impl ExperimentCache {
    pub(crate) const CAPACITY: usize = 1024;

    pub(crate) fn get(&self, id: &ExperimentId) -> Option<Experiment> {
        // Single insertions: a panic leaves nothing half done.
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.get(id).cloned()
    }

    pub(crate) fn insert(&self, experiment: &Experiment) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= Self::CAPACITY {
            known.clear();
        }
        known.insert(experiment.id.clone(), experiment.clone());
    }
}

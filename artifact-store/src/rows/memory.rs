//! Rows in memory: the reference semantics, for tests and for trying things out.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use artifact_backend::ArtifactId;
use async_trait::async_trait;

use super::Rows;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::names::ExperimentId;
use crate::row::{Experiment, Row};

/// Rows in maps. They end with the process, and memory grows with their number.
#[derive(Debug, Default)]
pub struct MemoryRows(Mutex<Maps>);

#[derive(Debug, Default)]
struct Maps {
    experiments: BTreeMap<ExperimentId, Experiment>,
    rows: HashMap<ArtifactId, Row>,
}

impl MemoryRows {
    /// No rows yet.
    pub fn new() -> Self {
        Self::default()
    }

    fn maps(&self) -> MutexGuard<'_, Maps> {
        // Every change of the maps is one insertion or removal, so a panic cannot leave them torn.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Rows for MemoryRows {
    async fn create_experiment(&self, experiment: &Experiment) -> Result<Experiment> {
        let mut maps = self.maps();
        let known = maps.experiments.entry(experiment.id.clone());
        Ok(known.or_insert_with(|| experiment.clone()).clone())
    }

    async fn experiment(&self, id: &ExperimentId) -> Result<Option<Experiment>> {
        Ok(self.maps().experiments.get(id).cloned())
    }

    async fn experiments(&self) -> Result<Vec<Experiment>> {
        Ok(self.maps().experiments.values().cloned().collect())
    }

    async fn insert(&self, row: &Row) -> Result<()> {
        let fail = |kind| Err(Error::new(kind, Operation::InsertRow).with_id(row.id));
        let mut maps = self.maps();
        if i64::try_from(row.size).is_err() {
            return fail(ErrorKind::TooLarge);
        }
        if maps.rows.contains_key(&row.id) {
            return fail(ErrorKind::AlreadyExists);
        }
        if !maps.experiments.contains_key(&row.experiment) {
            return fail(ErrorKind::NotFound);
        }
        maps.rows.insert(row.id, row.clone());
        Ok(())
    }

    async fn get(&self, id: ArtifactId) -> Result<Option<Row>> {
        Ok(self.maps().rows.get(&id).cloned())
    }

    async fn delete(&self, id: ArtifactId) -> Result<()> {
        self.maps().rows.remove(&id);
        Ok(())
    }
}

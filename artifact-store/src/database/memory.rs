//! Rows and identities in memory: the reference semantics, for tests and for trying things out.

mod identity;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use artifact_backend::ArtifactId;
use async_trait::async_trait;

use self::identity::Groups;
use crate::catalog::Catalog;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::experiment::{Experiment, ExperimentId};
use crate::identity::{CredentialHash, Group, Worker, WorkerId};
use crate::row::Row;

/// Rows and identities in maps. They end with the process, and memory grows with their number.
#[derive(Debug, Default)]
pub struct MemoryDatabase(Mutex<Maps>);

#[derive(Debug, Default)]
struct Maps {
    experiments: BTreeMap<ExperimentId, Experiment>,
    rows: HashMap<ArtifactId, Row>,
    workers: HashMap<WorkerId, (Worker, CredentialHash)>,
    groups: Groups,
}

impl MemoryDatabase {
    /// No rows yet.
    pub fn new() -> Self {
        Self::default()
    }

    fn maps(&self) -> MutexGuard<'_, Maps> {
        // Every change is insertions and removals that cannot fail, once all is checked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Catalog for MemoryDatabase {
    async fn create_experiment(&self, experiment: &Experiment) -> Result<Experiment> {
        let mut maps = self.maps();
        match maps.experiments.entry(experiment.id.clone()) {
            Entry::Occupied(known) => return Ok(known.get().clone()),
            Entry::Vacant(vacant) => drop(vacant.insert(experiment.clone())),
        }
        for group in Group::founding(experiment) {
            maps.groups.insert(group);
        }
        Ok(experiment.clone())
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

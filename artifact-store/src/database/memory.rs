//! The catalog and the identities in memory.

mod admin_token;
mod administrators;
mod collections;
mod groups;
mod identity;
mod in_order;
mod inventory;
mod placement;
mod portable;
mod quotas;
mod receipts;
mod rows;
mod sharing;
mod staged;
mod store_id;
mod uploads;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use artifact_backend::{ArtifactId, Clock, SystemClock};
use async_trait::async_trait;

use self::admin_token::AdminTokens;
use self::administrators::Administrators;
use self::groups::Groups;
use self::identity::Workers;
use self::quotas::Quotas;
use self::rows::Rows;
use self::store_id::StoreIds;
use self::uploads::UploadMaps;
use super::rejected::{Rejected, is_inserted};
use super::subject::Subject;
use crate::catalog::{Catalog, check_insert};
use crate::collections::{CollectionFile, CollectionId, CollectionPath};
use crate::digests::ChunkDigests;
use crate::error::{Operation, Result};
use crate::experiment::{Experiment, ExperimentId};
use crate::idempotency::IdempotencyKey;
use crate::identity::Group;
use crate::placement::Placement;
use crate::principal::PrincipalId;
use crate::quota::QuotaStore;
use crate::row::Row;
use crate::time::Deadline;

/// A catalog and identities in memory: the reference semantics, for tests and for trials.
///
/// The data is lost when the process ends. Memory use grows with the number of records.
#[derive(Debug)]
pub struct MemoryDatabase {
    maps: Arc<Mutex<Maps>>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug, Default)]
struct Maps {
    experiments: BTreeMap<ExperimentId, Experiment>,
    rows: Rows,
    workers: Workers,
    groups: Groups,
    administrators: Administrators,
    admin_tokens: AdminTokens,
    store_ids: StoreIds,
    /// Where the database was moved to. It accepts no writes then.
    moved_to: Option<String>,
    placement: Option<Placement>,
    uploads: UploadMaps,
    quotas: Quotas,
}

impl MemoryDatabase {
    /// Creates an empty database.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates an empty database with this clock, which decides what has expired.
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self {
            maps: Arc::default(),
            clock,
        }
    }

    fn maps(&self) -> MutexGuard<'_, Maps> {
        lock(&self.maps)
    }

    /// Writes a row, and its key or its name in a collection if it has one, or rejects it.
    fn insert_row(
        &self,
        row: &Row,
        digests: Option<&ChunkDigests>,
        deadline: Option<&Deadline>,
        key: Option<&IdempotencyKey>,
        file: Option<(CollectionId, &CollectionPath)>,
    ) -> Result<()> {
        let subject = Subject::with_id(Operation::InsertRow, row.id);
        let reject = |rejected: Rejected| Err(rejected.into_error(subject));
        let mut maps = self.writable(Operation::InsertRow)?;
        if deadline.is_some_and(Deadline::has_passed) {
            return reject(Rejected::LATE);
        }
        if deadline.map_or(0, Deadline::placement) < maps.fence() {
            return reject(Rejected::LEFT_BACKEND);
        }
        check_insert(row, digests).or_else(reject)?;
        if let Some((collection, path)) = file {
            let checked = maps
                .rows
                .collections
                .check(collection, path, &row.experiment);
            checked.or_else(reject)?;
        }
        let now = self.clock.now();
        let scope = key.map(|key| (row.experiment.clone(), row.created_by.clone(), key.clone()));
        let found = scope
            .as_ref()
            .and_then(|scope| maps.rows.find_key(scope, now));
        if found.is_some() {
            return reject(Rejected::KEY_TAKEN);
        }
        if maps.rows.is_taken(row.id) {
            return reject(Rejected::ROW_EXISTS);
        }
        if !maps.experiments.contains_key(&row.experiment) {
            return reject(Rejected::NO_EXPERIMENT);
        }
        if let Some(scope) = scope {
            maps.rows.keep_key(scope, row.id, now);
        }
        maps.rows.insert(row.clone(), digests.cloned());
        if let Some((collection, path)) = file {
            let file = CollectionFile::of(path.clone(), row);
            maps.rows.collections.insert(collection, file);
        }
        Ok(())
    }

    /// Locks the maps for a write.
    fn writable(&self, operation: Operation) -> Result<MutexGuard<'_, Maps>> {
        let maps = self.maps();
        maps.check_accepts_writes(operation)?;
        Ok(maps)
    }
}

impl Maps {
    /// Returns the lowest epoch whose rows are accepted.
    fn fence(&self) -> u64 {
        self.placement
            .as_ref()
            .map_or(0, |placement| placement.fence)
    }
}

fn lock(maps: &Mutex<Maps>) -> MutexGuard<'_, Maps> {
    // Everything is checked before the first change, and the changes cannot fail.
    maps.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Default for MemoryDatabase {
    fn default() -> Self {
        Self::with_clock(Arc::new(SystemClock))
    }
}

#[async_trait]
impl Catalog for MemoryDatabase {
    async fn create_experiment(&self, experiment: &Experiment) -> Result<Experiment> {
        let mut maps = self.writable(Operation::Experiment)?;
        match maps.experiments.entry(experiment.id.clone()) {
            Entry::Occupied(stored) => return Ok(stored.get().clone()),
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

    async fn insert_with(
        &self,
        row: &Row,
        digests: Option<&ChunkDigests>,
        deadline: Option<&Deadline>,
    ) -> Result<()> {
        self.insert_row(row, digests, deadline, None, None)
    }

    async fn insert_keyed(
        &self,
        row: &Row,
        digests: Option<&ChunkDigests>,
        deadline: Option<&Deadline>,
        key: &IdempotencyKey,
    ) -> Result<bool> {
        is_inserted(self.insert_row(row, digests, deadline, Some(key), None))
    }

    async fn find_keyed(
        &self,
        experiment: &ExperimentId,
        depositor: &PrincipalId,
        key: &IdempotencyKey,
    ) -> Result<Option<ArtifactId>> {
        let scope = (experiment.clone(), depositor.clone(), key.clone());
        let now = self.clock.now();
        Ok(self.maps().rows.find_key(&scope, now))
    }

    async fn get(&self, id: ArtifactId) -> Result<Option<Row>> {
        Ok(self.maps().rows.get(id).map(|row| Row::clone(row)))
    }

    async fn chunk_digests(&self, id: ArtifactId) -> Result<Option<ChunkDigests>> {
        Ok(self.maps().rows.chunk_digests(id).cloned())
    }

    async fn delete(&self, id: ArtifactId) -> Result<()> {
        self.writable(Operation::DeleteRow)?.rows.delete(id);
        Ok(())
    }

    fn quotas(&self) -> Option<&dyn QuotaStore> {
        Some(self)
    }
}

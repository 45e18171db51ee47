//! The state that the parts of a store share.

use std::error::Error;
use std::sync::{Arc, OnceLock};

use artifact_backend::{ArtifactBackend, ArtifactId, NotedBackend};
use quick_cache::sync::Cache;

use crate::catalog::Catalog;
use crate::config::StoreConfig;
use crate::damage::{DamagedSet, Finding};
use crate::digests::DigestCache;
use crate::error::Result;
use crate::experiment::{Experiment, ExperimentId};
use crate::free_space::FreeSpaceFloor;
use crate::idempotency::{KeyTurns, find_earlier};
use crate::metrics::DepositMetrics;
use crate::new_artifact::NewArtifact;
use crate::placement::PlacedBackend;
use crate::read_memory::ReadMemory;
use crate::row_cache::RowCache;
use crate::row_notes::RowNotes;
use crate::verified_cache::VerifiedCache;

/// The backend, the catalog, the settings and the caches of one store.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) backend: Arc<dyn ArtifactBackend>,
    /// The same backend, if it follows the placement.
    pub(crate) placed: Option<PlacedBackend>,
    pub(crate) catalog: Arc<dyn Catalog>,
    pub(crate) config: StoreConfig,
    pub(crate) rows: RowCache,
    /// Experiments that exist. They never change and are never deleted, so entries do not expire.
    pub(crate) experiments: Cache<ExperimentId, Experiment>,
    pub(crate) verified: Arc<VerifiedCache>,
    pub(crate) digests: DigestCache,
    pub(crate) read_memory: Arc<ReadMemory>,
    pub(crate) damaged: DamagedSet,
    pub(crate) key_turns: Arc<KeyTurns>,
    /// The free space without which nothing is deposited, if there is a minimum.
    pub(crate) floor: Option<Arc<FreeSpaceFloor>>,
    pub(crate) deposited: DepositMetrics,
    /// Set if the rows are written as notes.
    pub(crate) row_notes: OnceLock<RowNotes>,
}

impl Shared {
    /// Fails with `OutOfSpace` if a file system has less free space than the minimum.
    pub(crate) async fn check_free_space(&self) -> Result<()> {
        match &self.floor {
            Some(floor) => floor.check().await,
            None => Ok(()),
        }
    }

    /// As [`check_free_space`](Self::check_free_space), unless an earlier deposit has the same key: nothing new is stored then.
    pub(crate) async fn check_free_space_for(&self, new: &NewArtifact) -> Result<()> {
        let Err(low) = self.check_free_space().await else {
            return Ok(());
        };
        let Some(key) = &new.idempotency_key else {
            return Err(low);
        };
        let earlier = Box::pin(find_earlier(&*self.catalog, new, key)).await?;
        earlier.map_or(Err(low), |_| Ok(()))
    }

    /// Finds an experiment, which never changes and is never deleted.
    pub(crate) async fn experiment(&self, id: &ExperimentId) -> Result<Option<Experiment>> {
        if let Some(cached) = self.experiments.get(id) {
            return Ok(Some(cached));
        }
        let found = self.catalog.experiment(id).await?;
        if let Some(experiment) = &found {
            self.experiments.insert(id.clone(), experiment.clone());
        }
        Ok(found)
    }

    /// Returns the backend for blobs with notes, if the rows are written as notes.
    pub(crate) fn noted(&self) -> Option<(Arc<dyn NotedBackend>, &RowNotes)> {
        let notes = self.row_notes.get()?;
        Some((self.backend.noted()?, notes))
    }

    /// Records that a blob is damaged or lost, and raises the alarm if that is new.
    pub(crate) fn report_damage(
        &self,
        id: ArtifactId,
        stamp: Finding,
        error: &(dyn Error + 'static),
    ) {
        self.verified.forget(id);
        self.damaged.report(id, stamp, error);
    }
}

//! Work for a collector: orphans, and artifacts that have expired.

use std::time::Duration;

use artifact_store::{
    ArtifactId, ArtifactStore, Backend, Database, Experiment, ExperimentId, NewArtifact, Principal,
    StoreConfig, Timestamp,
};

use super::site::Site;

/// The orphans of one round.
const ORPHANS: usize = 3;
/// The expired artifacts of one round.
const EXPIRED: usize = 2;

/// Leaves work for a collector in a store.
pub(super) struct Planter {
    database: Database,
    backend: Backend,
    store: ArtifactStore,
    /// An experiment whose artifacts expire at once.
    brief: ExperimentId,
}

impl Planter {
    pub(super) async fn open(site: &Site) -> Self {
        let database = Database::from_url(site.database()).await.unwrap();
        let backend = Backend::from_url(site.backend()).await.unwrap();
        let brief: ExperimentId = "brief".parse().unwrap();
        let new = Experiment::new(brief.clone(), Timestamp::now());
        database.catalog.create_experiment(&new).await.unwrap();
        let set = database
            .inventory
            .set_retention(&brief, Some(Duration::ZERO));
        set.await.unwrap();
        let catalog = database.catalog.clone();
        let store = ArtifactStore::new(backend.backend(), catalog, StoreConfig::default());
        Self {
            database,
            backend,
            store,
            brief,
        }
    }

    /// Stores orphans and expired artifacts. Returns their ids.
    pub(super) async fn plant(&self) -> Vec<ArtifactId> {
        let mut planted = Vec::new();
        let backend = self.backend.backend();
        for _ in 0..ORPHANS {
            let id = ArtifactId::mint();
            backend.store(id, "an orphan".into()).await.unwrap();
            planted.push(id);
        }
        for _ in 0..EXPIRED {
            let new = NewArtifact::new(self.brief.clone(), &Principal::admin());
            let mut deposit = self.store.deposit(new);
            deposit.write("expired".into()).await.unwrap();
            planted.push(deposit.finish().await.unwrap().id);
        }
        planted
    }

    /// Checks that nothing of these ids is left.
    pub(super) async fn check_gone(&self, planted: &[ArtifactId]) {
        let missing = self.database.inventory.missing(planted).await.unwrap();
        assert_eq!(missing.len(), planted.len(), "a row is left");
        for id in planted {
            let found = self.backend.backend().stat(*id).await;
            assert!(found.is_err(), "the blob {id} is left");
        }
    }
}

//! Work for a collector: orphans, artifacts that have expired, and deposits whose rows come late.

use std::time::Duration;

use artifact_store::{
    ArtifactId, ArtifactStore, Backend, Database, ErrorKind, Experiment, ExperimentId, NewArtifact,
    Principal, Row, Sha256Digest, StoreConfig, Timestamp,
};
use sha2::{Digest as _, Sha256};

use super::site::Site;

/// The orphans of one round.
const ORPHANS: usize = 3;
/// The expired artifacts of one round.
const EXPIRED: usize = 2;

/// The bytes of a deposit whose row comes late.
const LATE: &str = "late";

/// Leaves work for a collector in a store.
pub(super) struct Planter {
    database: Database,
    backend: Backend,
    store: ArtifactStore,
    /// An experiment whose artifacts expire at once.
    brief: ExperimentId,
    /// The experiment of the deposits whose rows come late.
    late: ExperimentId,
}

impl Planter {
    pub(super) async fn open(site: &Site) -> Self {
        let database = Database::from_url(site.database()).await.unwrap();
        let backend = Backend::from_url(site.backend()).await.unwrap();
        let brief: ExperimentId = "brief".parse().unwrap();
        let late: ExperimentId = "late".parse().unwrap();
        for experiment in [&brief, &late] {
            let new = Experiment::new(experiment.clone(), Timestamp::now());
            database.catalog.create_experiment(&new).await.unwrap();
        }
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
            late,
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

    /// Stores the bytes of deposits. Returns their rows, which are not inserted.
    pub(super) async fn plant_late(&self, number: usize) -> Vec<Row> {
        let digest = Sha256Digest::from_bytes(Sha256::digest(LATE).into());
        let backend = self.backend.backend();
        let mut rows = Vec::new();
        for _ in 0..number {
            let id = ArtifactId::mint();
            backend.store(id, LATE.into()).await.unwrap();
            let (experiment, by) = (self.late.clone(), Principal::admin().id());
            let size = LATE.len() as u64;
            rows.push(Row::new(id, experiment, by, size, digest, Timestamp::now()));
        }
        rows
    }

    /// Inserts the row of a deposit. Returns false if the collector was faster, and `None` if it has the write lock of SQLite: one of
    /// its threads is stopped, and another one has taken the lock since the last look.
    pub(super) async fn insert(&self, row: &Row) -> Option<bool> {
        let Err(error) = self.database.catalog.insert(row).await else {
            return Some(true);
        };
        if error.kind() == ErrorKind::Unavailable {
            let is_locked = error.to_string().contains("holds the write lock");
            assert!(is_locked, "{error}");
            return None;
        }
        assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
        Some(false)
    }

    /// Checks that these artifacts have their bytes.
    pub(super) async fn check_kept(&self, rows: &[Row]) {
        for row in rows {
            let loaded = self.backend.backend().load(row.id).await.unwrap();
            assert_eq!(loaded, LATE, "{}", row.id);
        }
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

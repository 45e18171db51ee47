//! Two stores on one database and one backend, as two servers have them.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use artifact_backend::{Clock as _, ManualClock, SystemClock};
use artifact_backend_mem::{MemBackend, MemConfig};
use artifact_store::{
    ArtifactStore, CollectionId, CollectionPath, CollectionStore, Database, ErrorKind, Experiment,
    ExperimentId, FileQuery, ManagedStore, NewArtifact, Principal, Result, Row, StoreConfig,
    WorkerId,
};

use crate::support::{experiment, other_experiment, time};

pub(super) struct Server {
    pub(super) managed: ManagedStore,
    pub(super) collections: CollectionStore,
}

pub(super) struct Site {
    pub(super) one: Server,
    pub(super) other: Server,
    pub(super) owner: Principal,
    pub(super) clock: Arc<ManualClock>,
}

pub(super) fn path(text: &str) -> &'static CollectionPath {
    Box::leak(Box::new(text.parse().unwrap()))
}

pub(super) fn home() -> &'static ExperimentId {
    static HOME: LazyLock<ExperimentId> = LazyLock::new(experiment);
    &HOME
}

impl Site {
    /// The databases are two on the same records.
    pub(super) async fn new(one: Database, other: Database) -> Self {
        for id in [experiment(), other_experiment()] {
            let created = Experiment::new(id, time(1));
            one.catalog.create_experiment(&created).await.unwrap();
        }
        // Slow, so that what expires at once by the clock of the stores has expired by that of the database.
        let clock = Arc::new(ManualClock::new(
            SystemClock.now() - Duration::from_hours(1),
        ));
        let mem = Arc::new(MemBackend::new(MemConfig::default()));
        let [one, other] = [one, other].map(|database| {
            let mut config = StoreConfig::default().with_clock(clock.clone());
            config = config.with_grace_period(Duration::from_hours(24));
            let store = ArtifactStore::new(mem.clone(), database.catalog, config);
            let managed = ManagedStore::new(store, database.inventory, mem.clone());
            let collections = CollectionStore::new(managed.clone(), database.collections);
            Server {
                managed,
                collections,
            }
        });
        Self {
            one,
            other,
            owner: Principal::worker(WorkerId::mint(), experiment()),
            clock,
        }
    }

    /// Creates a collection of the owner.
    pub(super) async fn create(&self) -> CollectionId {
        let created = self.one.collections.create(&self.owner, home(), None);
        created.await.unwrap().id
    }

    pub(super) async fn put(
        &self,
        collection: CollectionId,
        name: &str,
        bytes: &'static str,
    ) -> Result<Arc<Row>> {
        put(&self.one, &self.owner, collection, name, bytes).await
    }

    /// Returns the names that are in a collection.
    pub(super) async fn names(&self, collection: CollectionId) -> Vec<String> {
        let all = FileQuery::default();
        let files = self
            .other
            .collections
            .files(&self.owner, home(), collection, &all, 1_000);
        let page = files.await.unwrap();
        assert_eq!(page.next, None);
        let names = page.files.iter().map(|file| file.path.to_string());
        names.collect()
    }

    /// Returns the names of a manifest and its digest.
    pub(super) async fn manifest(&self, collection: CollectionId) -> (Vec<String>, String) {
        let reader = self
            .other
            .collections
            .manifest(&self.owner, home(), collection);
        let mut reader = reader.await.unwrap();
        let mut names = Vec::new();
        while let Some(files) = reader.next().await.unwrap() {
            names.extend(files.iter().map(|file| file.path.to_string()));
        }
        assert_eq!(reader.digest().files(), names.len() as u64);
        (names, reader.digest().sha256().to_string())
    }

    /// Checks the numbers of files and bytes that are recorded.
    pub(super) async fn assert_totals(&self, collection: CollectionId, files: u64, bytes: u64) {
        let found = self.other.collections.get(&self.owner, home(), collection);
        let found = found.await.unwrap();
        assert_eq!((found.files, found.bytes), (files, bytes));
    }
}

pub(super) async fn put(
    server: &Server,
    principal: &Principal,
    collection: CollectionId,
    name: &str,
    bytes: &'static str,
) -> Result<Arc<Row>> {
    let new = NewArtifact::new(experiment(), principal);
    let deposit = server
        .collections
        .deposit(principal, home(), collection, path(name), new);
    let mut deposit = deposit.await?;
    deposit.write(bytes.into()).await?;
    deposit.finish().await
}

/// Returns the kind of an expected error.
pub(super) fn kind<T: std::fmt::Debug>(outcome: Result<T>) -> ErrorKind {
    outcome.unwrap_err().kind()
}

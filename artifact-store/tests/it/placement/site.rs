//! A store in memory with two backends, whose operations yield.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use artifact_backend::{
    ArtifactBackend as _, ArtifactInventory, Error, ErrorKind, Operation, Result, StoreId,
};
use artifact_store::{
    ArtifactId, ArtifactStore, ByteRange, Database, Experiment, ManagedStore, MemoryDatabase,
    MigrateEvent, MigrateOptions, MigrateReport, Migrator, NamedBackend, NewArtifact, OpenBackend,
    PlacedBackend, Principal, ReadGrant, Row, StoreConfig, authorize,
};
use async_trait::async_trait;

use crate::collect::site::Storage;
use crate::support::{experiment, time, worker};

/// Opens the backends of a site by their names.
#[derive(Debug, Default)]
pub(crate) struct Opener {
    backends: Mutex<HashMap<String, Arc<Storage>>>,
    pub(crate) is_broken: AtomicBool,
}

#[async_trait]
impl OpenBackend for Opener {
    async fn open(&self, url: &str) -> Result<Arc<dyn ArtifactInventory>> {
        let found = self.backends.lock().unwrap().get(url).cloned();
        match found {
            Some(backend) if !self.is_broken.load(Ordering::Relaxed) => Ok(backend),
            _ => Err(Error::new(ErrorKind::PermissionDenied, Operation::Open)),
        }
    }
}

/// A database, and backends `a`, `b` and `c`. The blobs are in `a`.
pub(crate) struct Site {
    pub(crate) database: Database,
    pub(crate) opener: Arc<Opener>,
}

impl Site {
    pub(crate) async fn new() -> Self {
        let database = Database::new(MemoryDatabase::new());
        let new = Experiment::new(experiment(), time(0));
        database.catalog.create_experiment(&new).await.unwrap();
        let opener = Arc::new(Opener::default());
        for name in ["a", "b", "c"] {
            let storage = Arc::new(Storage::default());
            opener.backends.lock().unwrap().insert(name.into(), storage);
        }
        let site = Self { database, opener };
        let id = StoreId::mint();
        site.database.store_id.propose_store_id(id).await.unwrap();
        site.storage("a").create_store_id(id).await.unwrap();
        site.database.store_id.confirm_store_id(id).await.unwrap();
        site
    }

    pub(crate) fn storage(&self, name: &str) -> Arc<Storage> {
        Arc::clone(&self.opener.backends.lock().unwrap()[name])
    }

    pub(crate) async fn placed(&self, setting: &str) -> artifact_store::Result<PlacedBackend> {
        let record = Arc::clone(&self.database.placement);
        PlacedBackend::open(record, self.opener.clone(), setting, self.storage(setting)).await
    }

    /// Starts a server whose settings name this backend.
    pub(crate) async fn server(&self, setting: &str) -> Server {
        let placed = self.placed(setting).await.unwrap();
        let catalog = Arc::clone(&self.database.catalog);
        let store = ArtifactStore::placed(placed.clone(), catalog, StoreConfig::default());
        let inventory = Arc::clone(&self.database.inventory);
        let managed = ManagedStore::new(store.clone(), inventory, Arc::new(placed.clone()));
        Server {
            store,
            managed,
            placed,
        }
    }

    pub(crate) fn migrator(&self, from: &str, to: &str, options: MigrateOptions) -> Migrator {
        let side = |name: &str| NamedBackend::new(name, self.storage(name));
        Migrator::new(&self.database, side(from), side(to), options)
    }

    /// Migrates. Returns the report and the events.
    pub(crate) async fn migrate(&self, from: &str, to: &str) -> (MigrateReport, Vec<MigrateEvent>) {
        self.migrate_with(from, to, MigrateOptions::default()).await
    }

    pub(crate) async fn migrate_with(
        &self,
        from: &str,
        to: &str,
        options: MigrateOptions,
    ) -> (MigrateReport, Vec<MigrateEvent>) {
        let mut events = Vec::new();
        let migrator = self.migrator(from, to, options);
        let report = migrator.run(|event| events.push(event)).await;
        (report, events)
    }

    pub(crate) async fn has_blob(&self, name: &str, id: ArtifactId) -> bool {
        self.storage(name).mem.stat(id).await.is_ok()
    }
}

/// A process on the store.
pub(crate) struct Server {
    pub(crate) store: ArtifactStore,
    pub(crate) managed: ManagedStore,
    pub(crate) placed: PlacedBackend,
}

impl Server {
    pub(crate) async fn deposit(&self, bytes: &[u8]) -> artifact_store::Result<Arc<Row>> {
        let mut deposit = self
            .store
            .deposit(NewArtifact::new(experiment(), &worker()));
        deposit.write(bytes.to_vec().into()).await?;
        deposit.finish().await
    }

    pub(crate) async fn fetch(&self, id: ArtifactId) -> artifact_store::Result<Vec<u8>> {
        let row = self.store.row(&experiment(), id).await?;
        let grant: ReadGrant = authorize(&Principal::admin(), row)?;
        let download = self.store.read(&grant, ByteRange::Full).await?;
        Ok(download.into_bytes().await?.to_vec())
    }
}

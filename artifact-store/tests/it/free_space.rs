//! The minimum of free space: below it nothing is deposited, and everything else goes on.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use artifact_backend::{ArtifactInventory, ByteRange, Result as BackendResult};
use artifact_backend_mem::MemBackend;
use artifact_store::{
    ArtifactStore, CollectionStore, Database, Error, ErrorKind, Experiment, IdempotencyKey,
    ManagedStore, MemoryDatabase, NewArtifact, NewUpload, OpenBackend, PlacedBackend, Placement,
    Principal, ReadinessPart, ReadinessProbe, Row, StoreConfig, UnreadyReason, UploadOptions,
    Uploads, authorize,
};
use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::advance;

use crate::support::{experiment, time, worker};

/// Halves of a store in memory, whose stores have different minimums.
struct Site {
    database: Database,
    backend: MemBackend,
    principal: Principal,
}

fn config(min_bytes: u64, folders: &[PathBuf]) -> StoreConfig {
    StoreConfig::default().with_min_free_space(min_bytes, folders.to_vec())
}

impl Site {
    async fn new() -> Self {
        let database = Database::new(MemoryDatabase::new());
        let home = Experiment::new(experiment(), time(1));
        database.catalog.create_experiment(&home).await.unwrap();
        Self {
            database,
            backend: MemBackend::default(),
            principal: worker(),
        }
    }

    /// Makes a store over a folder that has more free space than 1 byte, and less than all.
    fn store(&self, min_bytes: u64) -> ArtifactStore {
        let catalog = Arc::clone(&self.database.catalog);
        let config = config(min_bytes, &[std::env::temp_dir()]);
        ArtifactStore::new(Arc::new(self.backend.clone()), catalog, config)
    }

    fn managed(&self, min_bytes: u64) -> ManagedStore {
        let inventory = Arc::clone(&self.database.inventory);
        let backend = Arc::new(self.backend.clone());
        ManagedStore::new(self.store(min_bytes), inventory, backend)
    }

    fn new_artifact(&self) -> NewArtifact {
        NewArtifact::new(experiment(), &self.principal)
    }

    async fn deposit(
        &self,
        store: &ArtifactStore,
        new: NewArtifact,
    ) -> artifact_store::Result<Arc<Row>> {
        let mut deposit = store.deposit(new);
        deposit.write(Bytes::from_static(b"bytes")).await?;
        deposit.finish().await
    }
}

#[track_caller]
fn assert_low<T: std::fmt::Debug>(refused: Result<T, Error>) {
    let error = refused.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfSpace, "{error:?}");
    assert!(error.detail().contains("the minimum of"), "{error:?}");
}

#[tokio::test]
async fn below_the_minimum_nothing_is_deposited_and_reads_and_deletes_go_on() {
    let site = Site::new().await;
    let row = site.deposit(&site.store(1), site.new_artifact()).await;
    let row = row.unwrap();

    let low = site.store(u64::MAX);
    assert_low(low.reserve(&site.new_artifact()).await);
    assert_low(site.deposit(&low, site.new_artifact()).await);
    assert_low(low.deposit(site.new_artifact()).finish().await);

    let found = low.row(&experiment(), row.id).await.unwrap();
    let grant = authorize(&site.principal, found).unwrap();
    let mut download = low.read(&grant, ByteRange::Full).await.unwrap();
    assert_eq!(download.next().await.unwrap().unwrap(), "bytes");
    let managed = site.managed(u64::MAX);
    managed
        .remove(&site.principal, &experiment(), row.id)
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_deposit_in_progress_is_refused_too() {
    let site = Site::new().await;
    let folder = tempfile::tempdir().unwrap();
    // A folder that is missing cannot be measured, so it has no minimum yet.
    let later = folder.path().join("later");
    let catalog = Arc::clone(&site.database.catalog);
    let backend = Arc::new(site.backend.clone());
    let store = ArtifactStore::new(
        backend,
        catalog,
        config(u64::MAX, std::slice::from_ref(&later)),
    );
    let mut deposit = store.deposit(site.new_artifact());
    deposit.write(Bytes::from_static(b"first")).await.unwrap();
    rustix::fs::mkdir(&later, rustix::fs::Mode::RWXU).unwrap();
    // A measurement is used for a second.
    deposit.write(Bytes::from_static(b"more")).await.unwrap();
    advance(Duration::from_secs(1)).await;
    assert_low(deposit.write(Bytes::from_static(b"last")).await);
}

#[tokio::test]
async fn a_repeated_deposit_gets_its_artifact_below_the_minimum() {
    let site = Site::new().await;
    let keyed = |key: &str| {
        site.new_artifact()
            .with_idempotency_key(key.parse::<IdempotencyKey>().unwrap())
    };
    let enough = site.store(1);
    let row = site.deposit(&enough, keyed("k")).await.unwrap();
    let low = site.store(u64::MAX);
    drop(low.reserve(&keyed("k")).await.unwrap());
    let again = site.deposit(&low, keyed("k")).await.unwrap();
    assert_eq!(again.id, row.id);
    assert_low(low.reserve(&keyed("other")).await);
    assert_low(site.deposit(&low, keyed("other")).await);
}

#[tokio::test]
async fn below_the_minimum_no_file_comes_into_a_collection() {
    let site = Site::new().await;
    let catalog = Arc::clone(&site.database.collections);
    let collections = CollectionStore::new(site.managed(u64::MAX), catalog);
    let (owner, home) = (&site.principal, experiment());
    let collection = collections.create(owner, &home, None).await.unwrap();
    let path = "a/file".parse().unwrap();
    let new = site.new_artifact();
    let deposit = collections.deposit(owner, &home, collection.id, &path, new);
    let mut deposit = deposit.await.unwrap();
    assert_low(deposit.write(Bytes::from_static(b"bytes")).await);
}

#[tokio::test]
async fn below_the_minimum_no_upload_begins_goes_on_or_ends() {
    let site = Site::new().await;
    let uploads = |min_bytes| Uploads::new(site.managed(min_bytes), UploadOptions::default());
    let (enough, low) = (uploads(1), uploads(u64::MAX));
    let (owner, home) = (&site.principal, experiment());
    let new = || NewUpload::new(experiment()).with_length(10);
    assert_low(low.create(owner, new()).await);
    let id = enough.create(owner, new()).await.unwrap().id;
    let append = async |uploads: &Uploads, offset| {
        let mut append = uploads.append(owner, &home, id, offset).await?;
        let written = append.write(Bytes::from_static(b"bytes")).await;
        if let Err(error) = written {
            // What was not recorded is lost.
            let error_after = append.finish().await.unwrap_err();
            assert_eq!(error_after.kind(), ErrorKind::Unexpected);
            return Err(error);
        }
        append.finish().await
    };
    append(&enough, 0).await.unwrap();
    assert_low(append(&low, 5).await);
    append(&enough, 5).await.unwrap();
    assert_low(low.complete(owner, &home, id).await);
    assert_eq!(enough.complete(owner, &home, id).await.unwrap().size, 10);
    // It stores nothing new.
    assert_eq!(low.complete(owner, &home, id).await.unwrap().size, 10);
}

#[tokio::test]
async fn below_the_minimum_a_store_is_not_ready() {
    let site = Site::new().await;
    let low = (ReadinessPart::FreeSpace, UnreadyReason::OutOfSpace);
    for (min_bytes, expected) in [(0, &[][..]), (1, &[]), (u64::MAX, &[low])] {
        let backend = Arc::new(site.backend.clone());
        let probe = ReadinessProbe::new(&site.store(min_bytes), &site.database, backend);
        assert_eq!(probe.check().await.unready(), expected, "{min_bytes}");
    }
}

/// Any name is a backend in memory.
#[derive(Debug)]
struct Opener;

#[async_trait]
impl OpenBackend for Opener {
    async fn open(&self, _url: &str) -> BackendResult<Arc<dyn ArtifactInventory>> {
        Ok(Arc::new(MemBackend::default()))
    }
}

#[tokio::test(start_paused = true)]
async fn the_folder_that_blobs_are_moved_to_counts_at_once() {
    let site = Site::new().await;
    let record = Arc::clone(&site.database.placement);
    let first = Arc::new(MemBackend::default());
    let placed = PlacedBackend::open(record, Arc::new(Opener), "mem:", first).await;
    let placed = placed.unwrap();
    let catalog = Arc::clone(&site.database.catalog);
    let store = ArtifactStore::placed(placed.clone(), catalog, config(u64::MAX, &[]));
    let readiness = || {
        let backend = Arc::new(placed.clone());
        ReadinessProbe::new(&store, &site.database, backend).with_cache_period(Duration::ZERO)
    };
    site.deposit(&store, site.new_artifact()).await.unwrap();
    assert!(readiness().check().await.is_ready());

    let mut placement = Placement::new(format!("file://{}", std::env::temp_dir().display()));
    placement.epoch = 1;
    placement.previous = Some("mem:".to_owned());
    let replaced = site.database.placement.replace_placement(0, &placement);
    replaced.await.unwrap();
    placed.refresh().await.unwrap();
    advance(Duration::from_secs(1)).await;
    assert_low(site.deposit(&store, site.new_artifact()).await);
    let low = (ReadinessPart::FreeSpace, UnreadyReason::OutOfSpace);
    assert_eq!(readiness().check().await.unready(), [low]);
}

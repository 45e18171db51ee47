//! Deposits that are suspended between their bytes and their row, for longer than the grace period.

use std::sync::Arc;
use std::time::Duration;

use artifact_backend::{ArtifactBackend, BlobStat, ByteRange, Download, Result, Upload};
use artifact_store::{
    ArtifactId, ArtifactStore, Catalog, CatalogInventory as _, ChunkDigests, Deadline, Error,
    ErrorKind, Experiment, ExperimentId, IdempotencyKey, NewArtifact, Operation, PrincipalId,
    QuotaStore, Row, RowPosition,
};
use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Semaphore;

use super::site::{ALMOST_A_DAY, DAY, Site, Storage};
use crate::support::{bytes, experiment, worker};

/// Where a deposit stands still until the test lets it go on.
#[derive(Debug)]
struct Gate {
    arrived: Semaphore,
    open: Semaphore,
}

impl Gate {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            arrived: Semaphore::new(0),
            open: Semaphore::new(0),
        })
    }

    async fn pass(&self) {
        self.arrived.add_permits(1);
        self.open.acquire().await.unwrap().forget();
    }

    async fn wait_for_arrival(&self) {
        self.arrived.acquire().await.unwrap().forget();
    }
}

/// A backend that stands still after it has stored the bytes.
#[derive(Debug)]
struct StopsAfterBytes(Arc<Storage>, Arc<Gate>);

#[async_trait]
impl ArtifactBackend for StopsAfterBytes {
    async fn store(&self, id: ArtifactId, bytes: Bytes) -> Result<()> {
        self.0.store(id, bytes).await?;
        self.1.pass().await;
        Ok(())
    }

    async fn upload(&self, id: ArtifactId) -> Result<Box<dyn Upload>> {
        self.0.upload(id).await
    }

    async fn load(&self, id: ArtifactId) -> Result<Bytes> {
        self.0.load(id).await
    }

    async fn download(&self, id: ArtifactId, range: ByteRange) -> Result<Download> {
        self.0.download(id, range).await
    }

    async fn stat(&self, id: ArtifactId) -> Result<BlobStat> {
        self.0.stat(id).await
    }
}

/// A catalog that stands still after it has checked the deadline, as a machine can that is suspended at this moment.
#[derive(Debug)]
struct StopsAfterDeadline(Arc<dyn Catalog>, Arc<Gate>);

#[async_trait]
impl Catalog for StopsAfterDeadline {
    async fn create_experiment(
        &self,
        experiment: &Experiment,
    ) -> artifact_store::Result<Experiment> {
        self.0.create_experiment(experiment).await
    }

    async fn experiment(&self, id: &ExperimentId) -> artifact_store::Result<Option<Experiment>> {
        self.0.experiment(id).await
    }

    async fn experiments(&self) -> artifact_store::Result<Vec<Experiment>> {
        self.0.experiments().await
    }

    async fn insert_with(
        &self,
        row: &Row,
        digests: Option<&ChunkDigests>,
        deadline: Option<&Deadline>,
    ) -> artifact_store::Result<()> {
        if deadline.is_some_and(Deadline::has_passed) {
            let error = Error::new(ErrorKind::Unavailable, Operation::InsertRow);
            return Err(error.with_id(row.id));
        }
        self.1.pass().await;
        self.0.insert_with(row, digests, None).await
    }

    async fn insert_keyed(
        &self,
        row: &Row,
        digests: Option<&ChunkDigests>,
        deadline: Option<&Deadline>,
        key: &IdempotencyKey,
    ) -> artifact_store::Result<bool> {
        self.0.insert_keyed(row, digests, deadline, key).await
    }

    async fn find_keyed(
        &self,
        experiment: &ExperimentId,
        depositor: &PrincipalId,
        key: &IdempotencyKey,
    ) -> artifact_store::Result<Option<ArtifactId>> {
        self.0.find_keyed(experiment, depositor, key).await
    }

    async fn chunk_digests(&self, id: ArtifactId) -> artifact_store::Result<Option<ChunkDigests>> {
        self.0.chunk_digests(id).await
    }

    async fn get(&self, id: ArtifactId) -> artifact_store::Result<Option<Row>> {
        self.0.get(id).await
    }

    async fn delete(&self, id: ArtifactId) -> artifact_store::Result<()> {
        self.0.delete(id).await
    }

    fn quotas(&self) -> Option<&dyn QuotaStore> {
        self.0.quotas()
    }
}

/// Deposits with this store until the gate, collects twice after `pause`, and lets the deposit go on. Returns its outcome.
async fn deposit_suspended_for(
    site: &Site,
    store: ArtifactStore,
    gate: &Gate,
    pause: Duration,
) -> artifact_store::Result<Arc<Row>> {
    let depositing = tokio::spawn(async move {
        let mut deposit = store.deposit(NewArtifact::new(experiment(), &worker()));
        deposit.write(Bytes::from(bytes(1000))).await?;
        deposit.finish().await
    });
    gate.wait_for_arrival().await;
    site.clock.advance(pause);
    for _ in 0..2 {
        assert!(site.collect().await.0.is_good());
    }
    gate.open.add_permits(1);
    depositing.await.unwrap()
}

#[tokio::test]
async fn a_deposit_suspended_before_its_row_gets_an_error_and_no_row() {
    let site = Site::new().await;
    let gate = Gate::new();
    let backend = Arc::new(StopsAfterBytes(site.storage.clone(), gate.clone()));
    let store = ArtifactStore::new(backend, site.catalog.clone(), site.config.clone());
    let outcome = deposit_suspended_for(&site, store, &gate, DAY).await;
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let id = error.id().unwrap();
    assert!(!site.has_row(id).await && !site.has_blob(id).await);
}

#[tokio::test]
async fn a_deposit_suspended_after_the_check_of_its_deadline_is_stopped_by_the_fence() {
    let site = Site::new().await;
    let gate = Gate::new();
    let catalog = Arc::new(StopsAfterDeadline(site.catalog.clone(), gate.clone()));
    let store = ArtifactStore::new(site.storage.clone(), catalog, site.config.clone());
    let outcome = deposit_suspended_for(&site, store, &gate, DAY).await;
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.detail().contains("were collected"), "{error}");
    let id = error.id().unwrap();
    assert!(!site.has_row(id).await && !site.has_blob(id).await);
    let removed = site.catalog.removals(RowPosition::START, 10).await.unwrap();
    assert_eq!(removed.ids, [id]);
}

#[tokio::test]
async fn a_deposit_suspended_for_less_than_the_grace_period_succeeds() {
    let site = Site::new().await;
    let gate = Gate::new();
    let catalog = Arc::new(StopsAfterDeadline(site.catalog.clone(), gate.clone()));
    let store = ArtifactStore::new(site.storage.clone(), catalog, site.config.clone());
    let row = deposit_suspended_for(&site, store, &gate, ALMOST_A_DAY).await;
    let id = row.unwrap().id;
    site.clock.advance(DAY);
    site.collect().await;
    assert!(site.has_row(id).await && site.has_blob(id).await);
}

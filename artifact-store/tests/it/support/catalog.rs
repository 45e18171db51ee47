//! A catalog whose inserts can fail. It yields around each insert and after each look-up.

use std::sync::{Arc, Mutex};

use artifact_store::{
    ArtifactId, Catalog, ChunkDigests, Deadline, Error, ErrorKind, Experiment, ExperimentId,
    IdempotencyKey, Operation, PrincipalId, QuotaStore, Result, Row,
};
use async_trait::async_trait;
use tokio::task::yield_now;

use super::Fault;

#[derive(Debug)]
pub(crate) struct FaultyCatalog {
    inner: Arc<dyn Catalog>,
    insert_fault: Mutex<Option<Fault>>,
    inserted: Mutex<Vec<ArtifactId>>,
    gets: Mutex<u32>,
    digest_gets: Mutex<u32>,
    experiment_gets: Mutex<u32>,
    key_gets: Mutex<u32>,
}

impl FaultyCatalog {
    pub(crate) fn new(inner: Arc<dyn Catalog>) -> Self {
        Self {
            inner,
            insert_fault: Mutex::default(),
            inserted: Mutex::default(),
            gets: Mutex::default(),
            digest_gets: Mutex::default(),
            experiment_gets: Mutex::default(),
            key_gets: Mutex::default(),
        }
    }

    /// Makes the next insert fail with `Unavailable`, before or after the row is written, or hang.
    pub(crate) fn fail_insert(&self, fault: Fault) {
        *self.insert_fault.lock().unwrap() = Some(fault);
    }

    /// Returns the ids of the inserted rows.
    pub(crate) fn inserted(&self) -> Vec<ArtifactId> {
        self.inserted.lock().unwrap().clone()
    }

    /// Returns the number of row look-ups.
    pub(crate) fn gets(&self) -> u32 {
        *self.gets.lock().unwrap()
    }

    /// Returns the number of look-ups of chunk digests.
    pub(crate) fn digest_gets(&self) -> u32 {
        *self.digest_gets.lock().unwrap()
    }

    /// Returns the number of experiment look-ups.
    pub(crate) fn experiment_gets(&self) -> u32 {
        *self.experiment_gets.lock().unwrap()
    }

    /// Returns the number of look-ups of keys.
    pub(crate) fn key_gets(&self) -> u32 {
        *self.key_gets.lock().unwrap()
    }

    /// Runs an insert with the fault that is due, if one is.
    async fn insert(
        &self,
        id: ArtifactId,
        insert: impl Future<Output = Result<bool>> + Send,
    ) -> Result<bool> {
        let fault = self.insert_fault.lock().unwrap().take();
        let failed = || Err(Error::new(ErrorKind::Unavailable, Operation::InsertRow));
        yield_now().await;
        match fault {
            Some(Fault::Before(_)) => return failed(),
            Some(Fault::Hang) => std::future::pending().await,
            _ => {}
        }
        let is_inserted = insert.await?;
        if is_inserted {
            self.inserted.lock().unwrap().push(id);
        }
        yield_now().await;
        if let Some(Fault::After(_)) = fault {
            return failed();
        }
        Ok(is_inserted)
    }
}

#[async_trait]
impl Catalog for FaultyCatalog {
    async fn create_experiment(&self, experiment: &Experiment) -> Result<Experiment> {
        self.inner.create_experiment(experiment).await
    }

    async fn experiment(&self, id: &ExperimentId) -> Result<Option<Experiment>> {
        *self.experiment_gets.lock().unwrap() += 1;
        self.inner.experiment(id).await
    }

    async fn experiments(&self) -> Result<Vec<Experiment>> {
        self.inner.experiments().await
    }

    async fn insert_with(
        &self,
        row: &Row,
        digests: Option<&ChunkDigests>,
        deadline: Option<&Deadline>,
    ) -> Result<()> {
        let insert = self.inner.insert_with(row, digests, deadline);
        self.insert(row.id, async { insert.await.map(|()| true) })
            .await
            .map(drop)
    }

    async fn insert_keyed(
        &self,
        row: &Row,
        digests: Option<&ChunkDigests>,
        deadline: Option<&Deadline>,
        key: &IdempotencyKey,
    ) -> Result<bool> {
        let insert = self.inner.insert_keyed(row, digests, deadline, key);
        self.insert(row.id, insert).await
    }

    async fn find_keyed(
        &self,
        experiment: &ExperimentId,
        depositor: &PrincipalId,
        key: &IdempotencyKey,
    ) -> Result<Option<ArtifactId>> {
        *self.key_gets.lock().unwrap() += 1;
        let found = self.inner.find_keyed(experiment, depositor, key).await;
        yield_now().await;
        found
    }

    async fn chunk_digests(&self, id: ArtifactId) -> Result<Option<ChunkDigests>> {
        *self.digest_gets.lock().unwrap() += 1;
        self.inner.chunk_digests(id).await
    }

    async fn get(&self, id: ArtifactId) -> Result<Option<Row>> {
        *self.gets.lock().unwrap() += 1;
        let found = self.inner.get(id).await;
        yield_now().await;
        found
    }

    async fn delete(&self, id: ArtifactId) -> Result<()> {
        self.inner.delete(id).await
    }

    fn quotas(&self) -> Option<&dyn QuotaStore> {
        self.inner.quotas()
    }
}

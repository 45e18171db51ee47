//! A catalog whose inserts can fail. It yields around each insert and after each look-up.

use std::sync::{Arc, Mutex};

use artifact_store::{
    ArtifactId, Catalog, ChunkDigests, Deadline, Error, ErrorKind, Experiment, ExperimentId,
    Operation, Result, Row,
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
        let fault = self.insert_fault.lock().unwrap().take();
        let failed = || Err(Error::new(ErrorKind::Unavailable, Operation::InsertRow));
        yield_now().await;
        match fault {
            Some(Fault::Before(_)) => return failed(),
            Some(Fault::Hang) => std::future::pending().await,
            _ => {}
        }
        self.inner.insert_with(row, digests, deadline).await?;
        self.inserted.lock().unwrap().push(row.id);
        yield_now().await;
        if let Some(Fault::After(_)) = fault {
            return failed();
        }
        Ok(())
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
}

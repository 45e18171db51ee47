//! A catalog that counts its calls, and fails or waits when a test wants it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use artifact_store::{
    ArtifactId, Catalog, CatalogInventory, ChunkDigests, CommitMark, Deadline, Error, ErrorKind,
    Experiment, ExperimentId, ExpiredPage, ExpiryPosition, Hold, IdempotencyKey, ImportId,
    Operation, PrincipalId, PrincipalUsage, QuotaStore, Removal, RemovalPage, Result, Row,
    RowFilter, RowPage, RowPosition, ScrubRecord, StagedRow, UploadId, UploadPart, UploadRecords,
    UploadSession,
};
use async_trait::async_trait;
use tokio::sync::Semaphore;
use tokio::task::yield_now;

/// What queries of the removals do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Feed {
    Works,
    Fails,
    Hangs,
    /// The database has lost its removals.
    Lost,
}

/// A fault of the next removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RemovalFault {
    /// The stored hold cannot be read, so nothing is removed.
    UnreadableHold,
    /// The row is removed, but the reply is lost.
    LostReply,
}

#[derive(Debug)]
pub(super) struct ScriptedCatalog {
    inner: Arc<dyn CatalogInventory>,
    gets: AtomicU32,
    polls: AtomicU32,
    pub(super) feed: Mutex<Feed>,
    pub(super) removal_fault: Mutex<Option<RemovalFault>>,
    /// Replaces the mark of the database.
    pub(super) mark: Mutex<Option<CommitMark>>,
    /// A permit for each row that may be returned after it was read; closed if all may.
    gate: Semaphore,
}

impl ScriptedCatalog {
    pub(super) fn new(inner: Arc<dyn CatalogInventory>) -> Self {
        let gate = Semaphore::new(0);
        gate.close();
        Self {
            inner,
            gets: AtomicU32::new(0),
            polls: AtomicU32::new(0),
            feed: Mutex::new(Feed::Works),
            removal_fault: Mutex::default(),
            mark: Mutex::default(),
            gate,
        }
    }

    /// Creates a catalog that holds back each row until [`release`](Self::release).
    pub(super) fn with_gate(inner: Arc<dyn CatalogInventory>) -> Self {
        Self {
            gate: Semaphore::new(0),
            ..Self::new(inner)
        }
    }

    /// Returns all rows that are held back, and holds back no more.
    pub(super) fn release(&self) {
        self.gate.close();
    }

    /// Returns the number of row look-ups.
    pub(super) fn gets(&self) -> u32 {
        self.gets.load(Ordering::Relaxed)
    }

    /// Returns how often the last removal was asked for.
    pub(super) fn polls(&self) -> u32 {
        self.polls.load(Ordering::Relaxed)
    }

    /// Runs a query of the removals, which returns `lost` if they are lost.
    async fn read_feed<T>(&self, query: impl Future<Output = Result<T>>, lost: T) -> Result<T> {
        let feed = *self.feed.lock().unwrap();
        match feed {
            Feed::Works => query.await,
            Feed::Fails => Err(Error::new(ErrorKind::Unavailable, Operation::FindRemovals)),
            Feed::Hangs => std::future::pending().await,
            Feed::Lost => Ok(lost),
        }
    }
}

#[async_trait]
impl Catalog for ScriptedCatalog {
    async fn create_experiment(&self, experiment: &Experiment) -> Result<Experiment> {
        self.inner.create_experiment(experiment).await
    }

    async fn experiment(&self, id: &ExperimentId) -> Result<Option<Experiment>> {
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
        self.inner.insert_with(row, digests, deadline).await
    }

    async fn insert_keyed(
        &self,
        row: &Row,
        digests: Option<&ChunkDigests>,
        deadline: Option<&Deadline>,
        key: &IdempotencyKey,
    ) -> Result<bool> {
        self.inner.insert_keyed(row, digests, deadline, key).await
    }

    async fn find_keyed(
        &self,
        experiment: &ExperimentId,
        depositor: &PrincipalId,
        key: &IdempotencyKey,
    ) -> Result<Option<ArtifactId>> {
        self.inner.find_keyed(experiment, depositor, key).await
    }

    async fn chunk_digests(&self, id: ArtifactId) -> Result<Option<ChunkDigests>> {
        self.inner.chunk_digests(id).await
    }

    async fn get(&self, id: ArtifactId) -> Result<Option<Row>> {
        self.gets.fetch_add(1, Ordering::Relaxed);
        let found = self.inner.get(id).await;
        // An error means that the gate is open.
        let _ = self.gate.acquire().await;
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

#[async_trait]
impl CatalogInventory for ScriptedCatalog {
    async fn scan(&self, filter: &RowFilter, after: RowPosition, limit: u32) -> Result<RowPage> {
        self.inner.scan(filter, after, limit).await
    }

    async fn missing(&self, ids: &[ArtifactId]) -> Result<Vec<ArtifactId>> {
        self.inner.missing(ids).await
    }

    async fn add_chunk_digests(&self, id: ArtifactId, digests: &ChunkDigests) -> Result<bool> {
        self.inner.add_chunk_digests(id, digests).await
    }

    async fn usage(
        &self,
        experiment: &ExperimentId,
        created_by: Option<&PrincipalId>,
    ) -> Result<Vec<PrincipalUsage>> {
        self.inner.usage(experiment, created_by).await
    }

    async fn remove(&self, id: ArtifactId) -> Result<Removal> {
        yield_now().await;
        let fault = self.removal_fault.lock().unwrap().take();
        let fail = |kind| Err(Error::new(kind, Operation::DeleteRow).with_id(id));
        if fault == Some(RemovalFault::UnreadableHold) {
            return fail(ErrorKind::Corrupt);
        }
        let removed = self.inner.remove(id).await?;
        yield_now().await;
        match fault {
            None => Ok(removed),
            Some(_) => fail(ErrorKind::Unavailable),
        }
    }

    async fn is_sealed(&self, id: ArtifactId) -> Result<bool> {
        self.inner.is_sealed(id).await
    }

    async fn remove_expired(&self, id: ArtifactId) -> Result<Option<Removal>> {
        self.inner.remove_expired(id).await
    }

    async fn condemn(&self, ids: &[ArtifactId]) -> Result<Vec<ArtifactId>> {
        self.inner.condemn(ids).await
    }

    async fn removals(&self, after: RowPosition, limit: u32) -> Result<RemovalPage> {
        let lost = RemovalPage::new(Vec::new(), after);
        self.read_feed(self.inner.removals(after, limit), lost)
            .await
    }

    async fn last_removal(&self) -> Result<RowPosition> {
        self.polls.fetch_add(1, Ordering::Relaxed);
        self.read_feed(self.inner.last_removal(), RowPosition::START)
            .await
    }

    fn commit_mark(&self) -> Option<CommitMark> {
        let scripted = *self.mark.lock().unwrap();
        scripted.or_else(|| self.inner.commit_mark())
    }

    async fn place_hold(&self, hold: &Hold) -> Result<()> {
        self.inner.place_hold(hold).await
    }

    async fn release_hold(&self, id: ArtifactId) -> Result<bool> {
        self.inner.release_hold(id).await
    }

    async fn find_hold(&self, id: ArtifactId) -> Result<Option<Hold>> {
        if *self.removal_fault.lock().unwrap() == Some(RemovalFault::UnreadableHold) {
            return Err(Error::new(ErrorKind::Corrupt, Operation::Hold).with_id(id));
        }
        self.inner.find_hold(id).await
    }

    async fn set_retention(&self, experiment: &ExperimentId, keep: Option<Duration>) -> Result<()> {
        self.inner.set_retention(experiment, keep).await
    }

    async fn retention(&self, experiment: &ExperimentId) -> Result<Option<Duration>> {
        self.inner.retention(experiment).await
    }

    async fn expired(&self, after: &ExpiryPosition, limit: u32) -> Result<ExpiredPage> {
        self.inner.expired(after, limit).await
    }

    async fn removed(&self, ids: &[ArtifactId]) -> Result<Vec<ArtifactId>> {
        self.inner.removed(ids).await
    }

    async fn stage(&self, import: ImportId, rows: &[StagedRow]) -> Result<()> {
        self.inner.stage(import, rows).await
    }

    async fn publish(&self, import: ImportId, number: u64) -> Result<()> {
        self.inner.publish(import, number).await
    }

    async fn forget_keys(&self, limit: u32) -> Result<u64> {
        self.inner.forget_keys(limit).await
    }

    async fn take_lease(&self, name: &str, holder: [u8; 16], period: Duration) -> Result<bool> {
        self.inner.take_lease(name, holder, period).await
    }

    async fn last_scrub(&self) -> Result<Option<ScrubRecord>> {
        self.inner.last_scrub().await
    }

    async fn record_scrub(&self, record: &ScrubRecord) -> Result<()> {
        self.inner.record_scrub(record).await
    }
}

#[async_trait]
impl UploadRecords for ScriptedCatalog {
    async fn create_upload(
        &self,
        session: &UploadSession,
        lifetime: Duration,
        max_open: u32,
    ) -> Result<bool> {
        self.inner.create_upload(session, lifetime, max_open).await
    }

    async fn find_upload(&self, id: UploadId) -> Result<Option<UploadSession>> {
        self.inner.find_upload(id).await
    }

    async fn append_part(
        &self,
        id: UploadId,
        part: &UploadPart,
        lifetime: Duration,
        deadline: &Deadline,
    ) -> Result<bool> {
        self.inner.append_part(id, part, lifetime, deadline).await
    }

    async fn declare_length(&self, id: UploadId, length: u64, lifetime: Duration) -> Result<bool> {
        self.inner.declare_length(id, length, lifetime).await
    }

    async fn complete_upload(
        &self,
        id: UploadId,
        artifact: ArtifactId,
        lifetime: Duration,
    ) -> Result<()> {
        self.inner.complete_upload(id, artifact, lifetime).await
    }

    async fn end_upload(&self, id: UploadId, at_once: bool) -> Result<bool> {
        self.inner.end_upload(id, at_once).await
    }

    async fn ended_uploads(&self, limit: u32) -> Result<Vec<UploadId>> {
        self.inner.ended_uploads(limit).await
    }

    async fn list_parts(&self, id: UploadId, from: u64, limit: u32) -> Result<Vec<UploadPart>> {
        self.inner.list_parts(id, from, limit).await
    }

    async fn parts_among(&self, ids: &[ArtifactId]) -> Result<Vec<ArtifactId>> {
        self.inner.parts_among(ids).await
    }

    async fn forget_parts(&self, ids: &[ArtifactId]) -> Result<()> {
        self.inner.forget_parts(ids).await
    }

    async fn forget_upload(&self, id: UploadId) -> Result<()> {
        self.inner.forget_upload(id).await
    }
}

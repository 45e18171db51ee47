//! A catalog and a backend that record which calls are made outside of the background lane. Each call yields before and after it
//! does its work, so that a test can drop its caller there.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use artifact_backend::{
    ArtifactBackend, ArtifactInventory, BlobList, BlobStat, Download, Result as BackendResult,
    Shard, StoreId, SweepReport, Upload, is_background,
};
use artifact_store::{
    AccessGrant, AccessLink, ArtifactId, ByteRange, Catalog, CatalogInventory, ChunkDigests,
    Deadline, Experiment, ExperimentId, ExpiredPage, ExpiryPosition, GrantId, GrantSubject, Hold,
    IdempotencyKey, ImportId, LinkId, PrincipalId, PrincipalUsage, QuotaStore, Removal,
    RemovalPage, Result, Row, RowFilter, RowPage, RowPosition, ScrubRecord, Sha256Digest,
    SharingRecord, StagedRow, UploadId, UploadPart, UploadRecords, UploadSession, WorkerId,
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::task::yield_now;

/// The names of the calls in each lane.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    background: Mutex<BTreeSet<&'static str>>,
    others: Mutex<BTreeSet<&'static str>>,
}

impl Calls {
    fn note(&self, name: &'static str) {
        let calls = if is_background() {
            &self.background
        } else {
            &self.others
        };
        calls.lock().unwrap().insert(name);
    }

    /// Returns the calls in the background lane and the others since the last time.
    pub(crate) fn take(&self) -> [Vec<&'static str>; 2] {
        [&self.background, &self.others].map(|calls| {
            std::mem::take(&mut *calls.lock().unwrap())
                .into_iter()
                .collect()
        })
    }
}

/// A catalog or a backend whose calls are recorded.
#[derive(Debug)]
pub(crate) struct Recorder<T: ?Sized> {
    pub(crate) calls: Arc<Calls>,
    pub(crate) inner: Arc<T>,
}

/// Implements a trait whose methods record their name and call the inner object.
macro_rules! record {
    ($trait:ident for $inner:ty { $($name:ident($($arg:ident: $type:ty),*) -> $output:ty;)+ } $($item:item)*) => {
        #[async_trait]
        impl $trait for Recorder<$inner> {
            $(async fn $name(&self, $($arg: $type),*) -> $output {
                self.calls.note(stringify!($name));
                yield_now().await;
                let done = self.inner.$name($($arg),*).await;
                yield_now().await;
                done
            })+
            $($item)*
        }
    };
}

record! {
    Catalog for dyn CatalogInventory {
        create_experiment(experiment: &Experiment) -> Result<Experiment>;
        experiment(id: &ExperimentId) -> Result<Option<Experiment>>;
        experiments() -> Result<Vec<Experiment>>;
        insert_with(row: &Row, digests: Option<&ChunkDigests>, deadline: Option<&Deadline>) -> Result<()>;
        insert_keyed(row: &Row, digests: Option<&ChunkDigests>, deadline: Option<&Deadline>, key: &IdempotencyKey) -> Result<bool>;
        find_keyed(experiment: &ExperimentId, depositor: &PrincipalId, key: &IdempotencyKey) -> Result<Option<ArtifactId>>;
        chunk_digests(id: ArtifactId) -> Result<Option<ChunkDigests>>;
        get(id: ArtifactId) -> Result<Option<Row>>;
        delete(id: ArtifactId) -> Result<()>;
    }

    fn quotas(&self) -> Option<&dyn QuotaStore> {
        self.inner.quotas()
    }
}

record! {
    CatalogInventory for dyn CatalogInventory {
        scan(filter: &RowFilter, after: RowPosition, limit: u32) -> Result<RowPage>;
        missing(ids: &[ArtifactId]) -> Result<Vec<ArtifactId>>;
        add_chunk_digests(id: ArtifactId, digests: &ChunkDigests) -> Result<bool>;
        usage(experiment: &ExperimentId, created_by: Option<&PrincipalId>) -> Result<Vec<PrincipalUsage>>;
        remove(id: ArtifactId) -> Result<Removal>;
        is_sealed(id: ArtifactId) -> Result<bool>;
        remove_expired(id: ArtifactId) -> Result<Option<Removal>>;
        condemn(ids: &[ArtifactId]) -> Result<Vec<ArtifactId>>;
        removed(ids: &[ArtifactId]) -> Result<Vec<ArtifactId>>;
        stage(import: ImportId, rows: &[StagedRow]) -> Result<()>;
        publish(import: ImportId, number: u64) -> Result<()>;
        removals(after: RowPosition, limit: u32) -> Result<RemovalPage>;
        last_removal() -> Result<RowPosition>;
        place_hold(hold: &Hold) -> Result<()>;
        release_hold(id: ArtifactId) -> Result<bool>;
        find_hold(id: ArtifactId) -> Result<Option<Hold>>;
        set_retention(experiment: &ExperimentId, keep: Option<Duration>) -> Result<()>;
        retention(experiment: &ExperimentId) -> Result<Option<Duration>>;
        expired(after: &ExpiryPosition, limit: u32) -> Result<ExpiredPage>;
        forget_keys(limit: u32) -> Result<u64>;
        take_lease(name: &str, holder: [u8; 16], period: Duration) -> Result<bool>;
        last_scrub() -> Result<Option<ScrubRecord>>;
        record_scrub(record: &ScrubRecord) -> Result<()>;
    }
}

record! {
    SharingRecord for dyn SharingRecord {
        insert_grant(grant: &AccessGrant) -> Result<()>;
        grants(subject: &GrantSubject, after: Option<GrantId>, limit: u32) -> Result<Vec<AccessGrant>>;
        delete_grant(subject: &GrantSubject, id: GrantId) -> Result<()>;
        is_granted(experiment: &ExperimentId, subject: &GrantSubject, worker: WorkerId) -> Result<bool>;
        insert_link(link: &AccessLink, digest: &Sha256Digest) -> Result<()>;
        links(artifact: ArtifactId, after: Option<LinkId>, limit: u32) -> Result<Vec<AccessLink>>;
        delete_link(artifact: ArtifactId, id: LinkId) -> Result<()>;
        find_link(digest: &Sha256Digest) -> Result<Option<AccessLink>>;
        use_link(artifact: ArtifactId, id: LinkId) -> Result<()>;
        forget_shares(limit: u32) -> Result<u64>;
    }
}

record! {
    UploadRecords for dyn CatalogInventory {
        create_upload(session: &UploadSession, lifetime: Duration, max_open: u32) -> Result<bool>;
        find_upload(id: UploadId) -> Result<Option<UploadSession>>;
        append_part(id: UploadId, part: &UploadPart, lifetime: Duration, deadline: &Deadline) -> Result<bool>;
        declare_length(id: UploadId, length: u64, lifetime: Duration) -> Result<bool>;
        complete_upload(id: UploadId, artifact: ArtifactId, lifetime: Duration) -> Result<()>;
        end_upload(id: UploadId, at_once: bool) -> Result<bool>;
        ended_uploads(limit: u32) -> Result<Vec<UploadId>>;
        list_parts(id: UploadId, from: u64, limit: u32) -> Result<Vec<UploadPart>>;
        parts_among(ids: &[ArtifactId]) -> Result<Vec<ArtifactId>>;
        forget_parts(ids: &[ArtifactId]) -> Result<()>;
        forget_upload(id: UploadId) -> Result<()>;
    }
}

impl Recorder<dyn ArtifactInventory> {
    fn list_of(&self, list: BlobList) -> BlobList {
        let calls = Arc::clone(&self.calls);
        let noted = list.inspect(move |_| calls.note("the next blob of a list"));
        noted.boxed()
    }
}

#[async_trait]
impl ArtifactBackend for Recorder<dyn ArtifactInventory> {
    async fn store(&self, id: ArtifactId, bytes: Bytes) -> BackendResult<()> {
        self.calls.note("store");
        yield_now().await;
        let stored = self.inner.store(id, bytes).await;
        yield_now().await;
        stored
    }

    async fn upload(&self, id: ArtifactId) -> BackendResult<Box<dyn Upload>> {
        self.calls.note("upload");
        let (calls, inner) = (Arc::clone(&self.calls), self.inner.upload(id).await?);
        Ok(Box::new(RecordedUpload { calls, inner }))
    }

    async fn load(&self, id: ArtifactId) -> BackendResult<Bytes> {
        self.calls.note("load");
        self.inner.load(id).await
    }

    async fn download(&self, id: ArtifactId, range: ByteRange) -> BackendResult<Download> {
        self.calls.note("download");
        let calls = Arc::clone(&self.calls);
        let download = self.inner.download(id, range).await?;
        Ok(download.map_stream(|stream| {
            stream.inspect(move |_| calls.note("the next chunk of a download"))
        }))
    }

    async fn stat(&self, id: ArtifactId) -> BackendResult<BlobStat> {
        self.calls.note("stat");
        self.inner.stat(id).await
    }
}

#[async_trait]
impl ArtifactInventory for Recorder<dyn ArtifactInventory> {
    async fn list(&self) -> BackendResult<BlobList> {
        self.calls.note("list");
        Ok(self.list_of(self.inner.list().await?))
    }

    async fn list_shard(&self, shard: Shard, after: Option<ArtifactId>) -> BackendResult<BlobList> {
        self.calls.note("list_shard");
        Ok(self.list_of(self.inner.list_shard(shard, after).await?))
    }

    async fn delete(&self, id: ArtifactId) -> BackendResult<()> {
        self.calls.note("delete");
        yield_now().await;
        let deleted = self.inner.delete(id).await;
        yield_now().await;
        deleted
    }

    async fn sweep(&self, older_than: Duration) -> BackendResult<SweepReport> {
        self.calls.note("sweep");
        self.inner.sweep(older_than).await
    }

    async fn store_id(&self) -> BackendResult<Option<StoreId>> {
        self.calls.note("store_id");
        self.inner.store_id().await
    }

    async fn create_store_id(&self, new: StoreId) -> BackendResult<StoreId> {
        self.calls.note("create_store_id");
        self.inner.create_store_id(new).await
    }

    async fn probe(&self) -> BackendResult<()> {
        self.inner.probe().await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

#[derive(Debug)]
struct RecordedUpload {
    calls: Arc<Calls>,
    inner: Box<dyn Upload>,
}

#[async_trait]
impl Upload for RecordedUpload {
    fn expect_size(&mut self, bytes: u64) {
        self.inner.expect_size(bytes);
    }

    async fn write(&mut self, bytes: Bytes) -> BackendResult<()> {
        self.calls.note("write");
        self.inner.write(bytes).await
    }

    async fn commit(self: Box<Self>) -> BackendResult<()> {
        self.calls.note("commit");
        self.inner.commit().await
    }

    async fn abort(self: Box<Self>) -> BackendResult<()> {
        self.calls.note("abort");
        self.inner.abort().await
    }
}

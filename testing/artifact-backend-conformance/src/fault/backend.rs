//! The wrapper around a backend.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use artifact_backend::{
    ArtifactBackend, ArtifactId, ArtifactInventory, BlobList, BlobStat, ByteRange, Download,
    ErrorKind, NoteLog, NotedBackend, Operation, Result, Shard, StoreId, SweepReport, Upload,
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::plan::{Call, Fault, Hold, Plan, Point, injected};
use super::upload::FaultUpload;

/// A backend wrapper that fails on demand, for tests of the code above a backend.
///
/// Without an injected fault it behaves like the wrapped backend. Clones share the backend and the faults, so a
/// test can keep one clone and pass on another.
///
/// ```
/// use artifact_backend::{ArtifactBackend, ArtifactId, ErrorKind, Operation};
/// use artifact_backend_conformance::{Fault, FaultBackend};
/// use artifact_backend_mem::MemBackend;
/// use bytes::Bytes;
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let backend = FaultBackend::new(MemBackend::default());
/// backend.inject(Fault::lost_answer(Operation::Store).nth(2));
///
/// let [first, second] = [ArtifactId::mint(), ArtifactId::mint()];
/// backend.store(first, Bytes::from_static(b"first")).await.unwrap();
/// let lost = backend.store(second, Bytes::from_static(b"second")).await.unwrap_err();
/// assert_eq!(lost.kind(), ErrorKind::Ambiguous);
/// assert_eq!(backend.load(second).await.unwrap(), "second");
/// assert_eq!(backend.calls(Operation::Store), 2);
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct FaultBackend {
    inner: Arc<dyn ArtifactInventory>,
    plan: Arc<Plan>,
}

impl FaultBackend {
    /// Wraps a backend, without faults.
    pub fn new(inner: impl ArtifactInventory) -> Self {
        Self {
            inner: Arc::new(inner),
            plan: Arc::default(),
        }
    }

    /// Makes a future call fail. Several faults may be pending for one operation; each counts the calls since
    /// its own injection.
    pub fn inject(&self, fault: Fault) {
        self.plan.inject(fault);
    }

    /// Makes the next call of `operation` wait at `point` until the [`Hold`] is released. A test can order two
    /// events this way without a sleep.
    pub fn hold(&self, operation: Operation, point: Point) -> Hold {
        let (hold, fault) = Hold::new(operation, point);
        self.plan.inject(fault);
        hold
    }

    /// Damages the blob `id`, as bit rot or an operator would; it need not exist. From now on, loads, downloads,
    /// stats and deletes of it fail with `Corrupt`, creates with `AlreadyExists`, and lists report it as damaged.
    pub fn damage(&self, id: ArtifactId) {
        self.plan.damage(id);
    }

    /// Returns the number of calls of this operation, including failed calls.
    pub fn calls(&self, operation: Operation) -> u64 {
        self.plan.calls(operation)
    }

    /// Returns the number of injected faults that have not happened yet.
    pub fn pending(&self) -> usize {
        self.plan.pending()
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl ArtifactBackend for FaultBackend {
    async fn store(&self, id: ArtifactId, bytes: Bytes) -> Result<()> {
        let call = self.plan.call(Operation::Store);
        call.at(Point::Before, Some(id)).await?;
        self.inner.store(id, bytes).await?;
        call.at(Point::After, Some(id)).await
    }

    async fn upload(&self, id: ArtifactId) -> Result<Box<dyn Upload>> {
        let call = self.plan.call(Operation::Upload);
        call.at(Point::Before, Some(id)).await?;
        let inner = self.inner.upload(id).await?;
        call.at(Point::After, Some(id)).await?;
        Ok(Box::new(FaultUpload {
            inner,
            plan: Arc::clone(&self.plan),
            id,
            broken: false,
        }))
    }

    async fn load(&self, id: ArtifactId) -> Result<Bytes> {
        let call = self.plan.call(Operation::Load);
        call.at(Point::Before, Some(id)).await?;
        let bytes = self.inner.load(id).await?;
        call.at(Point::After, Some(id)).await?;
        Ok(bytes)
    }

    async fn download(&self, id: ArtifactId, range: ByteRange) -> Result<Download> {
        let call = self.plan.call(Operation::Download);
        call.at(Point::Before, Some(id)).await?;
        let download = self.inner.download(id, range).await?;
        call.at(Point::After, Some(id)).await?;
        Ok(cut(id, download, &call))
    }

    async fn stat(&self, id: ArtifactId) -> Result<BlobStat> {
        let call = self.plan.call(Operation::Stat);
        call.at(Point::Before, Some(id)).await?;
        let stat = self.inner.stat(id).await?;
        call.at(Point::After, Some(id)).await?;
        Ok(stat)
    }

    /// Faults are for blobs, so it keeps no notes.
    fn noted(&self) -> Option<Arc<dyn NotedBackend>> {
        None
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl ArtifactInventory for FaultBackend {
    async fn list(&self) -> Result<BlobList> {
        let call = self.plan.call(Operation::List);
        call.at(Point::Before, None).await?;
        let list = self.inner.list().await?;
        call.at(Point::After, None).await?;
        Ok(with_damage(list, self.plan.damaged()))
    }

    async fn list_shard(&self, shard: Shard, after: Option<ArtifactId>) -> Result<BlobList> {
        let call = self.plan.call(Operation::List);
        call.at(Point::Before, None).await?;
        let list = self.inner.list_shard(shard, after).await?;
        call.at(Point::After, None).await?;
        let mut damaged = self.plan.damaged();
        damaged.retain(|id| shard.contains(*id) && after.is_none_or(|after| *id > after));
        Ok(with_damage_in_order(list, damaged))
    }

    async fn delete(&self, id: ArtifactId) -> Result<()> {
        let call = self.plan.call(Operation::Delete);
        call.at(Point::Before, Some(id)).await?;
        self.inner.delete(id).await?;
        call.at(Point::After, Some(id)).await
    }

    async fn sweep(&self, older_than: Duration) -> Result<SweepReport> {
        let call = self.plan.call(Operation::Sweep);
        call.at(Point::Before, None).await?;
        let report = self.inner.sweep(older_than).await?;
        call.at(Point::After, None).await?;
        Ok(report)
    }

    async fn store_id(&self) -> Result<Option<StoreId>> {
        let call = self.plan.call(Operation::ReadStoreId);
        call.at(Point::Before, None).await?;
        let id = self.inner.store_id().await?;
        call.at(Point::After, None).await?;
        Ok(id)
    }

    async fn create_store_id(&self, new: StoreId) -> Result<StoreId> {
        let call = self.plan.call(Operation::CreateStoreId);
        call.at(Point::Before, None).await?;
        let id = self.inner.create_store_id(new).await?;
        call.at(Point::After, None).await?;
        Ok(id)
    }

    async fn probe(&self) -> Result<()> {
        let call = self.plan.call(Operation::Probe);
        call.at(Point::Before, None).await?;
        self.inner.probe().await?;
        call.at(Point::After, None).await
    }

    async fn close(&self) {
        self.inner.close().await;
    }

    fn note_log(&self) -> Option<Arc<dyn NoteLog>> {
        None
    }
}

/// Returns the list with an error instead of each damaged blob, before all others.
fn with_damage(list: BlobList, damaged: BTreeSet<ArtifactId>) -> BlobList {
    if damaged.is_empty() {
        return list;
    }
    let errors: Vec<_> = damaged
        .iter()
        .map(|id| Err(injected(ErrorKind::Corrupt, Operation::List, Some(*id))))
        .collect();
    let whole = list.filter(move |blob| {
        let whole = blob
            .as_ref()
            .map_or(true, |blob| !damaged.contains(&blob.id));
        std::future::ready(whole)
    });
    stream::iter(errors).chain(whole).boxed()
}

/// Returns the list of a shard with an error instead of each damaged blob, in its place in the order.
fn with_damage_in_order(list: BlobList, mut damaged: BTreeSet<ArtifactId>) -> BlobList {
    // `None` marks the end, before which the rest of the damaged blobs is due.
    let items = list.map(Some).chain(stream::iter([None]));
    let merged = items.flat_map(move |item| {
        let id = match &item {
            Some(Ok(blob)) => Some(blob.id),
            Some(Err(error)) => error.damaged_blob(),
            None => None,
        };
        let due = match (id, &item) {
            (Some(id), _) => {
                let later = damaged.split_off(&id);
                std::mem::replace(&mut damaged, later)
            }
            (None, None) => std::mem::take(&mut damaged),
            // The list ends with this error.
            (None, Some(_)) => {
                damaged.clear();
                BTreeSet::new()
            }
        };
        let replaced = id.is_some_and(|id| damaged.remove(&id));
        let mut items: Vec<_> = due
            .into_iter()
            .chain(id.filter(|_| replaced))
            .map(|id| Err(injected(ErrorKind::Corrupt, Operation::List, Some(id))))
            .collect();
        items.extend(item.filter(|_| !replaced));
        stream::iter(items)
    });
    merged.boxed()
}

/// Returns the download, ended at the position that the call plans for it.
fn cut(id: ArtifactId, download: Download, call: &Call) -> Download {
    let Some((mut remaining, kind)) = call.cut() else {
        return download;
    };
    let take = move |chunk: Result<Bytes>| {
        let mut chunk = chunk?;
        let take = usize::try_from(remaining)
            .unwrap_or(usize::MAX)
            .min(chunk.len());
        remaining -= take as u64;
        chunk.truncate(take);
        Ok((chunk, remaining == 0))
    };
    // The chunk at the cut is the last one.
    let end = |ended: &mut bool, chunk: Result<(Bytes, bool)>| {
        let next = (!*ended).then(|| {
            chunk.map(|(chunk, last)| {
                *ended = last;
                chunk
            })
        });
        std::future::ready(next)
    };
    let ending = kind.map(|kind: ErrorKind| Err(injected(kind, Operation::Download, Some(id))));
    download.map_stream(|chunks| {
        chunks
            .map(take)
            .scan(false, end)
            .chain(stream::iter(ending))
    })
}

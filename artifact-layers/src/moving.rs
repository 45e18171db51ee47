//! Two backends as one, while the blobs move from one to the other.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use artifact_backend::{
    ArtifactBackend, ArtifactId, ArtifactInventory, BlobList, BlobStat, ByteRange, Download, Error,
    ErrorKind, Operation, Result, Shard, StoreId, SweepReport, Upload,
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::{ready, try_join};
use futures_util::stream::{BoxStream, Peekable};
use futures_util::{StreamExt, stream};

/// Two backends as one, while blobs are copied from `previous` to `current`.
///
/// - **Stores** and uploads go to `current`, unless `previous` has a blob with the id.
/// - **Reads** ask `current`, then `previous`, and then `current` again: between the first two looks the blob may have been
///   copied, and deleted from `previous`.
/// - **Lists** show each blob once, also one that is copied meanwhile. Both lists are in ascending order of the ids. A list
///   that runs while blobs are deleted from `previous` alone can lack some of those.
/// - **Delete** deletes from both, `previous` first. A blob that is being copied at the same time may be there again
///   afterwards; a copier must look again after each copy whether the blob is still wanted, or a collector deletes it later.
/// - **Sweep** sweeps both, **close** closes both, and **probe** probes `current`.
/// - **Store id**: both have the same one. The one of `previous` decides, because it was there before.
///
/// A blob that is damaged in `current` is an error; the copy in `previous` is not used instead.
///
/// The clauses of the contract hold if all stores go through such a backend. If others still store in `previous`
/// directly, exclusive ids (clause 1) need fresh ids, as [`ArtifactId::mint`] makes them. A call costs at most the two
/// or three calls above: each store and each read of a blob that is not copied yet costs one more request.
///
/// ```
/// use artifact_backend::{ArtifactBackend, ArtifactId, ArtifactInventory, Result};
/// use artifact_backend_mem::MemBackend;
/// use artifact_layers::MovingBackend;
/// use std::sync::Arc;
///
/// # fn main() -> Result<()> {
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let (previous, current) = (MemBackend::default(), MemBackend::default());
/// let (old, new) = (ArtifactId::mint(), ArtifactId::mint());
/// previous.store(old, "stored before".into()).await?;
///
/// let moving = MovingBackend::new(Arc::new(current.clone()), Arc::new(previous.clone()));
/// moving.store(new, "stored now".into()).await?;
/// assert_eq!(moving.load(old).await?, "stored before");
/// assert!(current.stat(new).await.is_ok() && previous.stat(new).await.is_err());
/// # Ok(())
/// # })
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct MovingBackend {
    current: Arc<dyn ArtifactInventory>,
    previous: Arc<dyn ArtifactInventory>,
}

impl MovingBackend {
    /// Puts two backends together. Does no I/O.
    pub fn new(current: Arc<dyn ArtifactInventory>, previous: Arc<dyn ArtifactInventory>) -> Self {
        Self { current, previous }
    }

    /// Calls the backends until one has the blob.
    async fn find<'s, T, Fut>(
        &'s self,
        look: impl Fn(&'s dyn ArtifactInventory) -> Fut + Send + Sync,
    ) -> Result<T>
    where
        T: Send,
        Fut: Future<Output = Result<T>> + Send + 's,
    {
        match look(&*self.current).await {
            Err(error) if is_absent(&error) => {}
            found => return found,
        }
        match look(&*self.previous).await {
            Err(error) if is_absent(&error) => {}
            found => return found,
        }
        look(&*self.current).await
    }

    /// Fails if the previous backend has the id.
    async fn check_free(&self, operation: Operation, id: ArtifactId) -> Result<()> {
        match self.previous.stat(id).await {
            Err(error) if is_absent(&error) => Ok(()),
            Err(error) if error.kind() != ErrorKind::Corrupt => Err(error),
            Ok(_) | Err(_) => Err(Error::new(ErrorKind::AlreadyExists, operation)
                .with_id(id)
                .with_detail("the previous backend has a blob with this id")),
        }
    }
}

fn is_absent(error: &Error) -> bool {
    error.kind() == ErrorKind::NotFound
}

#[async_trait]
impl ArtifactBackend for MovingBackend {
    async fn store(&self, id: ArtifactId, bytes: Bytes) -> Result<()> {
        self.check_free(Operation::Store, id).await?;
        self.current.store(id, bytes).await
    }

    async fn upload(&self, id: ArtifactId) -> Result<Box<dyn Upload>> {
        self.check_free(Operation::Upload, id).await?;
        self.current.upload(id).await
    }

    async fn load(&self, id: ArtifactId) -> Result<Bytes> {
        self.find(|backend| backend.load(id)).await
    }

    async fn download(&self, id: ArtifactId, range: ByteRange) -> Result<Download> {
        self.find(|backend| backend.download(id, range)).await
    }

    async fn stat(&self, id: ArtifactId) -> Result<BlobStat> {
        self.find(|backend| backend.stat(id)).await
    }
}

#[async_trait]
impl ArtifactInventory for MovingBackend {
    async fn list(&self) -> Result<BlobList> {
        // In order, so that a blob in both is noticed without a set of all ids. The first list is opened now, so that a
        // storage that is lost fails the call.
        let first = self.list_shard(Shard::ALL[0], None).await?;
        let others = self.clone();
        let others = stream::iter(&Shard::ALL[1..]).then(move |shard| {
            let backend = others.clone();
            async move {
                let list = backend.list_shard(*shard, None).await;
                list.unwrap_or_else(|error| stream::iter([Err(error)]).boxed())
            }
        });
        let mut has_ended = false;
        let items = first.chain(others.flatten()).take_while(move |item| {
            let take = !has_ended;
            has_ended |= ends_list(item);
            ready(take)
        });
        Ok(items.boxed())
    }

    async fn list_shard(&self, shard: Shard, after: Option<ArtifactId>) -> Result<BlobList> {
        let previous = self.previous.list_shard(shard, after).await?;
        let current = self.current.list_shard(shard, after).await?;
        let state = Merge {
            current: current.peekable(),
            previous: previous.peekable(),
            has_ended: false,
        };
        let merged = stream::unfold(state, |mut state| async move {
            let item = state.next().await?;
            Some((item, state))
        });
        Ok(merged.boxed())
    }

    async fn delete(&self, id: ArtifactId) -> Result<()> {
        // A blob is copied from `previous` to `current`, so the source goes first.
        let previous = self.previous.delete(id).await;
        self.current.delete(id).await?;
        previous
    }

    async fn sweep(&self, older_than: Duration) -> Result<SweepReport> {
        let (mut report, previous) = try_join(
            self.current.sweep(older_than),
            self.previous.sweep(older_than),
        )
        .await?;
        report.removed += previous.removed;
        report.removed_bytes += previous.removed_bytes;
        report.kept += previous.kept;
        Ok(report)
    }

    async fn store_id(&self) -> Result<Option<StoreId>> {
        let (previous, current) =
            try_join(self.previous.store_id(), self.current.store_id()).await?;
        check_same(Operation::ReadStoreId, previous, current)
    }

    async fn create_store_id(&self, new: StoreId) -> Result<StoreId> {
        let previous = self.previous.create_store_id(new).await?;
        let current = self.current.create_store_id(previous).await?;
        check_same(Operation::CreateStoreId, Some(previous), Some(current))?;
        Ok(previous)
    }

    async fn probe(&self) -> Result<()> {
        self.current.probe().await
    }

    async fn close(&self) {
        self.current.close().await;
        self.previous.close().await;
    }
}

/// Returns the store id of both. A crash can leave one without it.
fn check_same(
    operation: Operation,
    previous: Option<StoreId>,
    current: Option<StoreId>,
) -> Result<Option<StoreId>> {
    match (previous, current) {
        (Some(previous), Some(current)) if previous != current => {
            Err(
                Error::new(ErrorKind::Misconfigured, operation).with_detail(format!(
                    "the previous backend belongs to {previous} and the current one to {current}"
                )),
            )
        }
        // Without the id of the first, that of the second does not count: `create_store_id` has not returned.
        (previous, _) => Ok(previous),
    }
}

type ShardList = Peekable<BoxStream<'static, Result<BlobStat>>>;

/// Two ordered lists that become one.
struct Merge {
    current: ShardList,
    previous: ShardList,
    has_ended: bool,
}

impl Merge {
    async fn next(&mut self) -> Option<Result<BlobStat>> {
        if self.has_ended {
            return None;
        }
        let current = Pin::new(&mut self.current).peek().await.map(place);
        let previous = Pin::new(&mut self.previous).peek().await.map(place);
        let item = match (current, previous) {
            (None, None) => None,
            (Some(_), None) => self.current.next().await,
            (Some(current), Some(previous)) if current == previous && current.is_some() => {
                // Both have the blob. Reads see the one in `current`.
                self.previous.next().await;
                self.current.next().await
            }
            // An error that ends a list has no place, and comes before all ids.
            (Some(current), Some(previous)) if current <= previous => self.current.next().await,
            _ => self.previous.next().await,
        };
        self.has_ended = item.as_ref().is_some_and(ends_list);
        item
    }
}

fn ends_list(item: &Result<BlobStat>) -> bool {
    matches!(item, Err(error) if error.damaged_blob().is_none())
}

/// Returns the id of an item, or `None` for an error that ends the list.
fn place(item: &Result<BlobStat>) -> Option<ArtifactId> {
    match item {
        Ok(blob) => Some(blob.id),
        Err(error) => error.damaged_blob(),
    }
}

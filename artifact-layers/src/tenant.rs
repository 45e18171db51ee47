//! Many tenants in one backend.

use std::sync::Arc;

use artifact_backend::{
    ArtifactBackend, ArtifactBackendExt as _, ArtifactId, ArtifactInventory, BlobList, BlobStat,
    ByteRange, Download, Error, ErrorKind, Layer, Operation, Result, Shard, StoreId, Upload,
    forward, smallest::Smallest,
};
use async_trait::async_trait;
use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::{StreamExt as _, TryStreamExt as _, future, stream};

use crate::tenant_ids::TenantIds;
use crate::tenant_upload::TenantUpload;

/// The length of the header of a stored blob: the id that the tenant knows it by.
pub(crate) const HEADER: u64 = ArtifactId::BYTES as u64;

/// How many headers a list reads at a time.
const LIST_READS: usize = 16;

/// The part of a shared backend that belongs to one tenant.
///
/// Many tenants share one backend, with its file descriptors, connections and settings: clone the backend, or
/// put it into an `Arc`, and apply the layer with another number for each tenant. A tenant costs no request, no
/// folder and a few bytes of memory, so a program can create one for each request.
///
/// # Guarantees
///
/// - Different numbers never share a blob, whatever ids they use. The last 4 bytes of each id in the shared
///   backend are the number, so a tenant cannot name, read, list or delete a blob of another.
/// - Each tenant has a [store id](ArtifactInventory::store_id) of its own.
/// - All ids of 128 bits can be used. The other 12 bytes of the shared id are a hash (the first 95 bits of
///   SHA-256) of the number and the id. Two ids of one tenant meet with probability 2⁻⁹⁵; then the second store
///   fails with `AlreadyExists`.
/// - `sweep` removes leftovers of the whole backend, and its report counts these. A leftover belongs to no
///   tenant, and no sweep removes a blob or the data of a live upload. `probe` and `close` are those of the whole
///   backend too.
///
/// A number is not a secret, and the layer encrypts nothing: anyone who can read the storage can read all tenants, and
/// see which blobs belong to one.
///
/// # Costs
///
/// - Each blob takes 16 bytes more: its id, because a hash cannot be reversed. `store` copies the bytes once, to
///   put the id before them. A store and a read need no further request.
/// - `list` lists the shared backend with all tenants, and reads the first 16 bytes of each blob of this tenant,
///   16 at a time. If they cannot be read, the blob is listed as damaged under its shared id, because its own id
///   is not known.
/// - `list_shard` needs the order of the tenant's ids, which the shared backend does not have. For each 65,536 blobs of the shard it
///   does what `list` does, and holds up to 65,536 stats in memory. A list of all 16 shards therefore reads each header
///   16 times or more.
///
/// Use a backend either through this layer only or without it. Another user of the shared backend has ids
/// that look like those of some tenant, and that tenant's `list` then returns errors.
#[derive(Debug, Clone)]
#[must_use = "a layer does nothing until it is applied"]
pub struct Tenant {
    number: u32,
}

impl Tenant {
    /// Creates the layer for the tenant with this number. The program must give each tenant the same number for
    /// ever.
    pub fn new(number: u32) -> Self {
        Self { number }
    }
}

impl<B: ArtifactBackend> Layer<B> for Tenant {
    type Backend = TenantBackend<B>;

    fn layer(&self, inner: B) -> Self::Backend {
        TenantBackend {
            ids: TenantIds::new(self.number),
            inner: Arc::new(inner),
        }
    }
}

/// The part of a backend that belongs to one [`Tenant`]. Clones share the backend.
#[derive(Debug)]
pub struct TenantBackend<B> {
    ids: TenantIds,
    inner: Arc<B>,
}

// Not derived, because a derived impl would demand `B: Clone`.
impl<B> Clone for TenantBackend<B> {
    fn clone(&self) -> Self {
        Self {
            ids: self.ids,
            inner: Arc::clone(&self.inner),
        }
    }
}

#[async_trait]
impl<B: ArtifactBackend> ArtifactBackend for TenantBackend<B> {
    async fn store(&self, id: ArtifactId, bytes: Bytes) -> Result<()> {
        let mut whole = BytesMut::with_capacity(ArtifactId::BYTES + bytes.len());
        whole.put_slice(id.as_bytes());
        whole.put(bytes);
        let stored = self.inner.store(self.ids.shared(id), whole.freeze()).await;
        stored.map_err(|error| error.with_id(id))
    }

    async fn upload(&self, id: ArtifactId) -> Result<Box<dyn Upload>> {
        let upload = self.inner.upload(self.ids.shared(id)).await;
        let inner = upload.map_err(|error| error.with_id(id))?;
        Ok(Box::new(TenantUpload::new(id, inner)))
    }

    async fn load(&self, id: ArtifactId) -> Result<Bytes> {
        let loaded = self.inner.load(self.ids.shared(id)).await;
        let mut whole = loaded.map_err(|error| error.with_id(id))?;
        if whole.len() < ArtifactId::BYTES {
            return Err(without_header(Operation::Load, id));
        }
        Ok(whole.split_off(ArtifactId::BYTES))
    }

    async fn download(&self, id: ArtifactId, range: ByteRange) -> Result<Download> {
        let shifted = match range {
            ByteRange::FromTo { first, last } => ByteRange::FromTo {
                first: first.saturating_add(HEADER),
                last: last.saturating_add(HEADER),
            },
            ByteRange::From(first) => ByteRange::From(first.saturating_add(HEADER)),
            // May include the header, also because `From(HEADER)` of an empty blob is no valid range.
            range => range,
        };
        let opened = self.inner.download(self.ids.shared(id), shifted).await;
        without_its_header(id, opened.map_err(|error| outer_error(error, id, range))?)
    }

    async fn stat(&self, id: ArtifactId) -> Result<BlobStat> {
        let stat = self.inner.stat(self.ids.shared(id)).await;
        outer_stat(id, stat.map_err(|error| error.with_id(id))?)
    }
}

#[async_trait]
impl<B: ArtifactInventory> ArtifactInventory for TenantBackend<B> {
    forward!(inner => sweep, probe, close);

    async fn list(&self) -> Result<BlobList> {
        Ok(self.named(self.inner.list().await?))
    }

    async fn list_shard(&self, shard: Shard, after: Option<ArtifactId>) -> Result<BlobList> {
        // Reports an error of the first pass now rather than in the first item.
        let first = self.pass(shard, after).await?;
        let this = self.clone();
        let passes = stream::try_unfold(Pass::Done(first), move |pass| {
            let this = this.clone();
            async move {
                let (items, next) = match pass {
                    Pass::Done(done) => done,
                    Pass::After(Some(after)) => this.pass(shard, Some(after)).await?,
                    Pass::After(None) => return Ok(None),
                };
                let items = items.into_iter().map(|(_, item)| item);
                Ok::<_, Error>(Some((stream::iter(items), Pass::After(next))))
            }
        });
        Ok(passes.try_flatten().boxed())
    }

    async fn delete(&self, id: ArtifactId) -> Result<()> {
        let deleted = self.inner.delete(self.ids.shared(id)).await;
        deleted.map_err(|error| error.with_id(id))
    }

    async fn store_id(&self) -> Result<Option<StoreId>> {
        self.load_store_id(Operation::ReadStoreId).await
    }

    async fn create_store_id(&self, new: StoreId) -> Result<StoreId> {
        // The id is a blob that no id of the tenant leads to, so an exclusive store decides.
        let operation = Operation::CreateStoreId;
        match self
            .inner
            .store(self.ids.store_id(), new.to_line().into())
            .await
        {
            Ok(()) => Ok(new),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let found = self.load_store_id(operation).await?;
                found.ok_or_else(|| {
                    Error::new(ErrorKind::Unavailable, operation)
                        .with_detail("the store id was deleted while it was created")
                })
            }
            Err(error) => Err(of_store_id(operation, error)),
        }
    }
}

impl<B: ArtifactBackend> TenantBackend<B> {
    /// Returns the blobs of this tenant in a list of the shared backend, by the ids that the tenant knows.
    fn named(&self, list: BlobList) -> BlobList {
        let (ids, this) = (self.ids, self.clone());
        let mine = move |item: &Result<BlobStat>| {
            let id = match item {
                Ok(stat) => Some(stat.id),
                Err(error) => error.damaged_blob(),
            };
            // Another error is about the whole list.
            future::ready(id.is_none_or(|id| ids.is_blob(id)))
        };
        let list = list.filter(mine);
        let named = list.map(move |item| {
            let this = this.clone();
            async move {
                match item {
                    Ok(stat) => this.read_header(stat).await,
                    Err(error) => Some(Err(error)),
                }
            }
        });
        let read = named.buffer_unordered(LIST_READS);
        let items = read.filter_map(future::ready);
        let until_error = items.scan(false, |ended, item| {
            let next = (!*ended).then_some(item);
            *ended = matches!(&next, Some(Err(error)) if error.damaged_blob().is_none());
            future::ready(next)
        });
        until_error.boxed()
    }

    /// Reads the id that the tenant knows a blob by. Returns `None` if the blob was deleted meanwhile.
    async fn read_header(&self, stat: BlobStat) -> Option<Result<BlobStat>> {
        let header = ByteRange::FromTo {
            first: 0,
            last: HEADER - 1,
        };
        let read = self.inner.load_range(stat.id, header).await;
        let id = match &read {
            Ok(bytes) => bytes[..].try_into().ok().map(ArtifactId::from_bytes),
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            Err(error) if error.kind() == ErrorKind::InvalidRange => None,
            Err(_) => return Some(Err(read.err()?)),
        };
        Some(match id.filter(|id| self.ids.shared(*id) == stat.id) {
            Some(id) => outer_stat(id, stat),
            None => Err(without_header(Operation::List, stat.id)),
        })
    }

    async fn load_store_id(&self, operation: Operation) -> Result<Option<StoreId>> {
        match self.inner.load(self.ids.store_id()).await {
            Ok(line) => StoreId::from_line(&line).map(Some).map_err(|error| {
                Error::new(ErrorKind::Corrupt, operation)
                    .with_detail("the blob that holds the tenant's store id was changed")
                    .with_source(error)
            }),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(of_store_id(operation, error)),
        }
    }
}

impl<B: ArtifactInventory> TenantBackend<B> {
    /// Lists the shared backend and keeps the smallest ids of a shard after `after`, by the ids that the tenant
    /// knows. Returns them in order, and the id after which the next pass begins.
    async fn pass(&self, shard: Shard, after: Option<ArtifactId>) -> Result<Done> {
        let mut smallest = Smallest::new(shard, after);
        for inner_shard in Shard::ALL {
            let mut list = self.named(self.inner.list_shard(inner_shard, None).await?);
            while let Some(item) = list.next().await {
                match item {
                    Ok(stat) => smallest.offer(stat.id, Ok(stat)),
                    Err(error) => match error.damaged_blob() {
                        Some(id) => smallest.offer(id, Err(error)),
                        None => return Err(error),
                    },
                }
            }
        }
        Ok(smallest.finish())
    }
}

/// The items of one pass over the shared backend, and the id after which the next begins.
type Done = (Vec<(ArtifactId, Result<BlobStat>)>, Option<ArtifactId>);

/// A pass that was done, or the next one.
enum Pass {
    Done(Done),
    After(Option<ArtifactId>),
}

/// Returns the error of an operation on the store id, caused by an error of the blob that holds it.
fn of_store_id(operation: Operation, cause: Error) -> Error {
    let error = Error::new(cause.kind(), operation);
    let error = if cause.has_timed_out() {
        error.with_timed_out()
    } else {
        error
    };
    error.with_source(cause)
}

fn without_header(operation: Operation, id: ArtifactId) -> Error {
    Error::new(ErrorKind::Corrupt, operation)
        .with_id(id)
        .with_detail("the blob was not stored by this tenant: it does not begin with its id")
}

fn outer_stat(id: ArtifactId, stat: BlobStat) -> Result<BlobStat> {
    match stat.size.checked_sub(HEADER) {
        Some(size) => Ok(BlobStat::new(id, size, stat.modified)),
        None => Err(without_header(Operation::Stat, id)),
    }
}

/// Returns the error with the id and the size that the tenant knows.
fn outer_error(error: Error, id: ArtifactId, range: ByteRange) -> Error {
    let size = error.blob_size().and_then(|size| size.checked_sub(HEADER));
    match size.map(|size| range.resolve(size)) {
        Some(Err(range)) => Error::invalid_range(error.operation(), id, range),
        _ => error.with_id(id),
    }
}

/// Removes the header, as far as the range includes it.
fn without_its_header(id: ArtifactId, mut inner: Download) -> Result<Download> {
    let Some(size) = inner.size().checked_sub(HEADER) else {
        return Err(without_header(Operation::Download, id));
    };
    let (range, stamp, chunk_size) = (inner.range(), inner.stamp(), inner.chunk_size().cloned());
    let mut skip = HEADER.saturating_sub(range.start);
    let range = range.start.max(HEADER) - HEADER..range.end.max(HEADER) - HEADER;
    let mut download = if let Some(mut bytes) = inner.take_in_memory() {
        Download::in_memory(id, bytes.split_off(ArtifactId::BYTES))
    } else {
        let chunks = inner.map(move |chunk| {
            let mut chunk = chunk.map_err(|error| error.with_id(id))?;
            let skipped = usize::try_from(skip).unwrap_or(usize::MAX).min(chunk.len());
            skip -= skipped as u64;
            Ok(chunk.split_off(skipped))
        });
        Download::new(id, size, range, chunks.boxed())
    };
    if let Some(stamp) = stamp {
        download = download.with_stamp(stamp);
    }
    if let Some(chunk_size) = chunk_size {
        download = download.with_chunk_size(chunk_size);
    }
    Ok(download)
}

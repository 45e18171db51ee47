//! A backend with one mutation.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use artifact_backend::{
    ArtifactBackend, ArtifactId, ArtifactInventory, BlobList, BlobStat, ByteRange, Download, Error,
    ErrorKind, Operation, Result, Shard, StoreId, SweepReport, Upload,
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::task::yield_now;

use super::mutation::Mutation;
use super::storage::{OpenLock, SharedState, lock};
use super::upload::MutantUpload;

#[derive(Debug)]
pub(crate) struct Mutant {
    pub(crate) mutation: Mutation,
    pub(crate) inner: Arc<dyn ArtifactInventory>,
    pub(crate) shared: Arc<SharedState>,
    pub(crate) absent: Mutex<BTreeSet<ArtifactId>>,
    /// The lock of a storage that opens only once.
    pub(crate) _lock: Option<OpenLock>,
}

impl Mutant {
    /// Checks the id at the start of every operation and returns the id to use.
    fn check_id(&self, operation: Operation, id: ArtifactId) -> Result<ArtifactId> {
        if self.shared.lost.load(Ordering::SeqCst) {
            let kind = match self.mutation {
                Mutation::NotFoundForLostStorage => ErrorKind::NotFound,
                _ => ErrorKind::Misconfigured,
            };
            return Err(Error::new(kind, operation).with_id(id));
        }
        let planted = lock(&self.shared.outside).contains_key(&id);
        if planted && !(self.mutation == Mutation::WritesPlant && operation == Operation::Store) {
            return Err(Error::new(ErrorKind::Corrupt, operation).with_id(id));
        }
        let mut bytes = *id.as_bytes();
        if self.mutation == Mutation::UsesHalfOfId {
            bytes[8..].fill(0);
        }
        Ok(ArtifactId::from_bytes(bytes))
    }

    /// Applies the mutation to the result of a read.
    async fn result<T>(&self, id: ArtifactId, result: Result<T>) -> Result<T> {
        let not_found = |error: &Error| error.kind() == ErrorKind::NotFound;
        match self.mutation {
            Mutation::CachesAbsence => {
                if result.as_ref().is_err_and(not_found) {
                    lock(&self.absent).insert(id);
                }
                if lock(&self.absent).contains(&id) {
                    return Err(Error::new(ErrorKind::NotFound, Operation::Load));
                }
                result
            }
            Mutation::Hangs if result.as_ref().is_err_and(not_found) => {
                std::future::pending().await
            }
            Mutation::AlreadyExistsForNotFound => result.map_err(|error| {
                let kind = match error.kind() {
                    ErrorKind::NotFound => ErrorKind::AlreadyExists,
                    kind => kind,
                };
                Error::new(kind, error.operation())
            }),
            Mutation::VanishesDuringStores if self.shared.stores.load(Ordering::SeqCst) > 0 => {
                Err(Error::new(ErrorKind::NotFound, Operation::Load))
            }
            _ => result,
        }
    }

    async fn mutated_store(&self, id: ArtifactId, bytes: Bytes) -> Result<()> {
        match self.mutation {
            Mutation::Overwrites => {
                self.inner.delete(id).await?;
                self.inner.store(id, bytes).await
            }
            Mutation::ChecksThenActs => {
                if self.inner.stat(id).await.is_ok() {
                    return Err(Error::new(ErrorKind::AlreadyExists, Operation::Store));
                }
                yield_now().await;
                self.inner.delete(id).await?;
                self.inner.store(id, bytes).await
            }
            Mutation::ReservesId if lock(&self.shared.in_flight).contains(&id) => {
                Err(Error::new(ErrorKind::AlreadyExists, Operation::Store))
            }
            Mutation::StoresInTwoSteps => {
                self.inner.store(id, bytes.slice(..bytes.len() / 2)).await?;
                yield_now().await;
                self.inner.delete(id).await?;
                self.inner.store(id, bytes).await
            }
            Mutation::ForgetsEmpty if bytes.is_empty() => Ok(()),
            Mutation::TruncatesLarge => {
                let length = bytes.len().min(usize::from(u16::MAX));
                self.inner.store(id, bytes.slice(..length)).await
            }
            Mutation::LosingStoreLeaks => {
                let result = self.inner.store(id, bytes).await;
                if result.is_err() {
                    self.shared.staged.fetch_add(1, Ordering::SeqCst);
                }
                result
            }
            // Every fourth store behaves as if the reply of its first attempt were lost: its retry finds its own
            // blob. It starts with the first store, so that it happens in every race of four stores.
            Mutation::RetryFindsOwnBlob
                if self.shared.stores.fetch_add(1, Ordering::SeqCst) % 4 == 0 =>
            {
                let _ = self.inner.store(id, bytes.clone()).await;
                self.inner.store(id, bytes).await
            }
            Mutation::WritesPlant => {
                let outside = lock(&self.shared.outside).get_mut(&id).map(|outside| {
                    *outside = bytes.clone();
                });
                match outside {
                    Some(()) => Ok(()),
                    None => self.inner.store(id, bytes).await,
                }
            }
            Mutation::VanishesDuringStores => {
                self.shared.stores.fetch_add(1, Ordering::SeqCst);
                yield_now().await;
                let result = self.inner.store(id, bytes).await;
                self.shared.stores.fetch_sub(1, Ordering::SeqCst);
                result
            }
            _ => self.inner.store(id, bytes).await,
        }
    }

    fn resolve(&self, id: ArtifactId, range: ByteRange, size: u64) -> Result<Range<u64>> {
        let range = match (self.mutation, range) {
            (Mutation::ExcludesLastByte, ByteRange::FromTo { first, last }) if last > first => {
                let last = last - 1;
                ByteRange::FromTo { first, last }
            }
            (Mutation::SuffixFromStart, ByteRange::Suffix(length)) if length > 0 => {
                return Ok(0..length.min(size));
            }
            (Mutation::RejectsRangePastEnd, ByteRange::FromTo { last, .. }) if last >= size => {
                ByteRange::From(u64::MAX)
            }
            (_, range) => range,
        };
        range.resolve(size).map_err(|error| match self.mutation {
            Mutation::NoSizeInError => {
                Error::new(ErrorKind::InvalidRange, Operation::Download).with_id(id)
            }
            _ => Error::invalid_range(Operation::Download, id, error),
        })
    }

    /// Returns the mutated download of a range.
    async fn mutated_download(&self, id: ArtifactId, range: ByteRange) -> Result<Download> {
        let whole = self.inner.load(id).await?;
        let size = whole.len() as u64;
        let range = self.resolve(id, range, size)?;
        let download = self.inner.download(id, exact_range(&range)).await;
        let download = match download {
            Ok(download) => download,
            // Only the empty range of an empty blob has no exact request.
            Err(_) => self.inner.download(id, ByteRange::Full).await?,
        };
        Ok(match self.mutation {
            Mutation::OneChunk => {
                let bytes = download.into_bytes().await?;
                Download::new(id, size, range, stream::iter([Ok(bytes)]).boxed())
            }
            Mutation::SizeOfRange => {
                let length = range.end - range.start;
                Download::new(id, length, 0..length, download.boxed())
            }
            Mutation::DownloadsOtherBytes if size > 256 * 1024 => {
                let mut bytes = download.into_bytes().await?.to_vec();
                if let Some(last) = bytes.last_mut() {
                    *last ^= 1;
                }
                Download::new(id, size, range, stream::iter([Ok(bytes.into())]).boxed())
            }
            _ => download,
        })
    }
}

fn exact_range(range: &Range<u64>) -> ByteRange {
    match range.end.checked_sub(1) {
        Some(last) => ByteRange::FromTo {
            first: range.start,
            last,
        },
        None => ByteRange::Full,
    }
}

#[async_trait]
impl ArtifactBackend for Mutant {
    async fn store(&self, id: ArtifactId, bytes: Bytes) -> Result<()> {
        let id = self.check_id(Operation::Store, id)?;
        match self.mutated_store(id, bytes).await {
            Err(error) if error.kind() == ErrorKind::Ambiguous => self.unknown(error),
            result => result,
        }
    }

    async fn upload(&self, id: ArtifactId) -> Result<Box<dyn Upload>> {
        let id = self.check_id(Operation::Upload, id)?;
        let inner = self.inner.upload(id).await?;
        Ok(Box::new(MutantUpload::new(self, id, inner)))
    }

    async fn load(&self, id: ArtifactId) -> Result<Bytes> {
        if self.mutation == Mutation::ReadsPlant
            && let Some(outside) = lock(&self.shared.outside).get(&id)
        {
            return Ok(outside.clone());
        }
        let id = self.check_id(Operation::Load, id)?;
        let result = self.inner.load(id).await;
        self.result(id, result).await
    }

    async fn download(&self, id: ArtifactId, range: ByteRange) -> Result<Download> {
        let id = self.check_id(Operation::Download, id)?;
        if self.mutation == Mutation::RangeBeforeBlob
            && let ByteRange::FromTo { first, last } = range
            && last < first
        {
            return Err(Error::new(ErrorKind::InvalidRange, Operation::Download));
        }
        let result = self.mutated_download(id, range).await;
        self.result(id, result).await
    }

    async fn stat(&self, id: ArtifactId) -> Result<BlobStat> {
        let requested = id;
        let id = self.check_id(Operation::Stat, id)?;
        let result = self.inner.stat(id).await;
        assert!(
            self.mutation != Mutation::Panics || result.is_err(),
            "index out of bounds in stat"
        );
        let mut stat = self.result(id, result).await?;
        stat.id = requested;
        if self.mutation == Mutation::NoModifiedTime {
            stat.modified = SystemTime::UNIX_EPOCH;
        }
        Ok(stat)
    }
}

impl Mutant {
    /// Returns the items of a list for the planted links.
    fn damaged(&self) -> Vec<Result<BlobStat>> {
        let planted = lock(&self.shared.outside);
        let error = |id: &_| Err(Error::new(ErrorKind::Corrupt, Operation::List).with_id(*id));
        planted.keys().map(error).collect()
    }

    /// Returns the items of a shard, which need not be listed in constant memory here.
    async fn mutated_shard(
        &self,
        shard: Shard,
        after: Option<ArtifactId>,
    ) -> Result<Vec<Result<BlobStat>>> {
        let mutation = self.mutation;
        let is_in = |id: ArtifactId| match mutation {
            Mutation::ShardsByLastDigit => id.as_bytes()[15] & 0x0f == shard.number(),
            Mutation::ShardsOverlap => id >= shard.first_id(),
            _ => shard.contains(id),
        };
        let id_of = |item: &Result<BlobStat>| match item {
            Ok(blob) => blob.id,
            Err(error) => error.damaged_blob().expect("only planted objects fail"),
        };
        let blobs: Vec<BlobStat> = self.inner.list().await?.try_collect().await?;
        let mut items: Vec<_> = blobs.into_iter().map(Ok).chain(self.damaged()).collect();
        items.retain(|item| is_in(id_of(item)));
        items.sort_by_key(|item| {
            (
                mutation == Mutation::ShardDamageFirst && item.is_ok(),
                id_of(item),
            )
        });
        match (mutation, after) {
            (Mutation::ShardRepeatsAfter, Some(after)) => items.retain(|item| id_of(item) >= after),
            (Mutation::ShardNeedsAfter, Some(after)) => {
                let found = items.iter().position(|item| id_of(item) == after);
                items.drain(..found.map_or(items.len(), |found| found + 1));
            }
            (Mutation::ShardWrapsAround, Some(after)) if !shard.contains(after) => {}
            (Mutation::ShardByPosition, Some(after)) => {
                // Remembers how many ids a list of this handle has returned up to `after`.
                let position = lock(&self.shared.positions).get(&after).copied();
                items.drain(..position.unwrap_or(0).min(items.len()));
            }
            (_, Some(after)) => items.retain(|item| id_of(item) > after),
            (_, None) => {}
        }
        match mutation {
            Mutation::ShardUnordered => items.reverse(),
            Mutation::ShardOnePage => items.truncate(1_000),
            Mutation::ShardByPosition => {
                let mut positions = lock(&self.shared.positions);
                let before = after.and_then(|after| positions.get(&after).copied());
                for (number, item) in (before.unwrap_or(0) + 1..).zip(&items) {
                    positions.insert(id_of(item), number);
                }
            }
            Mutation::ShardHidesDamage => items.retain(Result::is_ok),
            Mutation::ShardEndsAtDamage => {
                let damaged = items.iter().position(Result::is_err);
                items.truncate(damaged.map_or(items.len(), |damaged| damaged + 1));
            }
            _ => {}
        }
        Ok(items)
    }

    /// Returns the list, which fails once the storage is lost.
    fn until_lost(&self, list: BlobList) -> BlobList {
        let (shared, mutation) = (Arc::clone(&self.shared), self.mutation);
        let list = list.map(move |blob| {
            if shared.lost.load(Ordering::SeqCst) {
                return Err(Error::new(ErrorKind::Misconfigured, Operation::List));
            }
            blob
        });
        if matches!(
            mutation,
            Mutation::ListGoesOnAfterLoss | Mutation::ShardGoesOnAfterLoss
        ) {
            return list.boxed();
        }
        let end = |ended: &mut bool, blob: Result<BlobStat>| {
            let ends = blob
                .as_ref()
                .is_err_and(|error| error.damaged_blob().is_none());
            std::future::ready((!std::mem::replace(ended, ends)).then_some(blob))
        };
        list.scan(false, end).boxed()
    }

    fn unknown(&self, error: Error) -> Result<()> {
        match self.mutation {
            Mutation::OkForAmbiguous => Ok(()),
            Mutation::AlreadyExistsForAmbiguous => {
                Err(Error::new(ErrorKind::AlreadyExists, error.operation()))
            }
            _ => Err(error),
        }
    }
}

#[async_trait]
impl ArtifactInventory for Mutant {
    async fn list(&self) -> Result<BlobList> {
        self.check_id(Operation::List, ArtifactId::from_bytes([0; 16]))?;
        let list = self.inner.list().await?;
        let list = match self.mutation {
            Mutation::HidesDamage | Mutation::ListsPlant => list,
            Mutation::EndsListAtDamage => {
                let damaged = self.damaged();
                let rest = if damaged.is_empty() { usize::MAX } else { 0 };
                stream::iter(damaged).chain(list.take(rest)).boxed()
            }
            _ => stream::iter(self.damaged()).chain(list).boxed(),
        };
        let list = self.until_lost(list);
        let epoch = SystemTime::UNIX_EPOCH;
        Ok(match self.mutation {
            Mutation::ListsTwice => list
                .flat_map(|blob| stream::iter([blob.as_ref().ok().copied(), blob.ok()]))
                .filter_map(|blob| async move { blob.map(Ok) })
                .boxed(),
            Mutation::ListsOnePage => list.take(1_000).boxed(),
            Mutation::ListsMarker => {
                let marker = BlobStat::new(ArtifactId::from_bytes(*b"a format marker "), 0, epoch);
                list.chain(stream::iter([Ok(marker)])).boxed()
            }
            Mutation::ListsUploads | Mutation::ListsPlant => {
                let more = if self.mutation == Mutation::ListsUploads {
                    lock(&self.shared.in_flight).clone()
                } else {
                    lock(&self.shared.outside).keys().copied().collect()
                };
                let more = more
                    .into_iter()
                    .map(move |id| Ok(BlobStat::new(id, 0, epoch)));
                list.chain(stream::iter(more)).boxed()
            }
            Mutation::NoModifiedTime => list
                .map_ok(move |blob| BlobStat::new(blob.id, blob.size, epoch))
                .boxed(),
            _ => list,
        })
    }

    async fn list_shard(&self, shard: Shard, after: Option<ArtifactId>) -> Result<BlobList> {
        self.check_id(Operation::List, ArtifactId::from_bytes([0; 16]))?;
        let items = self.mutated_shard(shard, after).await?;
        Ok(self.until_lost(stream::iter(items).boxed()))
    }

    async fn delete(&self, id: ArtifactId) -> Result<()> {
        let id = self.check_id(Operation::Delete, id)?;
        match self.mutation {
            Mutation::DeleteDoesNothing => return Ok(()),
            Mutation::DeleteNotIdempotent => {
                self.inner.stat(id).await?;
            }
            Mutation::DeleteNotDurable => {
                if let Ok(bytes) = self.inner.load(id).await {
                    lock(&self.shared.deleted).insert(id, bytes);
                }
            }
            _ => {}
        }
        self.inner.delete(id).await
    }

    async fn sweep(&self, older_than: Duration) -> Result<SweepReport> {
        self.shared.sweeps.fetch_add(1, Ordering::SeqCst);
        if self.mutation == Mutation::SweepsStoreId {
            lock(&self.shared.store_id).take();
        }
        let mut report = self.inner.sweep(older_than).await?;
        match self.mutation {
            Mutation::SweepKeepsStaged => report.kept = self.shared.staged.load(Ordering::SeqCst),
            Mutation::CountsMarker => report.count_kept(),
            Mutation::SweepsBlobs => {
                let blobs: Vec<_> = self.inner.list().await?.try_collect().await?;
                for blob in blobs {
                    self.inner.delete(blob.id).await?;
                }
            }
            _ => {}
        }
        Ok(report)
    }

    async fn store_id(&self) -> Result<Option<StoreId>> {
        let any = ArtifactId::from_bytes([0; 16]);
        if self.mutation != Mutation::NoStoreIdForLostStorage {
            self.check_id(Operation::ReadStoreId, any)?;
        }
        match self.mutation {
            Mutation::StoreIdChanges | Mutation::SweepsStoreId => Ok(*lock(&self.shared.store_id)),
            _ => self.inner.store_id().await,
        }
    }

    async fn create_store_id(&self, new: StoreId) -> Result<StoreId> {
        match self.mutation {
            Mutation::StoreIdChanges => Ok(*lock(&self.shared.store_id).insert(new)),
            Mutation::SweepsStoreId => Ok(*lock(&self.shared.store_id).get_or_insert(new)),
            Mutation::StoreIdIsBlob => {
                let id = ArtifactId::from_bytes(*new.as_bytes());
                // A later create finds the blob of the first one in its way and is ignored.
                let _ = self.inner.store(id, new.to_line().into()).await;
                self.inner.create_store_id(new).await
            }
            _ => self.inner.create_store_id(new).await,
        }
    }

    async fn probe(&self) -> Result<()> {
        self.inner.probe().await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

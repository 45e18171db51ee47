//! The trait for maintenance: list, delete, sweep, the store id, probe and close.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use futures_core::stream::BoxStream;

use crate::backend::ArtifactBackend;
use crate::error::Result;
use crate::id::ArtifactId;
use crate::noted::NoteLog;
use crate::shard::Shard;
use crate::store_id::StoreId;

/// The stream that [`ArtifactInventory::list`] and [`list_shard`](ArtifactInventory::list_shard) return. An error in it is one damaged blob
/// ([`Error::damaged_blob`](crate::Error::damaged_blob)), or ends it.
pub type BlobList = BoxStream<'static, Result<BlobStat>>;

/// A backend with maintenance operations: list blobs, delete a blob, remove leftovers, keep the store
/// id, check the storage.
///
/// Orphan collection, scrub and migration get this trait. Request handlers get [`ArtifactBackend`],
/// so they cannot list or delete.
#[async_trait]
pub trait ArtifactInventory: ArtifactBackend {
    /// Lists every blob once, in no particular order (clause 11).
    ///
    /// The list contains each blob that was acknowledged before the call and is not deleted while
    /// the stream runs. A blob that is stored or deleted meanwhile may be missing. Leftovers, and
    /// foreign files that have no blob's name, are not listed. Memory grows with the number of blobs
    /// by their ids at most.
    ///
    /// # Errors
    ///
    /// `Unavailable`, and the kinds that an operator must resolve. In the stream:
    ///
    /// - An error of the kind `Corrupt` that carries an id is one damaged blob: what is stored under
    ///   this id is not a blob, so [`stat`](ArtifactBackend::stat) fails with `Corrupt` too. It takes the place
    ///   of the blob's stat, and the list goes on.
    ///   [`Error::damaged_blob`](crate::Error::damaged_blob) returns the id.
    /// - Any other error ends the stream. Blobs that were not listed before it may exist.
    ///
    /// A list does not read blobs, so [`load`](ArtifactBackend::load) may find damage that a list does
    /// not show. The documentation of each backend says what its lists recognise.
    ///
    /// ```
    /// use artifact_backend::{ArtifactId, ArtifactInventory, Result};
    /// use futures_util::StreamExt;
    ///
    /// /// Returns the ids of the whole blobs and of the damaged blobs.
    /// async fn ids(backend: &dyn ArtifactInventory) -> Result<(Vec<ArtifactId>, Vec<ArtifactId>)> {
    ///     let (mut whole, mut damaged) = (Vec::new(), Vec::new());
    ///     let mut list = backend.list().await?;
    ///     while let Some(item) = list.next().await {
    ///         match item {
    ///             Ok(blob) => whole.push(blob.id),
    ///             Err(error) => damaged.push(error.damaged_blob().ok_or(error)?),
    ///         }
    ///     }
    ///     Ok((whole, damaged))
    /// }
    /// ```
    async fn list(&self) -> Result<BlobList>;

    /// Lists the blobs of one shard in ascending order of their ids, beginning with the first id after `after` (clause 14).
    ///
    /// The lists of all 16 shards together show what [`list`](Self::list) shows, with the same guarantees, and they can run in
    /// parallel. `after` need not be the id of a blob, so a list is resumed after the last id that it returned, even if that blob
    /// was deleted since. An `after` before the shard begins with its first blob; one past the shard lists nothing.
    ///
    /// Memory does not grow with the number of blobs.
    ///
    /// # Errors
    ///
    /// As for [`list`](Self::list). A damaged blob is in its place in the order. After any other error the rest can be listed by a
    /// new call, after the last id that was returned.
    ///
    /// ```
    /// use artifact_backend::{ArtifactId, ArtifactInventory, Result, Shard};
    /// use futures_util::{StreamExt, TryStreamExt};
    ///
    /// /// Returns up to `limit` ids of whole blobs after `after`.
    /// async fn page(
    ///     backend: &dyn ArtifactInventory,
    ///     shard: Shard,
    ///     after: Option<ArtifactId>,
    ///     limit: usize,
    /// ) -> Result<Vec<ArtifactId>> {
    ///     let list = backend.list_shard(shard, after).await?;
    ///     list.map_ok(|blob| blob.id).take(limit).try_collect().await
    /// }
    /// ```
    async fn list_shard(&self, shard: Shard, after: Option<ArtifactId>) -> Result<BlobList>;

    /// Deletes one blob. `Ok` means that its absence is durable. Deleting an absent blob succeeds.
    ///
    /// A concurrent reader gets the rest of the blob or an error, never other bytes. Callers must not
    /// store under the id again: the contract does not say whether that would succeed.
    ///
    /// # Errors
    ///
    /// `Corrupt` if the stored data is not a blob of this backend (it is left alone), `Ambiguous` if
    /// it cannot be known whether the blob is gone, `Unavailable`, and the kinds that an operator
    /// must resolve.
    async fn delete(&self, id: ArtifactId) -> Result<()>;

    /// Removes the leftovers of crashed or dropped stores and uploads whose age is at least
    /// `older_than`.
    ///
    /// It never removes a blob. It never removes data that a live upload of this or another process
    /// still uses, whatever its age.
    ///
    /// # Errors
    ///
    /// `Unavailable`, and the kinds that an operator must resolve. Leftovers that were removed before
    /// the error stay removed.
    async fn sweep(&self, older_than: Duration) -> Result<SweepReport>;

    /// Returns the id of the store that the storage belongs to, or `None` if it has none yet (clause
    /// 13).
    ///
    /// The id need not be durable yet: another process may be creating it. What
    /// [`create_store_id`](Self::create_store_id) returns is durable.
    ///
    /// # Errors
    ///
    /// `Corrupt` if something else is stored where the id should be, `Unavailable`, and the kinds that
    /// an operator must resolve.
    async fn store_id(&self) -> Result<Option<StoreId>>;

    /// Creates the store id, unless the storage has one already. Returns the id that the storage then
    /// has: `new`, or the one that was there before. `Ok` means durable.
    ///
    /// A call with the same id can be repeated after any error and after a dropped future. A dropped
    /// future leaves no id or the whole id.
    ///
    /// Programs also call it with the id that is there, to learn whether the storage takes writes. It should then fail if a store
    /// would, as far as that can be found out without leaving anything behind.
    ///
    /// # Errors
    ///
    /// As for [`store_id`](Self::store_id), `OutOfSpace`, and `Ambiguous` if it cannot be known whether
    /// the storage now has the id.
    async fn create_store_id(&self, new: StoreId) -> Result<StoreId>;

    /// Checks that the storage has the properties that the backend relies on, such as the exclusive creation of
    /// objects in a bucket. A backend without such properties returns `Ok`. The check may take seconds and many
    /// requests, so call it at the start of a program. It leaves no blob behind.
    ///
    /// # Errors
    ///
    /// `Misconfigured`, with the property that is missing, if the storage must not be used; `Unexpected` if the
    /// storage has lost data that was acknowledged or may lose it; others, such as `Unavailable`, if the check
    /// could not be done.
    async fn probe(&self) -> Result<()>;

    /// Waits until the background work of dropped uploads is over, as far as the storage can be reached. Call it
    /// before the runtime ends; a later [`sweep`](Self::sweep) removes the rest. The backend can be used again
    /// afterwards.
    async fn close(&self);

    /// Returns the notes of the storage for maintenance, if the backend keeps [notes](ArtifactBackend::noted). The default is that
    /// it does not.
    fn note_log(&self) -> Option<Arc<dyn NoteLog>> {
        None
    }
}

/// The id, size and time of a stored blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlobStat {
    /// The id of the blob.
    pub id: ArtifactId,
    /// The size of the blob in bytes.
    pub size: u64,
    /// The time when the blob was stored, by the storage's clock.
    pub modified: SystemTime,
}

impl BlobStat {
    /// Creates a stat; for backends.
    pub fn new(id: ArtifactId, size: u64, modified: SystemTime) -> Self {
        Self { id, size, modified }
    }
}

/// The result of one [`ArtifactInventory::sweep`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct SweepReport {
    /// The number of leftovers removed.
    pub removed: u64,
    /// The bytes that the removed leftovers held.
    pub removed_bytes: u64,
    /// The number of leftovers kept: too young, still in use, or for an operator to inspect.
    pub kept: u64,
}

impl SweepReport {
    /// Counts a removed leftover of `bytes` bytes.
    pub fn count_removed(&mut self, bytes: u64) {
        self.removed += 1;
        self.removed_bytes += bytes;
    }

    /// Counts a leftover that was kept.
    pub fn count_kept(&mut self) {
        self.kept += 1;
    }
}

macro_rules! forward {
    ($pointer:ident) => {
        #[deny(clippy::missing_trait_methods)]
        #[async_trait]
        impl<B: ArtifactInventory + ?Sized> ArtifactInventory for $pointer<B> {
            async fn list(&self) -> Result<BlobList> {
                (**self).list().await
            }

            async fn list_shard(
                &self,
                shard: Shard,
                after: Option<ArtifactId>,
            ) -> Result<BlobList> {
                (**self).list_shard(shard, after).await
            }

            async fn delete(&self, id: ArtifactId) -> Result<()> {
                (**self).delete(id).await
            }

            async fn sweep(&self, older_than: Duration) -> Result<SweepReport> {
                (**self).sweep(older_than).await
            }

            async fn store_id(&self) -> Result<Option<StoreId>> {
                (**self).store_id().await
            }

            async fn create_store_id(&self, new: StoreId) -> Result<StoreId> {
                (**self).create_store_id(new).await
            }

            async fn probe(&self) -> Result<()> {
                (**self).probe().await
            }

            async fn close(&self) {
                (**self).close().await;
            }

            fn note_log(&self) -> Option<Arc<dyn NoteLog>> {
                (**self).note_log()
            }
        }
    };
}

forward!(Arc);
forward!(Box);

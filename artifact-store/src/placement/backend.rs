//! A backend that follows the placement of its store.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use artifact_backend::{
    ArtifactBackend, ArtifactId, ArtifactInventory, BlobList, BlobStat, ByteRange, Download,
    Error as BackendError, ErrorKind as BackendErrorKind, NoteLog, NotedBackend,
    Operation as BackendOperation, Result as BackendResult, Shard, StoreId, SweepReport, Upload,
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::try_join;
use tokio::sync::Mutex;

use super::parts::PlacedParts;
use super::{OpenBackend, Placement, PlacementRecord};
use crate::error::{Error, ErrorKind, Operation, Result};

/// A backend that reads and writes where the [`Placement`] of the store says, and follows its changes while it is used.
///
/// While blobs are being moved it is a [`MovingBackend`](artifact_layers::MovingBackend) of both. It reads the placement again
///
/// - when a blob is not found, before it says so: the blob may be in a backend that this process does not know yet;
/// - when [`refresh`](Self::refresh) is called. A store that
///   [watches removals](crate::ManagedStore::watch_removals) calls it within a second after a change, and a deposit whose
///   row was refused calls it at once.
///
/// If a backend cannot be opened, the former ones are used on, and a blob that they do not have is `Unavailable`, not
/// `NotFound`. Rows of deposits are then refused by the database as soon as they would be lost, see [`Placement`].
///
/// A clone shares the same state. Give the same `PlacedBackend` to the [`ArtifactStore`](crate::ArtifactStore::placed), to
/// the [`ManagedStore`](crate::ManagedStore) and to maintenance.
///
/// ```
/// use std::sync::Arc;
///
/// use artifact_backend::{ArtifactInventory, Result};
/// use artifact_store::{ArtifactStore, Backend, Database, OpenBackend, PlacedBackend, StoreConfig};
///
/// /// Opens every URL with the default options.
/// #[derive(Debug)]
/// struct Open;
///
/// #[async_trait::async_trait]
/// impl OpenBackend for Open {
///     async fn open(&self, url: &str) -> Result<Arc<dyn ArtifactInventory>> {
///         Ok(Backend::from_url(url).await?.inventory())
///     }
/// }
///
/// # async fn example(database: Database) -> artifact_store::Result<()> {
/// let url = "file:///srv/artifacts/blobs";
/// let backend = Backend::from_url(url).await?;
/// let placed = PlacedBackend::open(database.placement, Arc::new(Open), url, backend.inventory()).await?;
/// let store = ArtifactStore::placed(placed, database.catalog, StoreConfig::default());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct PlacedBackend {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    record: Arc<dyn PlacementRecord>,
    opener: Arc<dyn OpenBackend>,
    place: RwLock<Place>,
    /// The backends that were opened, by their URLs. Held while the placement is read.
    open: Mutex<HashMap<String, Arc<dyn ArtifactInventory>>>,
    has_failed: AtomicBool,
}

/// What is used now.
#[derive(Debug, Clone)]
struct Place {
    epochs: Epochs,
    backend: Arc<dyn ArtifactInventory>,
    parts: Arc<PlacedParts>,
}

/// The epochs of the rows of blobs, from one look at the placement.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Epochs {
    /// Of a blob that is stored after the look.
    pub(crate) stored: u64,
    /// Of a blob that was found without a row. While blobs are moved it may be in the previous backend, and a blob without a
    /// row is not copied. So its row counts as one from before the migration, and the fence refuses it.
    pub(crate) found: u64,
}

impl Epochs {
    /// Returns the epoch of rows, of which some may belong to blobs that were found.
    #[cfg(feature = "archive")]
    pub(crate) const fn of_rows(self, found_some: bool) -> u64 {
        if found_some { self.found } else { self.stored }
    }

    fn of(placement: &Placement) -> Self {
        Self {
            stored: placement.epoch,
            found: placement
                .epoch
                .saturating_sub(u64::from(placement.is_moving())),
        }
    }
}

impl PlacedBackend {
    /// Creates a backend from the one that the settings of this program name and that is open already, and follows the
    /// placement. `url` is its URL, as a [`BackendUrl`](crate::BackendUrl) prints it.
    ///
    /// # Errors
    ///
    /// `Misconfigured` if the store has left this backend, or never used it: the detail says what to set. `Unavailable`,
    /// also if the other backend of a migration cannot be opened, and the kinds that an operator must resolve.
    pub async fn open(
        record: Arc<dyn PlacementRecord>,
        opener: Arc<dyn OpenBackend>,
        url: &str,
        backend: Arc<dyn ArtifactInventory>,
    ) -> Result<Self> {
        if let Some(placement) = record.placement().await? {
            placement.check_setting(url)?;
        }
        let parts = PlacedParts::new(url, Arc::clone(&backend), None);
        let placed = Self {
            inner: Arc::new(Inner {
                record,
                opener,
                place: RwLock::new(Place {
                    epochs: Epochs::default(),
                    backend: Arc::clone(&backend),
                    parts: Arc::new(parts),
                }),
                open: Mutex::new(HashMap::from([(url.to_owned(), backend)])),
                has_failed: AtomicBool::new(false),
            }),
        };
        placed.refresh().await?;
        Ok(placed)
    }

    /// Returns the epoch of the placement that is in use. Bytes that are stored after the call are stored under this epoch
    /// or a later one.
    pub fn epoch(&self) -> u64 {
        self.epochs().stored
    }

    /// Returns the epochs of blobs that are stored or found after the call.
    pub(crate) fn epochs(&self) -> Epochs {
        self.place().epochs
    }

    /// Returns the backends that are used now.
    pub(crate) fn parts(&self) -> Arc<PlacedParts> {
        self.place().parts
    }

    /// Returns whether the blobs are in a backend that could not be opened, so that the database refuses the rows of deposits.
    pub(crate) fn is_left_behind(&self) -> bool {
        self.inner.has_failed.load(Ordering::Relaxed)
    }

    /// Reads the placement, and uses the backends that it names. Returns whether it has changed. A dropped future leaves the
    /// former backends in use, or the new ones.
    ///
    /// # Errors
    ///
    /// `Unavailable` and the kinds that an operator must resolve, if the database or a backend fails. The first failure of a
    /// backend is logged, with `alarm="placement"`.
    pub async fn refresh(&self) -> Result<bool> {
        let mut open = self.inner.open.lock().await;
        let Some(placement) = self.inner.record.placement().await? else {
            return Ok(false);
        };
        let epoch = placement.epoch;
        if epoch == self.epoch() {
            return Ok(false);
        }
        let opened = self.parts_of(&mut open, &placement).await;
        let has_failed = self
            .inner
            .has_failed
            .swap(opened.is_err(), Ordering::Relaxed);
        let parts = opened.inspect_err(|error| {
            if !has_failed {
                tracing::error!(
                    alarm = "placement",
                    error = error as &dyn std::error::Error,
                    "cannot follow the blobs to the backend that they are moved to; deposits and fetches fail until this \
                     program can use it"
                );
            }
        })?;
        open.retain(|url, _| *url == placement.current || Some(url) == placement.previous.as_ref());
        tracing::info!(
            epoch,
            current = placement.current,
            previous = placement.previous,
            "the blobs of this store are here now"
        );
        *self
            .inner
            .place
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Place {
            epochs: Epochs::of(&placement),
            backend: parts.backend(),
            parts: Arc::new(parts),
        };
        Ok(true)
    }

    /// Returns the backends that a placement names.
    async fn parts_of(
        &self,
        open: &mut HashMap<String, Arc<dyn ArtifactInventory>>,
        placement: &Placement,
    ) -> Result<PlacedParts> {
        let current = self.get(open, &placement.current).await?;
        let previous = match &placement.previous {
            None => None,
            Some(previous) => Some(self.get(open, previous).await?),
        };
        Ok(PlacedParts::new(&placement.current, current, previous))
    }

    /// Returns an open backend, or opens it.
    async fn get(
        &self,
        open: &mut HashMap<String, Arc<dyn ArtifactInventory>>,
        url: &str,
    ) -> Result<Arc<dyn ArtifactInventory>> {
        if let Some(backend) = open.get(url) {
            return Ok(Arc::clone(backend));
        }
        let opened = self.inner.opener.open(url).await;
        let backend = opened.map_err(|error| {
            Error::backend(Operation::OpenBackend, error).with_detail(format!(
                "the blobs of this store are in {url}, which this program cannot use; give it the settings and credentials"
            ))
        })?;
        self.check_store(url, &*backend).await?;
        open.insert(url.to_owned(), Arc::clone(&backend));
        Ok(backend)
    }

    /// Fails if a backend is not one of this store: perhaps another disk is mounted there on this machine.
    async fn check_store(&self, url: &str, backend: &dyn ArtifactInventory) -> Result<()> {
        let failed = |error| Error::backend(Operation::JoinHalves, error);
        let now = self.now();
        let (ours, theirs) = try_join(now.store_id(), backend.store_id())
            .await
            .map_err(failed)?;
        if ours == theirs {
            return Ok(());
        }
        let detail = format!(
            "the blobs of this store are in {url}, but what this program finds there belongs to another store"
        );
        Err(Error::new(ErrorKind::Misconfigured, Operation::Placement).with_detail(detail))
    }

    fn place(&self) -> Place {
        let place = self.inner.place.read();
        place.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns what is used now.
    fn now(&self) -> Arc<dyn ArtifactInventory> {
        self.place().backend
    }

    /// Calls the backend. If it does not have the blob, looks whether the placement has changed, and then calls again.
    async fn find<T, Fut>(
        &self,
        operation: BackendOperation,
        id: ArtifactId,
        look: impl Fn(Arc<dyn ArtifactInventory>) -> Fut + Send + Sync,
    ) -> BackendResult<T>
    where
        T: Send,
        Fut: Future<Output = BackendResult<T>> + Send,
    {
        loop {
            let Place {
                epochs, backend, ..
            } = self.place();
            let error = match look(backend).await {
                Err(error) if error.kind() == BackendErrorKind::NotFound => error,
                found => return found,
            };
            if let Err(cause) = self.refresh().await {
                return Err(BackendError::new(BackendErrorKind::Unavailable, operation)
                    .with_id(id)
                    .with_detail(
                        "the blob may be in a backend that this program cannot find out or use now",
                    )
                    .with_source(cause));
            }
            // Another call may have refreshed it meanwhile.
            if self.epochs() == epochs {
                return Err(error);
            }
        }
    }
}

#[async_trait]
impl ArtifactBackend for PlacedBackend {
    async fn store(&self, id: ArtifactId, bytes: Bytes) -> BackendResult<()> {
        self.now().store(id, bytes).await
    }

    async fn upload(&self, id: ArtifactId) -> BackendResult<Box<dyn Upload>> {
        self.now().upload(id).await
    }

    async fn load(&self, id: ArtifactId) -> BackendResult<Bytes> {
        let look = |backend: Arc<dyn ArtifactInventory>| async move { backend.load(id).await };
        self.find(BackendOperation::Load, id, look).await
    }

    async fn download(&self, id: ArtifactId, range: ByteRange) -> BackendResult<Download> {
        let look =
            |backend: Arc<dyn ArtifactInventory>| async move { backend.download(id, range).await };
        self.find(BackendOperation::Download, id, look).await
    }

    async fn stat(&self, id: ArtifactId) -> BackendResult<BlobStat> {
        let look = |backend: Arc<dyn ArtifactInventory>| async move { backend.stat(id).await };
        self.find(BackendOperation::Stat, id, look).await
    }

    /// Returns the notes of the backend that is in use now. Two backends as one keep none.
    fn noted(&self) -> Option<Arc<dyn NotedBackend>> {
        self.now().noted()
    }
}

#[async_trait]
impl ArtifactInventory for PlacedBackend {
    async fn list(&self) -> BackendResult<BlobList> {
        self.now().list().await
    }

    async fn list_shard(&self, shard: Shard, after: Option<ArtifactId>) -> BackendResult<BlobList> {
        self.now().list_shard(shard, after).await
    }

    async fn delete(&self, id: ArtifactId) -> BackendResult<()> {
        self.now().delete(id).await
    }

    async fn sweep(&self, older_than: Duration) -> BackendResult<SweepReport> {
        self.now().sweep(older_than).await
    }

    async fn store_id(&self) -> BackendResult<Option<StoreId>> {
        self.now().store_id().await
    }

    async fn create_store_id(&self, new: StoreId) -> BackendResult<StoreId> {
        self.now().create_store_id(new).await
    }

    async fn probe(&self) -> BackendResult<()> {
        self.now().probe().await
    }

    async fn close(&self) {
        self.now().close().await;
    }

    fn note_log(&self) -> Option<Arc<dyn NoteLog>> {
        self.now().note_log()
    }
}

//! The store: deposits, look-ups and reads over a backend and a catalog.

use std::sync::{Arc, OnceLock};

use artifact_backend::ErrorKind as BackendErrorKind;
use artifact_backend::{ArtifactBackend, ArtifactId, ByteRange, Download};
use quick_cache::sync::Cache;

use crate::authorize::ReadGrant;
use crate::catalog::Catalog;
use crate::config::StoreConfig;
use crate::damage::DamagedSet;
use crate::deposit::Deposit;
use crate::digests::{ChunkDigests, DigestCache};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::experiment::{Experiment, ExperimentId};
use crate::free_space::FreeSpaceFloor;
use crate::metrics::DepositMetrics;
use crate::new_artifact::NewArtifact;
use crate::placement::PlacedBackend;
use crate::quota::{Allowance, Step};
use crate::read_memory::ReadMemory;
use crate::row::Row;
use crate::row_cache::RowCache;
use crate::row_notes::RowNotes;
use crate::shared::Shared;
use crate::verified_cache::VerifiedCache;
use crate::verified_range::{ChunkCheck, VerifiedRange};
use crate::verify::{cached_range, verified, watched};

/// The number of experiments that a process keeps in memory.
const CACHED_EXPERIMENTS: usize = 1024;

/// A store of artifacts: bytes in a backend, and a row for each in a catalog.
///
/// A clone shares the same state and is cheap. By its type, the backend of a store cannot list or
/// delete blobs; a [`ManagedStore`](crate::ManagedStore) can.
#[derive(Debug, Clone)]
pub struct ArtifactStore {
    shared: Arc<Shared>,
}

impl ArtifactStore {
    /// Creates a store over a backend and a catalog. Does no I/O.
    pub fn new(
        backend: Arc<dyn ArtifactBackend>,
        catalog: Arc<dyn Catalog>,
        config: StoreConfig,
    ) -> Self {
        Self::over(backend, None, catalog, config)
    }

    /// Creates a store whose blobs can be moved to another backend while it is used. Does no I/O.
    ///
    /// `catalog` must be on the database whose placement the backend follows. The epoch of the placement goes with each
    /// row, so that no row is written whose bytes are in a backend that the store has left.
    pub fn placed(backend: PlacedBackend, catalog: Arc<dyn Catalog>, config: StoreConfig) -> Self {
        let blobs = Arc::new(backend.clone());
        Self::over(blobs, Some(backend), catalog, config)
    }

    fn over(
        backend: Arc<dyn ArtifactBackend>,
        placed: Option<PlacedBackend>,
        catalog: Arc<dyn Catalog>,
        config: StoreConfig,
    ) -> Self {
        let verified = Arc::new(VerifiedCache::new(config.verified_cache_bytes));
        let rows = RowCache::new(Arc::clone(&config.clock));
        let read_memory = ReadMemory::new(config.read_memory_bytes);
        let folders = config.space_folders.clone();
        let floor = FreeSpaceFloor::new(config.min_free_bytes, folders, placed.clone());
        Self {
            shared: Arc::new(Shared {
                backend,
                placed,
                catalog,
                config,
                rows,
                experiments: Cache::new(CACHED_EXPERIMENTS),
                verified,
                digests: DigestCache::default(),
                read_memory,
                damaged: DamagedSet::default(),
                key_turns: Arc::default(),
                floor,
                deposited: DepositMetrics::register(),
                row_notes: OnceLock::new(),
            }),
        }
    }

    /// Writes the row of each deposit as a note of its blob, so that both become durable together. Also counts for the clones of
    /// this store. A second call changes nothing.
    ///
    /// `notes` comes from a [`CatchUp`](crate::CatchUp) of the same database and backend. The row is then durable when the bytes are.
    /// The database gets it too before the deposit is acknowledged, so that every query finds it, but without a sync of its own. If a
    /// power cut takes it away there, the next `CatchUp` restores it.
    ///
    /// With a quota, a name in a collection or chunk digests (above 64 KiB), the database still syncs the row, because the note has
    /// only the row and the idempotency key. So it does if the backend keeps no notes at the moment.
    #[must_use = "returns the changed store"]
    pub fn with_row_notes(self, notes: RowNotes) -> Self {
        let _ = self.shared.row_notes.set(notes);
        self
    }

    /// Returns the settings of the store.
    pub fn config(&self) -> &StoreConfig {
        &self.shared.config
    }

    /// Finds an experiment.
    ///
    /// An experiment never changes and is never deleted, so one that was found before comes from a
    /// cache of this process.
    ///
    /// # Errors
    ///
    /// `Unavailable` and the kinds that an operator must resolve.
    pub async fn experiment(&self, id: &ExperimentId) -> Result<Option<Experiment>> {
        self.shared.experiment(id).await
    }

    /// Begins a deposit. The backend is first called when bytes are written.
    pub fn deposit(&self, new: NewArtifact) -> Deposit {
        Deposit::begin(Arc::clone(&self.shared), new)
    }

    /// Reserves what a deposit needs of its quotas, before its first byte: the [least size](NewArtifact::with_least_size), and more
    /// if the [hint](NewArtifact::with_size_hint) says so and it is left. Pass the result to
    /// [`Deposit::with_allowance`]. A server calls this before it lets a client send the bytes; without it, the first
    /// [`write`](Deposit::write) does the same.
    ///
    /// If no quota limits the depositor, that is usually known without a query.
    ///
    /// # Errors
    ///
    /// `QuotaExceeded` if the deposit does not fit, `TooManyInFlight` if the depositor has too many deposits in progress, and the
    /// detail says what is left; `OutOfSpace` also below the [minimum of free space](StoreConfig::with_min_free_space); `Unavailable`
    /// and the kinds that an operator must resolve.
    pub async fn reserve(&self, new: &NewArtifact) -> Result<Allowance> {
        self.shared.check_free_space_for(new).await?;
        let step = Step::of(&self.shared, new, 0);
        Allowance::begin(&self.shared, new, step).await
    }

    /// Finds the row of an artifact of this experiment. Does not call the backend.
    ///
    /// Rows come from a small cache of this process. A row that another process removed is found here for at most a
    /// second if this process [watches removals](crate::ManagedStore::watch_removals), and otherwise until
    /// [`read`](Self::read) notices that the bytes are missing or [`forget`](Self::forget) is called.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such row, or if it belongs to another experiment; the caller cannot
    /// tell these apart. `Unavailable` and the kinds that an operator must resolve.
    pub async fn row(&self, experiment: &ExperimentId, id: ArtifactId) -> Result<Arc<Row>> {
        // Not called for a row in the cache.
        let query = async { self.shared.catalog.get(id).await };
        let row = self.shared.rows.get_or_query(id, query).await?;
        row.filter(|row| row.experiment == *experiment)
            .ok_or_else(|| Error::new(ErrorKind::NotFound, Operation::FindRow).with_id(id))
    }

    /// Opens the bytes of an artifact, or a range of them.
    ///
    /// The range is resolved against the size in the row. The stream then yields exactly that many
    /// bytes, or ends with an error.
    ///
    /// A whole artifact is checked against the SHA-256 of its row while it streams. If the bytes are
    /// not those that were deposited, the stream ends with `Corrupt` instead of its last chunk, and
    /// every later read fails; see [`check`](Self::check).
    /// Verified artifacts are kept in memory, see
    /// [`StoreConfig::with_verified_cache_bytes`]; the backend still has to confirm that the blob
    /// is there and unchanged.
    ///
    /// A reader that takes its chunks slowly gets smaller ones, and large chunks of all readers share a
    /// budget, see [`StoreConfig::with_read_memory_bytes`].
    ///
    /// Dropping the stream stops the work behind it.
    ///
    /// With the grant of a [link](crate::authorize_link), each call counts as one download of it, also for a range, and also
    /// if the backend then fails.
    ///
    /// # Errors
    ///
    /// Those of [`check`](Self::check). `InvalidRange`, with the size, before the backend is called. `NotFound` if the
    /// grant is that of a link that has ended.
    /// `Corrupt` if the row exists but its blob does not, or has another size. `NotFound` if the row
    /// was deleted after it was found. `Unavailable` and the kinds that an operator must resolve.
    pub async fn read(&self, grant: &ReadGrant, range: ByteRange) -> Result<Download> {
        self.check(grant).await?;
        let row = grant.shared_row();
        let wanted = range.resolve(row.size).map_err(|error| {
            Error::new(ErrorKind::InvalidRange, Operation::Read)
                .with_id(row.id)
                .with_blob_size(error.size)
                .with_source(error)
        })?;
        if let Some(link) = grant.counted_link() {
            link.count().await?;
        }
        if wanted == (0..row.size) {
            let download = self.open(row, ByteRange::Full).await?;
            return Ok(verified(&self.shared, row, download));
        }
        let Some(check) = self.chunk_check(row).await? else {
            // With a resolved range no backend has to ask for the size first.
            let resolved = ByteRange::FromTo {
                first: wanted.start,
                last: wanted.end - 1,
            };
            let download = self.open(row, resolved).await?;
            return Ok(watched(&self.shared, row, download));
        };
        let mut reader = VerifiedRange::new(&self.shared, row, check, wanted.clone());
        let download = self.open(row, reader.first_range()).await?;
        if let Some(cached) = cached_range(&self.shared, row, &download, wanted) {
            return Ok(cached);
        }
        let started = reader.start(download).await;
        started.map_err(|error| Error::backend(Operation::Read, error).with_id(row.id))
    }

    /// Returns what ranges of an artifact are verified with, or `None` if no digests of its chunks were recorded.
    async fn chunk_check(&self, row: &Row) -> Result<Option<ChunkCheck>> {
        if row.size <= ChunkDigests::MIN_CHUNK_BYTES {
            return Ok(Some(ChunkCheck::WholeSha256));
        }
        let list = match self.shared.digests.list(row.id) {
            Some(known) => known.0,
            None => self.find_chunk_digests(row).await?,
        };
        Ok(list.map(ChunkCheck::Digests))
    }

    async fn find_chunk_digests(&self, row: &Row) -> Result<Option<Arc<ChunkDigests>>> {
        let (id, catalog) = (row.id, &self.shared.catalog);
        let found = match catalog.chunk_digests(id).await {
            Ok(Some(digests)) if !digests.fits(row.size) => {
                let error = Error::new(ErrorKind::Corrupt, Operation::Read).with_id(id);
                Err(error.with_detail("the stored chunk digests do not fit the size in the row"))
            }
            found => found,
        };
        let found = found.inspect_err(|error| {
            if error.kind() == ErrorKind::Corrupt {
                tracing::error!(
                    alarm = "corrupt-chunk-digests",
                    %id,
                    error = error as &dyn std::error::Error,
                    "the database has damaged chunk digests; ranges of the artifact fail until they are restored or deleted"
                );
            }
        })?;
        // A row that was removed has no digests either, and its bytes could not be verified.
        if found.is_none() && catalog.get(id).await?.is_none() {
            self.forget(id);
            return Err(Error::new(ErrorKind::NotFound, Operation::Read)
                .with_id(id)
                .with_detail("the artifact was deleted meanwhile"));
        }
        let found = found.map(Arc::new);
        self.shared.digests.insert_list(id, found.clone());
        Ok(found)
    }

    /// Fails if the artifact is known to be damaged. Call it before a response that needs no bytes,
    /// such as one to `HEAD`; [`read`](Self::read) calls it too.
    ///
    /// An artifact is known to be damaged if an earlier read by this store found other bytes, another
    /// size or no blob. That stays so until its storage changes, as its
    /// [`stamp`](artifact_backend::Download::stamp) shows: the artifact is then read and verified
    /// as a whole before this returns. If the backend has no stamps, each call verifies it. Without
    /// a finding the backend is not called.
    ///
    /// Findings are kept in memory, up to 65,536; the oldest is forgotten first. Each is logged once,
    /// with the field `alarm` set to `corrupt-blob`.
    ///
    /// # Errors
    ///
    /// `Corrupt`, and the other errors of [`read`](Self::read).
    pub async fn check(&self, grant: &ReadGrant) -> Result<()> {
        let row = grant.shared_row();
        let Some(finding) = self.shared.damaged.get(row.id) else {
            return Ok(());
        };
        let damaged = || {
            Error::new(ErrorKind::Corrupt, Operation::Read)
                .with_id(row.id)
                .with_detail("an earlier read found the blob damaged; restore it")
        };
        let download = self.open(row, ByteRange::Full).await?;
        if finding.is_some() && download.stamp() == finding {
            return Err(damaged());
        }
        let mut download = verified(&self.shared, row, download);
        while let Some(chunk) = download.next().await {
            chunk.map_err(|error| Error::backend(Operation::Read, error).with_id(row.id))?;
        }
        if self.shared.damaged.resolve(row.id, finding) {
            Ok(())
        } else {
            Err(damaged())
        }
    }

    /// Opens the blob of a row, and reports it as damaged if it is missing or has another size.
    async fn open(&self, row: &Row, range: ByteRange) -> Result<Download> {
        let fail = |kind| Error::new(kind, Operation::Read).with_id(row.id);
        let mut stamp = None;
        // Not through the `Arc`, which would put the future into a second box.
        let backend = &*self.shared.backend;
        let error = match backend.download(row.id, range).await {
            Ok(download) if download.size() == row.size => return Ok(download),
            Ok(download) => {
                stamp = download.stamp();
                fail(ErrorKind::Corrupt).with_detail(format!(
                    "the stored blob has {} bytes, its row says {}",
                    download.size(),
                    row.size
                ))
            }
            Err(error) if error.kind() == BackendErrorKind::NotFound => {
                self.missing_blob(row.id).await?.with_source(error)
            }
            // The range fits the size in the row, so the blob has another size.
            Err(error) if error.kind() == BackendErrorKind::InvalidRange => {
                fail(ErrorKind::Corrupt)
                    .with_detail("the stored blob is shorter than its row says")
                    .with_source(error)
            }
            Err(error) => Error::backend(Operation::Read, error).with_id(row.id),
        };
        if error.kind() == ErrorKind::Corrupt {
            self.shared.report_damage(row.id, stamp, &error);
        }
        Err(error)
    }

    /// Removes an artifact from the caches of this process, so that [`row`](Self::row) no longer
    /// finds it. Maintenance calls this after [`Catalog::delete`] and
    /// [`CatalogInventory::remove`](crate::CatalogInventory::remove);
    /// [`ManagedStore::remove`](crate::ManagedStore::remove) does it itself.
    pub fn forget(&self, id: ArtifactId) {
        self.shared.rows.forget(id);
        self.shared.verified.forget(id);
        self.shared.damaged.forget(id);
        self.shared.digests.forget(id);
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Returns the backend, if it follows the placement.
    pub(crate) fn placed_backend(&self) -> Option<&PlacedBackend> {
        self.shared.placed.as_ref()
    }

    /// Returns the cache of rows.
    pub(crate) fn rows(&self) -> &RowCache {
        &self.shared.rows
    }

    /// Returns the error for a blob that is missing although its row was found, perhaps in the
    /// cache: either both were deleted, or the blob is lost.
    async fn missing_blob(&self, id: ArtifactId) -> Result<Error> {
        self.shared.rows.forget(id);
        self.shared.verified.forget(id);
        let fail = |kind| Error::new(kind, Operation::Read).with_id(id);
        Ok(match self.shared.catalog.get(id).await? {
            None => fail(ErrorKind::NotFound).with_detail("the artifact was deleted meanwhile"),
            Some(_) => {
                fail(ErrorKind::Corrupt).with_detail("the row exists but its blob is missing")
            }
        })
    }
}

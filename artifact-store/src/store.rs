//! The store: deposits, look-ups and reads over a backend and a catalog.

use std::sync::Arc;

use artifact_backend::ErrorKind as BackendErrorKind;
use artifact_backend::{ArtifactBackend, ArtifactId, ByteRange, Download};
use quick_cache::sync::Cache;

use crate::authorize::ReadGrant;
use crate::catalog::Catalog;
use crate::config::StoreConfig;
use crate::deposit::{Deposit, NewArtifact};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::experiment::{Experiment, ExperimentId};
use crate::row::Row;
use crate::row_cache::RowCache;
use crate::shared::Shared;
use crate::verified_cache::VerifiedCache;
use crate::verify::verified;

/// The number of experiments that a process keeps in memory.
const CACHED_EXPERIMENTS: usize = 1024;

/// A store of artifacts: bytes in a backend, and a row for each in a catalog.
///
/// A clone shares the same state and is cheap. By its type, the backend of a store cannot list or
/// delete blobs.
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
        let verified = VerifiedCache::new(config.verified_cache_bytes);
        Self {
            shared: Arc::new(Shared {
                backend,
                catalog,
                config,
                rows: RowCache::default(),
                experiments: Cache::new(CACHED_EXPERIMENTS),
                verified,
            }),
        }
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
        if let Some(cached) = self.shared.experiments.get(id) {
            return Ok(Some(cached));
        }
        let found = self.shared.catalog.experiment(id).await?;
        if let Some(experiment) = &found {
            self.shared
                .experiments
                .insert(id.clone(), experiment.clone());
        }
        Ok(found)
    }

    /// Begins a deposit. The backend is first called when bytes are written.
    pub fn deposit(&self, new: NewArtifact) -> Deposit {
        Deposit::begin(Arc::clone(&self.shared), new)
    }

    /// Finds the row of an artifact of this experiment. Does not call the backend.
    ///
    /// Rows come from a small cache of this process. A row that another process deleted can
    /// therefore still be found here, until [`read`](Self::read) notices that the bytes are missing
    /// or [`forget`](Self::forget) is called.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such row, or if it belongs to another experiment; the caller cannot
    /// tell these apart. `Unavailable` and the kinds that an operator must resolve.
    pub async fn row(&self, experiment: &ExperimentId, id: ArtifactId) -> Result<Arc<Row>> {
        let query = self.shared.catalog.get(id);
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
    /// not those that were deposited, the stream ends with `Corrupt` instead of its last chunk.
    /// Verified artifacts are kept in memory, see
    /// [`StoreConfig::with_verified_cache_bytes`]; the backend still has to confirm that the blob
    /// is there and unchanged.
    ///
    /// Dropping the stream stops the work behind it.
    ///
    /// # Errors
    ///
    /// `InvalidRange`, with the size, before the backend is called. `Corrupt` if the row exists but
    /// its blob does not, or has another size. `NotFound` if the row was deleted after it was found.
    /// `Unavailable` and the kinds that an operator must resolve.
    pub async fn read(&self, grant: &ReadGrant, range: ByteRange) -> Result<Download> {
        let row = grant.shared_row();
        let fail = |kind| Error::new(kind, Operation::Read).with_id(row.id);
        let wanted = range.resolve(row.size).map_err(|error| {
            fail(ErrorKind::InvalidRange)
                .with_blob_size(error.size)
                .with_source(error)
        })?;

        // With a resolved range no backend has to ask for the size first.
        let resolved = if wanted == (0..row.size) {
            ByteRange::Full
        } else {
            ByteRange::FromTo {
                first: wanted.start,
                last: wanted.end - 1,
            }
        };
        let download = match self.shared.backend.download(row.id, resolved).await {
            Ok(download) => download,
            Err(error) if error.kind() == BackendErrorKind::NotFound => {
                return Err(self.missing_blob(row.id).await?.with_source(error));
            }
            // The range fits the size in the row, so the blob has another size.
            Err(error) if error.kind() == BackendErrorKind::InvalidRange => {
                return Err(fail(ErrorKind::Corrupt)
                    .with_detail("the stored blob is shorter than its row says")
                    .with_source(error));
            }
            Err(error) => return Err(Error::backend(Operation::Read, error).with_id(row.id)),
        };
        if download.size() != row.size {
            let detail = format!(
                "the stored blob has {} bytes, its row says {}",
                download.size(),
                row.size
            );
            return Err(fail(ErrorKind::Corrupt).with_detail(detail));
        }
        Ok(if wanted == (0..row.size) {
            verified(&self.shared, row, download)
        } else {
            download
        })
    }

    /// Removes an artifact from the caches of this process, so that [`row`](Self::row) no longer
    /// finds it. Maintenance calls this after [`Catalog::delete`].
    pub fn forget(&self, id: ArtifactId) {
        self.shared.rows.forget(id);
        self.shared.verified.forget(id);
    }

    /// Returns the error for a blob that is missing although its row was found, perhaps in the
    /// cache: either both were deleted, or the blob is lost.
    async fn missing_blob(&self, id: ArtifactId) -> Result<Error> {
        self.forget(id);
        let fail = |kind| Error::new(kind, Operation::Read).with_id(id);
        Ok(match self.shared.catalog.get(id).await? {
            None => fail(ErrorKind::NotFound).with_detail("the artifact was deleted meanwhile"),
            Some(_) => {
                fail(ErrorKind::Corrupt).with_detail("the row exists but its blob is missing")
            }
        })
    }
}

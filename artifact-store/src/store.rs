//! The store: rows and bytes as one.

use std::sync::Arc;

use artifact_backend::ErrorKind as BackendErrorKind;
use artifact_backend::{ArtifactBackend, ArtifactId, ByteRange, Download};

use crate::authorize::ReadGrant;
use crate::config::StoreConfig;
use crate::deposit::{Deposit, NewArtifact};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::experiment_cache::ExperimentCache;
use crate::names::ExperimentId;
use crate::row::{Experiment, Row};
use crate::row_cache::RowCache;
use crate::rows::Catalog;
use crate::verified_cache::VerifiedCache;
use crate::verify::verified;

/// Bytes in a backend and rows beside them: deposit, find, read.
///
/// A clone is the same store and costs next to nothing. What is handed to it cannot list or delete
/// blobs, by type.
#[derive(Debug, Clone)]
pub struct ArtifactStore {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) backend: Arc<dyn ArtifactBackend>,
    pub(crate) rows: Arc<dyn Catalog>,
    pub(crate) config: StoreConfig,
    cache: RowCache,
    experiments: ExperimentCache,
    pub(crate) verified: VerifiedCache,
}

impl ArtifactStore {
    /// A store of these bytes and rows. Nothing is read or written yet.
    pub fn new(
        backend: Arc<dyn ArtifactBackend>,
        rows: Arc<dyn Catalog>,
        config: StoreConfig,
    ) -> Self {
        let verified = VerifiedCache::new(config.verified_cache_bytes);
        Self {
            shared: Arc::new(Shared {
                backend,
                rows,
                config,
                cache: RowCache::default(),
                experiments: ExperimentCache::default(),
                verified,
            }),
        }
    }

    /// The settings it was made with.
    pub fn config(&self) -> &StoreConfig {
        &self.shared.config
    }

    /// Finds an experiment. One that was found before is found without asking the rows again: an
    /// experiment never changes, and never ends.
    ///
    /// # Errors
    ///
    /// `Unavailable` and the operator's kinds.
    pub async fn experiment(&self, id: &ExperimentId) -> Result<Option<Experiment>> {
        if let Some(known) = self.shared.experiments.get(id) {
            return Ok(Some(known));
        }
        let found = self.shared.rows.experiment(id).await?;
        if let Some(experiment) = &found {
            self.shared.experiments.insert(experiment);
        }
        Ok(found)
    }

    /// Begins a deposit. Nothing is written to the backend before the first bytes are.
    ///
    /// # Errors
    ///
    /// None at present; what can fail later fails in [`Deposit::write`] and [`Deposit::finish`].
    #[expect(
        clippy::unused_async,
        reason = "a backend or quota that must be asked first can be, without changing callers"
    )]
    pub async fn deposit(&self, new: NewArtifact) -> Result<Deposit> {
        Ok(Deposit::begin(Arc::clone(&self.shared), new))
    }

    /// Finds the row of an artifact of this experiment. The backend is not asked.
    ///
    /// Rows are kept in a small cache of this process. A row that another process deleted can still
    /// be found here until [`read`](Self::read) meets the missing bytes or
    /// [`forget`](Self::forget) is called.
    ///
    /// # Errors
    ///
    /// `NotFound` when there is none, or one of another experiment: the two cannot be told apart.
    /// `Unavailable` and the operator's kinds.
    pub async fn row(&self, experiment: &ExperimentId, id: ArtifactId) -> Result<Arc<Row>> {
        let row = match self.shared.cache.get(id) {
            Ok(row) => Some(row),
            Err(epoch) => {
                let found = self.shared.rows.get(id).await?.map(Arc::new);
                if let Some(row) = &found {
                    self.shared.cache.insert(epoch, row);
                }
                found
            }
        };
        row.filter(|row| row.experiment == *experiment)
            .ok_or_else(|| Error::new(ErrorKind::NotFound, Operation::FindRow).with_id(id))
    }

    /// Opens the bytes of an artifact, or a range of them.
    ///
    /// The range is resolved against the size in the row; the stream then delivers exactly that
    /// many bytes or ends with an error. A whole artifact is checked against the SHA-256 of its row on
    /// the way: where it is not what was deposited, the stream ends with `Corrupt` in place of its last
    /// piece. Dropping it stops the work behind it.
    ///
    /// Whole artifacts are kept in memory once they were verified, see
    /// [`StoreConfig::verified_cache_bytes`](crate::StoreConfig::verified_cache_bytes); the backend is
    /// asked all the same whether the blob is there, and as it was.
    ///
    /// # Errors
    ///
    /// `InvalidRange`, with the size, before the backend is asked. `Corrupt` when there is a row
    /// but no blob, or one of another size. `NotFound` when the row was deleted since it was
    /// found. `Unavailable` and the operator's kinds.
    pub async fn read(&self, grant: &ReadGrant, range: ByteRange) -> Result<Download> {
        let row = grant.shared_row();
        let fail = |kind| Error::new(kind, Operation::Read).with_id(row.id);
        let wanted = range.resolve(row.size).map_err(|error| {
            fail(ErrorKind::InvalidRange)
                .with_blob_size(error.size)
                .with_source(error)
        })?;

        let download = match self.shared.backend.download(row.id, range).await {
            Ok(download) => download,
            Err(error) if error.kind() == BackendErrorKind::NotFound => {
                return Err(self.missing_blob(row.id).await?.with_source(error));
            }
            // The row says that the range is satisfiable, so it is the blob that has another size.
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

    /// Drops a row, and the bytes, from the caches of this process. For maintenance, after
    /// [`Catalog::delete`]: from then on [`row`](Self::row) does not find it.
    pub fn forget(&self, id: ArtifactId) {
        self.shared.cache.forget(id);
        self.shared.verified.forget(id);
    }

    /// What it means that a blob is not there although its row was found, perhaps in the cache:
    /// somebody deleted both, or the blob is lost.
    async fn missing_blob(&self, id: ArtifactId) -> Result<Error> {
        self.forget(id);
        let fail = |kind| Error::new(kind, Operation::Read).with_id(id);
        Ok(match self.shared.rows.get(id).await? {
            None => fail(ErrorKind::NotFound).with_detail("it was deleted meanwhile"),
            Some(_) => fail(ErrorKind::Corrupt).with_detail("there is a row but no blob"),
        })
    }
}

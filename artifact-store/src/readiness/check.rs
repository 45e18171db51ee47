//! The round trips to the database and to the backend, and the look at the free space.

use std::error::Error as StdError;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use artifact_backend::{ArtifactInventory, ErrorKind as BackendErrorKind, StoreId};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::UnreadyReason;
use crate::catalog::CatalogInventory;
use crate::database::Database;
use crate::error::ErrorKind;
use crate::free_space::FreeSpaceFloor;
use crate::placement::PlacedBackend;
use crate::store::ArtifactStore;
use crate::store_id::StoreIdRecord;

/// The lease that a check of the database takes and gives back at once. No process waits for it: every process is the same holder.
const LEASE: &str = "readiness";
const HOLDER: [u8; 16] = [0; 16];

/// The outcome of a check, with the error for the log.
pub(super) type Checked = Result<(), CheckError>;

#[derive(Debug)]
pub(super) struct CheckError {
    pub(super) reason: UnreadyReason,
    pub(super) source: Option<Box<dyn StdError + Send + Sync>>,
}

impl From<UnreadyReason> for CheckError {
    fn from(reason: UnreadyReason) -> Self {
        Self {
            reason,
            source: None,
        }
    }
}

impl CheckError {
    fn new(
        reason: UnreadyReason,
        is_full: bool,
        error: impl StdError + Send + Sync + 'static,
    ) -> Self {
        let reason = if is_full {
            UnreadyReason::OutOfSpace
        } else {
            reason
        };
        Self {
            reason,
            source: Some(Box::new(error)),
        }
    }

    fn database(reason: UnreadyReason) -> impl Fn(crate::Error) -> Self {
        move |error| Self::new(reason, error.kind() == ErrorKind::OutOfSpace, error)
    }

    fn backend(reason: UnreadyReason) -> impl Fn(artifact_backend::Error) -> Self {
        move |error| Self::new(reason, error.kind() == BackendErrorKind::OutOfSpace, error)
    }
}

#[derive(Debug, Clone)]
pub(super) struct Checks {
    store_id: Arc<dyn StoreIdRecord>,
    catalog: Arc<dyn CatalogInventory>,
    backend: Arc<dyn ArtifactInventory>,
    placed: Option<PlacedBackend>,
    floor: Option<Arc<FreeSpaceFloor>>,
    /// The first store id that a check found.
    expected: Arc<OnceLock<StoreId>>,
}

impl Checks {
    pub(super) fn new(
        store: &ArtifactStore,
        database: &Database,
        backend: Arc<dyn ArtifactInventory>,
    ) -> Self {
        let shared = store.shared();
        Self {
            store_id: Arc::clone(&database.store_id),
            catalog: Arc::clone(&database.inventory),
            backend,
            placed: shared.placed.clone(),
            floor: shared.floor.clone(),
            expected: Arc::default(),
        }
    }

    /// Reads the store id, and writes it and a lease.
    ///
    /// The store id is there, so only a database that was moved refuses it. The lease changes a row, which has to become durable.
    pub(super) fn database(&self) -> BoxFuture<'static, Checked> {
        let checks = self.clone();
        async move {
            let found = checks.store_id.store_id().await;
            let found = found.map_err(CheckError::database(UnreadyReason::Unreadable))?;
            let Some(id) = checks.expect(found)? else {
                return Ok(());
            };
            let refused = CheckError::database(UnreadyReason::RefusesWrites);
            let written = checks.store_id.confirm_store_id(id).await;
            checks.expect(Some(written.map_err(&refused)?))?;
            let taken = checks.catalog.take_lease(LEASE, HOLDER, Duration::ZERO);
            taken.await.map_err(refused)?;
            Ok(())
        }
        .boxed()
    }

    /// Reads the store id of each backend that blobs are read from, and writes it to the one that they are stored in.
    ///
    /// It is written only after it was read, so that a storage that has lost it does not get it again.
    pub(super) fn backend(&self) -> BoxFuture<'static, Checked> {
        let checks = self.clone();
        async move {
            let (current, previous) = checks.backends()?;
            let mut expected = None;
            for backend in previous.iter().chain([&current]) {
                let found = backend.store_id().await;
                let found = found.map_err(CheckError::backend(UnreadyReason::Unreadable))?;
                expected = checks.expect(found)?;
            }
            let Some(id) = expected else {
                return Ok(());
            };
            let written = current.create_store_id(id).await;
            let written = written.map_err(CheckError::backend(UnreadyReason::RefusesWrites))?;
            checks.expect(Some(written))?;
            Ok(())
        }
        .boxed()
    }

    /// Returns the backend that blobs are stored in, and the one that they are still moved from.
    fn backends(&self) -> Result<BackendAndPrevious, CheckError> {
        let Some(placed) = &self.placed else {
            return Ok((Arc::clone(&self.backend), None));
        };
        // The alarm of the placement has the error.
        if placed.is_left_behind() {
            return Err(UnreadyReason::RefusesWrites.into());
        }
        let parts = placed.parts();
        Ok((Arc::clone(&parts.current), parts.previous.clone()))
    }

    pub(super) fn free_space(&self) -> BoxFuture<'static, Checked> {
        let floor = self.floor.clone();
        async move {
            let Some(floor) = floor else {
                return Ok(());
            };
            let checked = floor.check_now().await;
            checked.map_err(CheckError::database(UnreadyReason::OutOfSpace))
        }
        .boxed()
    }

    /// Returns the id if it is that of the earlier checks, and `None` if there never was one.
    fn expect(&self, found: Option<StoreId>) -> Result<Option<StoreId>, CheckError> {
        let first = match found {
            Some(id) => Some(*self.expected.get_or_init(|| id)),
            None => self.expected.get().copied(),
        };
        if found == first {
            Ok(found)
        } else {
            Err(UnreadyReason::WrongStore.into())
        }
    }
}

type BackendAndPrevious = (
    Arc<dyn ArtifactInventory>,
    Option<Arc<dyn ArtifactInventory>>,
);

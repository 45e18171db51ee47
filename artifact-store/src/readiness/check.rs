//! The round trips to the database and to the backend.

use std::error::Error as StdError;
use std::sync::{Arc, OnceLock};

use artifact_backend::{ArtifactInventory, ErrorKind as BackendErrorKind, StoreId};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::UnreadyReason;
use crate::error::ErrorKind;
use crate::store_id::StoreIdRecord;

/// The outcome of a check, with the error for the log.
pub(super) type Checked = Result<(), CheckError>;

#[derive(Debug)]
pub(super) struct CheckError {
    pub(super) reason: UnreadyReason,
    pub(super) source: Option<Box<dyn StdError + Send + Sync>>,
}

impl CheckError {
    fn wrong_store() -> Self {
        Self {
            reason: UnreadyReason::WrongStore,
            source: None,
        }
    }

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

    fn database(reason: UnreadyReason, error: crate::Error) -> Self {
        Self::new(reason, error.kind() == ErrorKind::OutOfSpace, error)
    }

    fn backend(reason: UnreadyReason, error: artifact_backend::Error) -> Self {
        Self::new(reason, error.kind() == BackendErrorKind::OutOfSpace, error)
    }
}

#[derive(Debug, Clone)]
pub(super) struct Checks {
    database: Arc<dyn StoreIdRecord>,
    backend: Arc<dyn ArtifactInventory>,
    /// The first store id that a check found.
    expected: Arc<OnceLock<StoreId>>,
}

impl Checks {
    pub(super) fn new(
        database: Arc<dyn StoreIdRecord>,
        backend: Arc<dyn ArtifactInventory>,
    ) -> Self {
        Self {
            database,
            backend,
            expected: Arc::default(),
        }
    }

    pub(super) fn database(&self) -> BoxFuture<'static, Checked> {
        let Self {
            database, expected, ..
        } = self.clone();
        async move {
            let found = database.store_id().await;
            let found =
                found.map_err(|error| CheckError::database(UnreadyReason::Unreadable, error))?;
            let Some(id) = is_expected(found, &expected)? else {
                return Ok(());
            };
            let written = database.confirm_store_id(id).await;
            let written = written
                .map_err(|error| CheckError::database(UnreadyReason::RefusesWrites, error))?;
            is_expected(Some(written), &expected)?;
            Ok(())
        }
        .boxed()
    }

    /// The id is written only after it was read, so that a storage that has lost it does not get it again.
    pub(super) fn backend(&self) -> BoxFuture<'static, Checked> {
        let Self {
            backend, expected, ..
        } = self.clone();
        async move {
            let found = backend.store_id().await;
            let found =
                found.map_err(|error| CheckError::backend(UnreadyReason::Unreadable, error))?;
            let Some(id) = is_expected(found, &expected)? else {
                return Ok(());
            };
            let written = backend.create_store_id(id).await;
            let written = written
                .map_err(|error| CheckError::backend(UnreadyReason::RefusesWrites, error))?;
            is_expected(Some(written), &expected)?;
            Ok(())
        }
        .boxed()
    }
}

/// Returns the id if it is that of the earlier checks, and `None` if there never was one.
fn is_expected(
    found: Option<StoreId>,
    expected: &OnceLock<StoreId>,
) -> Result<Option<StoreId>, CheckError> {
    let first = match found {
        Some(id) => Some(*expected.get_or_init(|| id)),
        None => expected.get().copied(),
    };
    if found == first {
        Ok(found)
    } else {
        Err(CheckError::wrong_store())
    }
}

//! What happens to artifacts after their deposit: list, remove, hold, keep.

mod experiments;
mod hold;
mod list;
mod remove;
mod retention;
mod watch;

use std::sync::Arc;

use artifact_backend::{ArtifactId, ArtifactInventory};

use crate::catalog::CatalogInventory;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::experiment::ExperimentId;
use crate::principal::{Principal, PrincipalClass};
use crate::row::Row;
use crate::store::ArtifactStore;

pub use list::ArtifactInfo;
pub use watch::RemovalWatch;

/// A store whose artifacts can also be listed, removed, held and kept for a time.
///
/// A handler that gets an [`ArtifactStore`] can neither list nor remove anything. Give a `ManagedStore` only to those that
/// do, and to maintenance. A clone shares the same state and is cheap.
///
/// # Rights
///
/// Each method checks the rights of the principal. A principal of another experiment learns nothing: for it, neither the
/// experiment nor its artifacts exist.
///
/// | method | allowed for |
/// |---|---|
/// | [`list`](Self::list), [`usage`](Self::usage) | principals of the [admin class](Principal::is_admin_class); others for what they deposited themselves |
/// | [`info`](Self::info) | who may read the artifact |
/// | [`remove`](Self::remove), [`check_removal`](Self::check_removal) | the depositor, and the administrator |
/// | [`place_hold`](Self::place_hold), [`release_hold`](Self::release_hold), [`set_retention`](Self::set_retention), [`create_experiment`](Self::create_experiment), [`experiments`](Self::experiments), [`set_quota`](Self::set_quota), [`remove_quota`](Self::remove_quota) | the administrator |
/// | [`quota`](Self::quota), [`quotas`](Self::quotas) | principals of the [admin class](Principal::is_admin_class); others for their own quota |
/// | [`retention`](Self::retention) | every principal of the experiment |
///
/// # Other servers
///
/// Each process keeps rows in a cache. A store that shares its database with other processes must
/// [watch](Self::watch_removals) removals, so that a removed artifact is gone in all of them within a second.
///
/// # Examples
///
/// ```
/// use artifact_store::{
///     ArtifactStore, Backend, Database, ErrorKind, Experiment, ManagedStore, NewArtifact, Principal, RowFilter,
///     RowPosition, StoreConfig, Timestamp, WorkerId,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> artifact_store::Result<()> {
/// let (database, backend) = (Database::from_url("mem:").await?, Backend::from_url("mem:").await?);
/// let home: artifact_store::ExperimentId = "trial-7".parse().expect("a valid id");
/// database.catalog.create_experiment(&Experiment::new(home.clone(), Timestamp::now())).await?;
/// let store = ArtifactStore::new(backend.backend(), database.catalog, StoreConfig::default());
/// let managed = ManagedStore::new(store.clone(), database.inventory, backend.inventory());
/// let _watch = managed.watch_removals();
///
/// let worker = Principal::worker(WorkerId::mint(), home.clone());
/// let mut deposit = store.deposit(NewArtifact::new(home.clone(), &worker));
/// deposit.write("some bytes".into()).await?;
/// let row = deposit.finish().await?;
/// let page = managed.list(&worker, RowFilter::default(), RowPosition::START, 100).await?;
/// assert_eq!(page.rows, [row.clone()]);
///
/// managed.place_hold(&Principal::admin(), &home, row.id).await?;
/// let error = managed.remove(&worker, &home, row.id).await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Held);
///
/// managed.release_hold(&Principal::admin(), &home, row.id).await?;
/// managed.remove(&worker, &home, row.id).await?;
/// let error = store.row(&home, row.id).await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::NotFound);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ManagedStore {
    store: ArtifactStore,
    catalog: Arc<dyn CatalogInventory>,
    backend: Arc<dyn ArtifactInventory>,
}

impl ManagedStore {
    /// Creates a managed store. Does no I/O.
    ///
    /// `catalog` and `backend` must be those of `store`, or others on the same database and the same storage.
    pub fn new(
        store: ArtifactStore,
        catalog: Arc<dyn CatalogInventory>,
        backend: Arc<dyn ArtifactInventory>,
    ) -> Self {
        Self {
            store,
            catalog,
            backend,
        }
    }

    /// Returns the store.
    pub fn store(&self) -> &ArtifactStore {
        &self.store
    }

    /// Returns the catalog, for maintenance: it checks no rights, and what it removes stays in the cache of the store until
    /// [`ArtifactStore::forget`] or a [watch](Self::watch_removals) takes it out.
    pub fn catalog(&self) -> &Arc<dyn CatalogInventory> {
        &self.catalog
    }

    /// Returns the backend, for maintenance.
    pub fn backend(&self) -> &Arc<dyn ArtifactInventory> {
        &self.backend
    }

    /// Reads the row of an artifact of this experiment from the database, not from the cache.
    pub(crate) async fn stored_row(
        &self,
        operation: Operation,
        principal: &Principal,
        experiment: &ExperimentId,
        id: ArtifactId,
    ) -> Result<Row> {
        let not_found = || Error::new(ErrorKind::NotFound, operation).with_id(id);
        if !is_in(principal, experiment) {
            return Err(not_found());
        }
        let row = self.catalog.get(id).await?;
        if row.is_none() {
            self.store.forget(id);
        }
        row.filter(|row| row.experiment == *experiment)
            .ok_or_else(not_found)
    }

    /// Fails if the experiment does not exist, or is not that of the principal.
    pub(crate) async fn check_experiment(
        &self,
        operation: Operation,
        principal: &Principal,
        experiment: &ExperimentId,
    ) -> Result<()> {
        if is_in(principal, experiment) && self.store.experiment(experiment).await?.is_some() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::NotFound, operation).with_detail("there is no such experiment"))
    }
}

/// Returns whether the principal belongs to the experiment. The administrator belongs to all.
pub(crate) fn is_in(principal: &Principal, experiment: &ExperimentId) -> bool {
    principal.experiment().is_none_or(|home| home == experiment)
}

/// Fails for all principals but the administrator. Members of `admins` may read like administrators, no more.
pub(crate) fn check_admin(
    operation: Operation,
    principal: &Principal,
    refusal: &'static str,
) -> Result<()> {
    if principal.class() == PrincipalClass::Admin {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Forbidden, operation).with_detail(refusal))
}

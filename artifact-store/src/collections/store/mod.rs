//! What principals do with collections.

mod delete;
mod files;
mod rights;
mod seal;

use std::sync::Arc;

use jiff::Timestamp;

use self::rights::{fail, forbidden, refused_read};
use super::catalog::CollectionCatalog;
use super::collection::Collection;
use super::id::CollectionId;
use super::position::CollectionPosition;
use crate::error::{ErrorKind, Operation, Result};
use crate::experiment::ExperimentId;
use crate::identity::DisplayName;
use crate::manage::ManagedStore;
use crate::principal::{Principal, PrincipalId};
use crate::sharing::{Sharing, SharingRecord};

/// A store whose artifacts can also be deposited under names.
///
/// A collection belongs to the principal that created it, and its names are its own: no other principal can take one first. A name
/// is given once, to one artifact, and never again. A clone shares the same state and is cheap.
///
/// # Rights
///
/// Each method checks the rights of the principal. A principal of another experiment learns nothing: for it, the collection
/// does not exist.
///
/// | method | allowed for |
/// |---|---|
/// | [`create`](Self::create) | every principal of the experiment |
/// | [`get`](Self::get), [`files`](Self::files), [`manifest`](Self::manifest), [`find`](Self::find) | the owner, principals of the [admin class](Principal::is_admin_class), and those that a [grant](Self::with_sharing) names |
/// | [`list`](Self::list) | principals of the admin class; others for their own collections |
/// | [`deposit`](Self::deposit), [`remove_file`](Self::remove_file), [`seal`](Self::seal), [`delete`](Self::delete) | the owner, and the administrator |
///
/// What is found under a name is read like every artifact, with a [`ReadGrant`](crate::ReadGrant).
///
/// # Examples
///
/// ```
/// use artifact_store::{CollectionStore, ErrorKind, FileQuery, NewArtifact, Principal, WorkerId};
///
/// # use artifact_store::{ArtifactStore, Backend, Database, Experiment, ManagedStore, StoreConfig, Timestamp};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> artifact_store::Result<()> {
/// # let (database, backend) = (Database::from_url("mem:").await?, Backend::from_url("mem:").await?);
/// # let home: artifact_store::ExperimentId = "trial-7".parse().expect("a valid id");
/// # database.catalog.create_experiment(&Experiment::new(home.clone(), Timestamp::now())).await?;
/// # let store = ArtifactStore::new(backend.backend(), database.catalog, StoreConfig::default());
/// # let managed = ManagedStore::new(store.clone(), database.inventory, backend.inventory());
/// let collections = CollectionStore::new(managed, database.collections);
/// let worker = Principal::worker(WorkerId::mint(), home.clone());
/// let collection = collections.create(&worker, &home, None).await?.id;
///
/// let name = "runs/7/loss.csv".parse().expect("a valid name");
/// let new = NewArtifact::new(home.clone(), &worker);
/// let mut deposit = collections.deposit(&worker, &home, collection, &name, new.clone()).await?;
/// deposit.write("0.5".into()).await?;
/// let row = deposit.finish().await?;
///
/// let again = collections.deposit(&worker, &home, collection, &name, new).await;
/// assert_eq!(again.unwrap_err().kind(), ErrorKind::NameTaken);
///
/// let sealed = collections.seal(&worker, &home, collection).await?;
/// assert_eq!((sealed.files, sealed.bytes), (1, 3));
/// let root = FileQuery::default().by_folder();
/// assert_eq!(collections.files(&worker, &home, collection, &root, 100).await?.folders, ["runs/"]);
/// let found = collections.find(&worker, &home, collection, &name).await?;
/// assert_eq!(found.id, row.id);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct CollectionStore {
    managed: ManagedStore,
    catalog: Arc<dyn CollectionCatalog>,
    /// The grants of collections. Without them, no grant counts.
    grants: Option<Arc<dyn SharingRecord>>,
}

impl CollectionStore {
    /// Creates a store of collections. Does no I/O. `catalog` must be on the database of `managed`.
    pub fn new(managed: ManagedStore, catalog: Arc<dyn CollectionCatalog>) -> Self {
        Self {
            managed,
            catalog,
            grants: None,
        }
    }

    /// Lets the grants of collections count. A worker that is neither the owner nor of the admin class then costs one more
    /// query, in each of the methods that read.
    ///
    /// Each call reads the database, so a change of a grant counts from its answer on, in every process.
    #[must_use = "returns the changed value"]
    pub fn with_sharing(mut self, sharing: &Sharing) -> Self {
        self.grants = Some(Arc::clone(sharing.records()));
        self
    }

    /// Returns the records of the collections, for maintenance: it checks no rights.
    pub fn catalog(&self) -> &Arc<dyn CollectionCatalog> {
        &self.catalog
    }

    /// Creates an empty collection, which belongs to the principal. When this returns, it is durable.
    ///
    /// # Errors
    ///
    /// `NotFound` if the experiment does not exist or is not the principal's; `Unavailable`, `OutOfSpace` and the kinds that an
    /// operator must resolve.
    pub async fn create(
        &self,
        principal: &Principal,
        experiment: &ExperimentId,
        title: Option<DisplayName>,
    ) -> Result<Collection> {
        self.managed
            .check_experiment(Operation::Collection, principal, experiment)
            .await?;
        let (id, owner) = (CollectionId::mint(), principal.id());
        let collection =
            Collection::new(id, experiment.clone(), owner, self.now()?).with_title(title);
        self.catalog.create_collection(&collection).await?;
        Ok(collection)
    }

    /// Returns what is recorded about a collection.
    ///
    /// # Errors
    ///
    /// `NotFound` if it does not exist in this experiment, or the principal belongs to another; `Forbidden` for others than its
    /// owner, principals of the admin class and those that a grant names; `Unavailable` and the kinds that an operator must
    /// resolve.
    pub async fn get(
        &self,
        principal: &Principal,
        experiment: &ExperimentId,
        id: CollectionId,
    ) -> Result<Collection> {
        let collection = self.stored(principal, experiment, id).await?;
        if self.may_read(principal, &collection).await? {
            return Ok(collection);
        }
        Err(refused_read())
    }

    /// Lists the collections of an experiment after a position, the oldest first, at most `limit` (1 to 1,000; other numbers
    /// are clamped). Without the admin class, a principal gets only its own, and none that a grant lets it read. The next page begins after the
    /// [position](Collection::position) of the last one.
    ///
    /// # Errors
    ///
    /// `NotFound` if the experiment does not exist or is not the principal's; `Forbidden` if `owner` is another principal, and
    /// this one is not of the admin class; `Unavailable` and the kinds that an operator must resolve.
    pub async fn list(
        &self,
        principal: &Principal,
        experiment: &ExperimentId,
        owner: Option<PrincipalId>,
        after: CollectionPosition,
        limit: u32,
    ) -> Result<Vec<Collection>> {
        self.managed
            .check_experiment(Operation::Collection, principal, experiment)
            .await?;
        let owner = if principal.is_admin_class() {
            owner
        } else {
            let own = principal.id();
            if owner.is_some_and(|other| other != own) {
                return Err(forbidden(
                    "only administrators may list the collections of others",
                ));
            }
            Some(own)
        };
        self.catalog
            .collections(experiment, owner.as_ref(), after, limit)
            .await
    }

    fn now(&self) -> Result<Timestamp> {
        let now = self.managed.store().config().clock().now();
        Timestamp::try_from(now).map_err(|error| {
            fail(ErrorKind::Misconfigured)
                .with_detail("the system clock is thousands of years off; set it")
                .with_source(error)
        })
    }
}

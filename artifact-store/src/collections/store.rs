//! What principals do with collections.

use std::sync::Arc;

use artifact_backend::ArtifactId;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;

use super::catalog::{CollectionCatalog, NameBound};
use super::collection::Collection;
use super::file::{CollectionFile, FileState};
use super::id::CollectionId;
use super::listing::{FilePage, FileQuery, page};
use super::manifest::ManifestReader;
use super::path::CollectionPath;
use super::place::FilePlace;
use super::position::CollectionPosition;
use crate::deposit::Deposit;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::experiment::ExperimentId;
use crate::identity::DisplayName;
use crate::manage::{ManagedStore, is_in};
use crate::new_artifact::NewArtifact;
use crate::principal::{Principal, PrincipalClass, PrincipalId};

const REFUSED_READ: &str = "only its owner and administrators may read the collection";

/// How many files a deletion removes at a time.
const REMOVED_AT_A_TIME: usize = 16;
/// How many files a deletion looks up at a time.
const DELETION_PAGE: u32 = 1_000;

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
/// | [`get`](Self::get), [`files`](Self::files), [`manifest`](Self::manifest), [`find`](Self::find) | the owner, and principals of the [admin class](Principal::is_admin_class) |
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
}

impl CollectionStore {
    /// Creates a store of collections. Does no I/O. `catalog` must be on the database of `managed`.
    pub fn new(managed: ManagedStore, catalog: Arc<dyn CollectionCatalog>) -> Self {
        Self { managed, catalog }
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
    /// owner and principals of the admin class; `Unavailable` and the kinds that an operator must resolve.
    pub async fn get(
        &self,
        principal: &Principal,
        experiment: &ExperimentId,
        id: CollectionId,
    ) -> Result<Collection> {
        let collection = self.stored(principal, experiment, id).await?;
        if !may_read(principal, &collection) {
            return Err(forbidden(REFUSED_READ));
        }
        Ok(collection)
    }

    /// Lists the collections of an experiment after a position, the oldest first, at most `limit` (1 to 1,000; other numbers
    /// are clamped). Without the admin class, a principal gets only its own. The next page begins after the
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

    /// Begins the deposit of a file under a name. Of `new`, the experiment, the depositor, the file name and the idempotency key are
    /// replaced: the file is deposited for the owner of the collection, and is offered for download under the last part of
    /// its name.
    ///
    /// The name is given with [`finish`](Deposit::finish), in the transaction of the row. `finish` fails with `NameTaken` or
    /// `Sealed` if another deposit got the name first or the collection was sealed meanwhile; the bytes are then an orphan, which is
    /// collected. Of several deposits of one name at the same time, in any number of processes, one succeeds.
    ///
    /// A depositor that does not learn the outcome repeats the deposit. If that fails with `NameTaken`, and
    /// [`find`](Self::find) returns the SHA-256 of its bytes, an earlier attempt succeeded.
    ///
    /// # Errors
    ///
    /// `NotFound` if the collection does not exist in this experiment, or the principal belongs to another; `Forbidden` for others
    /// than its owner and the administrator; `NameTaken` if the name was given before, or a name above or below it; `Sealed` if the
    /// collection is sealed or being deleted; `Unavailable` and the kinds that an operator must resolve.
    pub async fn deposit(
        &self,
        principal: &Principal,
        experiment: &ExperimentId,
        id: CollectionId,
        path: &CollectionPath,
        new: NewArtifact,
    ) -> Result<Deposit> {
        let collection = self.writable(principal, experiment, id).await?;
        if !collection.is_open() {
            return Err(sealed());
        }
        if let Some(taken) = self.catalog.find_file(id, path).await? {
            return Err(name_taken(&taken));
        }
        let place = FilePlace {
            catalog: Arc::clone(&self.catalog),
            collection: id,
            path: path.clone(),
        };
        Ok(self.managed.store().deposit(NewArtifact {
            experiment: collection.experiment,
            created_by: collection.owner,
            file_name: path.file_name(),
            idempotency_key: None,
            place: Some(place),
            ..new
        }))
    }

    /// Finds the file with a name.
    ///
    /// # Errors
    ///
    /// `NotFound` if the collection does not exist in this experiment, or the principal belongs to another, or a principal that
    /// may read the collection names a file that is not there; `Forbidden` for others than its owner and principals of the
    /// admin class; `Unavailable` and the kinds that an operator must resolve.
    pub async fn find(
        &self,
        principal: &Principal,
        experiment: &ExperimentId,
        id: CollectionId,
        path: &CollectionPath,
    ) -> Result<CollectionFile> {
        self.get(principal, experiment, id).await?;
        self.present(id, path).await
    }

    /// Finds the artifact with a name, for a read that the rule of artifacts decides. A principal that may not read the
    /// collection does not learn by the error whether there is such a file.
    ///
    /// # Errors
    ///
    /// As [`find`](Self::find), `Forbidden` only if the file is not there.
    pub async fn locate(
        &self,
        principal: &Principal,
        experiment: &ExperimentId,
        id: CollectionId,
        path: &CollectionPath,
    ) -> Result<ArtifactId> {
        let collection = self.stored(principal, experiment, id).await?;
        match self.present(id, path).await {
            Ok(file) => Ok(file.id),
            Err(error)
                if error.kind() == ErrorKind::NotFound && !may_read(principal, &collection) =>
            {
                Err(forbidden(REFUSED_READ))
            }
            Err(error) => Err(error),
        }
    }

    /// Lists files of a collection, at most `limit` (1 to 1,000; other numbers are clamped), in the order of the bytes of their
    /// names. A page can be shorter although more follow; only [`next`](FilePage::next) says.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub async fn files(
        &self,
        principal: &Principal,
        experiment: &ExperimentId,
        id: CollectionId,
        query: &FileQuery,
        limit: u32,
    ) -> Result<FilePage> {
        self.get(principal, experiment, id).await?;
        page(&*self.catalog, id, query, limit).await
    }

    /// Removes a file: first its row, and with it its name, then its bytes. The name is never given again. Returns the id that the
    /// artifact had.
    ///
    /// # Errors
    ///
    /// `NotFound` and `Forbidden` as [`deposit`](Self::deposit), `NotFound` also if the file is not there; `Sealed` if the collection
    /// is sealed or being deleted; `Held` if a hold is on the file; `Unavailable`, `OutOfSpace` and the kinds that an operator must
    /// resolve.
    pub async fn remove_file(
        &self,
        principal: &Principal,
        experiment: &ExperimentId,
        id: CollectionId,
        path: &CollectionPath,
    ) -> Result<ArtifactId> {
        let collection = self.writable(principal, experiment, id).await?;
        let file = self.present(id, path).await?;
        if !collection.is_open() {
            return Err(sealed());
        }
        self.managed.remove_row(file.id).await?;
        Ok(file.id)
    }

    /// Seals a collection: no name is given in it any more, and no single file of it is removed but by expiry. When this
    /// returns, that is durable. One that is sealed stays as it is.
    ///
    /// # Errors
    ///
    /// `NotFound` and `Forbidden` as [`deposit`](Self::deposit); `Sealed` if it is being deleted; `Unavailable`, `OutOfSpace` and the
    /// kinds that an operator must resolve.
    pub async fn seal(
        &self,
        principal: &Principal,
        experiment: &ExperimentId,
        id: CollectionId,
    ) -> Result<Collection> {
        self.writable(principal, experiment, id).await?;
        self.catalog.seal_collection(id, self.now()?).await?;
        self.stored(principal, experiment, id).await
    }

    /// Begins to read the manifest of a sealed collection.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get); `NotFound` also if the collection is not sealed.
    pub async fn manifest(
        &self,
        principal: &Principal,
        experiment: &ExperimentId,
        id: CollectionId,
    ) -> Result<ManifestReader> {
        let collection = self.get(principal, experiment, id).await?;
        if collection.sealed_at.is_none() {
            let detail = "the collection is not sealed, so it has no manifest; seal it first";
            return Err(fail(ErrorKind::NotFound).with_detail(detail));
        }
        Ok(ManifestReader::new(Arc::clone(&self.catalog), collection))
    }

    /// Deletes a collection, open or sealed, with its files and names. When this returns, all that is durable.
    ///
    /// The files are removed one after the other. If the call fails or is dropped, some may be gone; the collection then takes no
    /// more names, and another call goes on.
    ///
    /// # Errors
    ///
    /// `NotFound` and `Forbidden` as [`deposit`](Self::deposit). `Held` if a hold is on one of its files: usually nothing was
    /// deleted then, but a hold that was placed during the deletion ends it too. `Unavailable`, `OutOfSpace` and the kinds that an
    /// operator must resolve.
    pub async fn delete(
        &self,
        principal: &Principal,
        experiment: &ExperimentId,
        id: CollectionId,
    ) -> Result<()> {
        self.writable(principal, experiment, id).await?;
        self.catalog.begin_deletion(id, self.now()?).await?;
        loop {
            let all = NameBound::From(String::new());
            let files = self.catalog.files(id, &all, false, DELETION_PAGE).await?;
            if files.is_empty() {
                break;
            }
            let removals = stream::iter(files).map(|file| async move {
                match self.managed.remove_row(file.id).await {
                    // An expiry has removed it meanwhile.
                    Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
                    removed => removed,
                }
            });
            removals
                .buffer_unordered(REMOVED_AT_A_TIME)
                .try_collect::<()>()
                .await?;
        }
        self.catalog.end_deletion(id).await
    }

    /// Reads a collection of this experiment.
    async fn stored(
        &self,
        principal: &Principal,
        experiment: &ExperimentId,
        id: CollectionId,
    ) -> Result<Collection> {
        let found = if is_in(principal, experiment) {
            self.catalog.collection(id).await?
        } else {
            None
        };
        found
            .filter(|collection| collection.experiment == *experiment)
            .ok_or_else(|| fail(ErrorKind::NotFound).with_detail("there is no such collection"))
    }

    /// Reads a collection that the principal may change.
    async fn writable(
        &self,
        principal: &Principal,
        experiment: &ExperimentId,
        id: CollectionId,
    ) -> Result<Collection> {
        let collection = self.stored(principal, experiment, id).await?;
        let is_admin = principal.class() == PrincipalClass::Admin;
        if is_admin || principal.has_id(&collection.owner) {
            return Ok(collection);
        }
        Err(forbidden(
            "only its owner and the administrator may change the collection",
        ))
    }

    async fn present(&self, id: CollectionId, path: &CollectionPath) -> Result<CollectionFile> {
        let found = self.catalog.find_file(id, path).await?;
        found
            .filter(|file| file.state == FileState::Present)
            .ok_or_else(|| {
                fail(ErrorKind::NotFound).with_detail("there is no file with this name in it")
            })
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

fn may_read(principal: &Principal, collection: &Collection) -> bool {
    principal.is_admin_class() || principal.has_id(&collection.owner)
}

fn fail(kind: ErrorKind) -> Error {
    Error::new(kind, Operation::Collection)
}

fn forbidden(detail: &'static str) -> Error {
    fail(ErrorKind::Forbidden).with_detail(detail)
}

fn sealed() -> Error {
    fail(ErrorKind::Sealed).with_detail("the collection is sealed; create another one")
}

/// Says which bytes have the name, so that a client that lost a response can compare them with its own.
fn name_taken(file: &CollectionFile) -> Error {
    let detail = match file.state {
        FileState::Present => format!(
            "the name is given already, to an artifact with the SHA-256 {}; a name is given once",
            file.sha256
        ),
        FileState::Removed | FileState::Expired => {
            "the name was given before, and its artifact was removed; a name is given once"
                .to_owned()
        }
    };
    fail(ErrorKind::NameTaken)
        .with_id(file.id)
        .with_detail(detail)
}

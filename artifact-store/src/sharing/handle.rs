//! What principals do with grants and links.

use std::sync::Arc;

use artifact_backend::ArtifactId;
use jiff::Timestamp;

use super::{AccessGrant, AccessLink, GrantSubject, LinkSecret, NewLink, SharingRecord};
use crate::collections::{Collection, CollectionCatalog, CollectionId};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::experiment::ExperimentId;
use crate::identity::{GrantId, LinkId, MemberId};
use crate::manage::{ManagedStore, is_in};
use crate::principal::{Principal, PrincipalId};
use crate::read_policy::is_in_experiment;
use crate::row::Row;
use crate::store::ArtifactStore;

/// Grants and links of the artifacts and collections of a store. A clone shares the same state and is cheap.
///
/// A **grant** lets a worker, or the direct and nested members of a group, read one artifact or one collection of their
/// experiment, until it is revoked or expires. [`authorize_shared`](crate::authorize_shared) applies it. A grantee may read,
/// and nothing else: not share further, delete or hold. Lists of artifacts and of collections do not show it what belongs to
/// others.
///
/// A grant of a **collection** counts for each file that is in it at the time of the read, also for those that were deposited
/// after the grant. [`CollectionStore::with_sharing`](crate::CollectionStore::with_sharing) lets it count for the list of files
/// and the manifest too. It needs [`with_collections`](Self::with_collections). A collection has no links.
///
/// A **link** lets everyone who knows its secret read one artifact.
/// [`authorize_link`](crate::authorize_link) verifies it.
///
/// # Rights
///
/// The depositor of an artifact, the owner of a collection, and principals of the [admin class](Principal::is_admin_class)
/// make, list and revoke its grants and links. All others get `Forbidden`. For a principal of another experiment, neither the
/// experiment nor what is in it exists.
///
/// # What ends a grant or a link
///
/// A change counts from its answer on, for every process on the database, because each use reads the database.
///
/// | | grant | link |
/// |---|---|---|
/// | its time has come | ends | ends |
/// | revoked, artifact removed or collection deleted | ends | ends |
/// | the grantee or its group deleted | ends | |
/// | its maker deleted, or the maker's token revoked | stays | ends |
/// | its maker is neither the depositor nor in `admins` any more | stays | does not work meanwhile |
/// | the token of its maker expired or replaced | stays | stays |
///
/// # Programs with principals of their own
///
/// A grant names workers and groups, so it never counts for an external principal. External principals can make grants and
/// links; the links of an external principal end by time and revocation only, because the database does not know it. With a
/// [`ReadPolicy`](crate::ReadPolicy), the policy alone decides about principals; it asks
/// [`is_granted`](Self::is_granted) if grants shall count. No policy is asked when a link is used.
///
/// # Examples
///
/// ```
/// use artifact_store::{
///     ArtifactStore, Backend, CredentialHash, Database, ErrorKind, Experiment, GrantSubject, ManagedStore, NewArtifact,
///     NewLink, Principal, PrincipalId, Sharing, StoreConfig, Timestamp, Worker, WorkerId, authorize_link, authorize_shared,
/// };
/// use std::{num::NonZeroU32, time::Duration};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> artifact_store::Result<()> {
/// let (database, backend) = (Database::from_url("mem:").await?, Backend::from_url("mem:").await?);
/// let home: artifact_store::ExperimentId = "trial-7".parse().expect("a valid id");
/// database.catalog.create_experiment(&Experiment::new(home.clone(), Timestamp::now())).await?;
/// let store = ArtifactStore::new(backend.backend(), database.catalog, StoreConfig::default());
/// let managed = ManagedStore::new(store.clone(), database.inventory, backend.inventory());
/// let sharing = Sharing::new(managed, database.sharing);
/// # let hash = || "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA".parse::<CredentialHash>().expect("a valid hash");
///
/// let [alice, bob] = [WorkerId::mint(), WorkerId::mint()];
/// for id in [alice, bob] {
///     let worker = Worker::new(id, home.clone(), Timestamp::now(), PrincipalId::Admin);
///     database.identities.register_worker(&worker, &hash()).await?;
/// }
/// let [alice, bob] = [alice, bob].map(|id| (id, Principal::worker(id, home.clone())));
/// let mut deposit = store.deposit(NewArtifact::new(home.clone(), &alice.1));
/// deposit.write("some bytes".into()).await?;
/// let row = deposit.finish().await?;
///
/// let error = authorize_shared(&sharing, &bob.1, row.clone()).await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Forbidden);
/// let subject = GrantSubject::Artifact(row.id);
/// let grant = sharing.grant(&alice.1, &home, subject, bob.0.into(), None).await?;
/// let read = authorize_shared(&sharing, &bob.1, row.clone()).await?;
/// assert_eq!(read.row().id, row.id);
/// sharing.revoke_grant(&alice.1, &home, subject, grant.id).await?;
/// assert!(authorize_shared(&sharing, &bob.1, row.clone()).await.is_err());
///
/// let once = NewLink::expiring_in(Duration::from_hours(24)).with_max_downloads(NonZeroU32::MIN);
/// let (link, secret) = sharing.create_link(&alice.1, &home, row.id, once).await?;
/// let read = authorize_link(&sharing, &secret).await?;
/// assert_eq!(read.link().map(|link| link.id), Some(link.id));
/// store.read(&read, artifact_store::ByteRange::Full).await?;
/// let error = authorize_link(&sharing, &secret).await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::NotFound);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Sharing {
    managed: ManagedStore,
    records: Arc<dyn SharingRecord>,
    /// Without them there are no grants of collections.
    collections: Option<Arc<dyn CollectionCatalog>>,
}

impl Sharing {
    /// Shares the artifacts of a store. Does no I/O. `records` must be in the database of the store; it is
    /// [`Database::sharing`](crate::Database::sharing).
    pub fn new(managed: ManagedStore, records: Arc<dyn SharingRecord>) -> Self {
        Self {
            managed,
            records,
            collections: None,
        }
    }

    /// Shares collections too. `collections` must be in the database of the store; it is
    /// [`Database::collections`](crate::Database::collections). Without it, no collection can be shared: each is `NotFound`.
    #[must_use = "returns the changed value"]
    pub fn with_collections(mut self, collections: Arc<dyn CollectionCatalog>) -> Self {
        self.collections = Some(collections);
        self
    }

    /// Lets a worker, or the members of a group, read the subject, until a time if one is given. A grant that the same grantee
    /// has for the subject is replaced, also if it expires later. When this returns, the grant is durable and counts.
    ///
    /// If the future is dropped, the grant is made or not.
    ///
    /// # Errors
    ///
    /// `NotFound` if the experiment has no such subject, or no such worker or group; `Forbidden` for who may not share it;
    /// `TooLarge` if it has 1,000 grants; `Unavailable`, `OutOfSpace` and the kinds that an operator must resolve.
    pub async fn grant(
        &self,
        principal: &Principal,
        experiment: &ExperimentId,
        subject: GrantSubject,
        grantee: MemberId,
        expires_at: Option<Timestamp>,
    ) -> Result<AccessGrant> {
        self.check_may_share(principal, experiment, &subject)
            .await?;
        let grant = AccessGrant::new(
            GrantId::mint(),
            experiment.clone(),
            subject,
            grantee,
            self.now()?,
            principal.id(),
        )
        .with_expires_at(expires_at);
        self.records.insert_grant(&grant).await?;
        Ok(grant)
    }

    /// Lists the grants of a subject that count now; see [`SharingRecord::grants`] for the pages.
    ///
    /// # Errors
    ///
    /// `NotFound` if the experiment has no such subject; `Forbidden` for who may not share it; `Unavailable` and the kinds that
    /// an operator must resolve.
    pub async fn grants(
        &self,
        principal: &Principal,
        experiment: &ExperimentId,
        subject: GrantSubject,
        after: Option<GrantId>,
        limit: u32,
    ) -> Result<Vec<AccessGrant>> {
        self.check_may_share(principal, experiment, &subject)
            .await?;
        self.records.grants(&subject, after, limit).await
    }

    /// Revokes a grant. When this returns, it counts for no request of any process any more. A read that has begun may still get
    /// to its end. If the future is dropped, the grant is revoked or not.
    ///
    /// # Errors
    ///
    /// `NotFound` if the experiment has no such subject, or that has no such grant; `Forbidden` for who may not share it;
    /// `Unavailable`, `OutOfSpace` and the kinds that an operator must resolve.
    pub async fn revoke_grant(
        &self,
        principal: &Principal,
        experiment: &ExperimentId,
        subject: GrantSubject,
        id: GrantId,
    ) -> Result<()> {
        self.check_may_share(principal, experiment, &subject)
            .await?;
        self.records.delete_grant(&subject, id).await
    }

    /// Makes a link to an artifact, and returns it with its secret, which is stored nowhere. When this returns, the link is
    /// durable and works. If the future is dropped, the link may be made; it is of no use without its secret, and expires.
    ///
    /// # Errors
    ///
    /// `NotFound` if the experiment has no such artifact, or if the principal is a worker that is not registered there or whose
    /// token was revoked; `Forbidden` for who may not share it; `TooLarge` if it has 1,000 links; `Unavailable`, `OutOfSpace`
    /// and the kinds that an operator must resolve.
    pub async fn create_link(
        &self,
        principal: &Principal,
        experiment: &ExperimentId,
        artifact: ArtifactId,
        new: NewLink,
    ) -> Result<(AccessLink, LinkSecret)> {
        self.check_may_share(principal, experiment, &GrantSubject::Artifact(artifact))
            .await?;
        let now = self.now()?;
        let secret = LinkSecret::mint();
        let link = AccessLink::new(
            LinkId::mint(),
            experiment.clone(),
            artifact,
            now,
            principal.id(),
            now.checked_add(new.expires_in).unwrap_or(Timestamp::MAX),
        )
        .with_downloads(new.max_downloads, 0);
        self.records.insert_link(&link, &secret.digest()).await?;
        Ok((link, secret))
    }

    /// Lists the links of an artifact that work now, without their secrets; see [`SharingRecord::grants`] for the pages.
    ///
    /// # Errors
    ///
    /// As [`grants`](Self::grants).
    pub async fn links(
        &self,
        principal: &Principal,
        experiment: &ExperimentId,
        artifact: ArtifactId,
        after: Option<LinkId>,
        limit: u32,
    ) -> Result<Vec<AccessLink>> {
        self.check_may_share(principal, experiment, &GrantSubject::Artifact(artifact))
            .await?;
        self.records.links(artifact, after, limit).await
    }

    /// Revokes a link, as [`revoke_grant`](Self::revoke_grant) revokes a grant.
    ///
    /// # Errors
    ///
    /// As [`revoke_grant`](Self::revoke_grant).
    pub async fn revoke_link(
        &self,
        principal: &Principal,
        experiment: &ExperimentId,
        artifact: ArtifactId,
        id: LinkId,
    ) -> Result<()> {
        self.check_may_share(principal, experiment, &GrantSubject::Artifact(artifact))
            .await?;
        self.records.delete_link(artifact, id).await
    }

    /// Returns whether a grant of the artifact of the row, or of the collection that it is in, lets the principal read it. For a
    /// [`ReadPolicy`](crate::ReadPolicy); everything else calls [`authorize_shared`](crate::authorize_shared).
    ///
    /// Reads the database, in one query. External principals and administrators have no grants.
    ///
    /// # Errors
    ///
    /// `Unavailable` and the kinds that an operator must resolve.
    pub async fn is_granted(&self, principal: &Principal, row: &Row) -> Result<bool> {
        let PrincipalId::Worker(worker) = principal.id() else {
            return Ok(false);
        };
        if !is_in_experiment(principal, row) {
            return Ok(false);
        }
        let subject = GrantSubject::Artifact(row.id);
        self.records
            .is_granted(&row.experiment, &subject, worker)
            .await
    }

    pub(crate) fn records(&self) -> &Arc<dyn SharingRecord> {
        &self.records
    }

    pub(crate) fn store(&self) -> &ArtifactStore {
        self.managed.store()
    }

    /// Fails for all but those who may share the subject.
    async fn check_may_share(
        &self,
        principal: &Principal,
        experiment: &ExperimentId,
        subject: &GrantSubject,
    ) -> Result<()> {
        match subject {
            GrantSubject::Artifact(id) => {
                let row = self
                    .managed
                    .stored_row(Operation::Share, principal, experiment, *id)
                    .await?;
                if principal.is_admin_class() || principal.has_id(&row.created_by) {
                    return Ok(());
                }
                Err(Error::new(ErrorKind::Forbidden, Operation::Share)
                    .with_id(*id)
                    .with_detail("only its depositor and administrators may share it"))
            }
            GrantSubject::Collection(id) => {
                let collection = self.collection(principal, experiment, *id).await?;
                if principal.is_admin_class() || principal.has_id(&collection.owner) {
                    return Ok(());
                }
                Err(Error::new(ErrorKind::Forbidden, Operation::Share)
                    .with_detail("only its owner and administrators may share the collection"))
            }
        }
    }

    /// Reads a collection of this experiment.
    async fn collection(
        &self,
        principal: &Principal,
        experiment: &ExperimentId,
        id: CollectionId,
    ) -> Result<Collection> {
        let found = match &self.collections {
            Some(collections) if is_in(principal, experiment) => collections.collection(id).await?,
            _ => None,
        };
        found
            .filter(|collection| collection.experiment == *experiment)
            .ok_or_else(|| {
                Error::new(ErrorKind::NotFound, Operation::Share)
                    .with_detail("there is no such collection")
            })
    }

    fn now(&self) -> Result<Timestamp> {
        let now = self.store().config().clock().now();
        Timestamp::try_from(now).map_err(|error| {
            Error::new(ErrorKind::Misconfigured, Operation::Share)
                .with_detail("the system clock is thousands of years off; set it")
                .with_source(error)
        })
    }
}

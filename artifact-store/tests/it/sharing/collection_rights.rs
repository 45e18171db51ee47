//! Who may share and read a collection, and what each read costs.

use std::sync::Arc;

use artifact_backend_mem::{MemBackend, MemConfig};
use artifact_store::{
    AccessGrant, ArtifactStore, CollectionId, CollectionPath, CollectionPosition, CollectionStore,
    Database, ErrorKind, FileQuery, GrantSubject, ManagedStore, MemberId, MemoryDatabase,
    NewArtifact, NewLink, Principal, Result, Row, Sharing, StoreConfig, WorkerId, authorize_shared,
};

use super::rights::Counted;
use super::site::{assert_kind, group, host, register, register_in};
use crate::support::{EXTERNAL, experiment, external, other_experiment};

/// A store in memory with a collection of one file, its owner, and another worker.
struct Site {
    database: Database,
    records: Arc<Counted>,
    managed: ManagedStore,
    sharing: Sharing,
    collections: CollectionStore,
    owner: Principal,
    other: WorkerId,
    id: CollectionId,
    row: Arc<Row>,
}

fn name() -> CollectionPath {
    "runs/7/loss.csv".parse().unwrap()
}

impl Site {
    async fn new() -> Self {
        let database = Database::new(MemoryDatabase::new());
        host(&database).await;
        let backend = Arc::new(MemBackend::new(MemConfig::default()));
        let catalog = database.catalog.clone();
        let store = ArtifactStore::new(backend.clone(), catalog, StoreConfig::default());
        let managed = ManagedStore::new(store, database.inventory.clone(), backend);
        let records = Counted::new(&database.sharing);
        let sharing = Sharing::new(managed.clone(), records.clone());
        let sharing = sharing.with_collections(database.collections.clone());
        let collections = CollectionStore::new(managed.clone(), database.collections.clone());
        let collections = collections.with_sharing(&sharing);
        let owner = Principal::worker(register(&database).await, experiment());
        let created = collections.create(&owner, &experiment(), None).await;
        let id = created.unwrap().id;
        let row = put(&collections, &owner, id, &name()).await;
        Self {
            other: register(&database).await,
            database,
            records,
            managed,
            sharing,
            collections,
            owner,
            id,
            row,
        }
    }

    fn other(&self) -> Principal {
        Principal::worker(self.other, experiment())
    }

    fn subject(&self) -> GrantSubject {
        GrantSubject::Collection(self.id)
    }

    async fn grant(&self, to: impl Into<MemberId>) -> AccessGrant {
        let (home, to, by) = (experiment(), to.into(), &self.owner);
        let made = self.sharing.grant(by, &home, self.subject(), to, None);
        made.await.unwrap()
    }

    /// Returns what a call returned, and how many calls of the records of grants it took.
    async fn counted<T>(&self, call: impl Future<Output = Result<T>>) -> (Option<ErrorKind>, u32) {
        let before = self.records.calls();
        let kind = call.await.err().map(|error| error.kind());
        (kind, self.records.calls() - before)
    }

    /// Returns the outcomes of all that reads the collection, with what each costs.
    async fn reads(&self, principal: &Principal) -> [(Option<ErrorKind>, u32); 6] {
        let (collections, home, name) = (&self.collections, experiment(), name());
        let absent = "absent".parse().unwrap();
        let (all, id) = (FileQuery::default(), self.id);
        let row = Arc::clone(&self.row);
        [
            self.counted(collections.get(principal, &home, id)).await,
            self.counted(collections.files(principal, &home, id, &all, 9))
                .await,
            self.counted(collections.find(principal, &home, id, &name))
                .await,
            self.counted(collections.locate(principal, &home, id, &name))
                .await,
            self.counted(collections.locate(principal, &home, id, &absent))
                .await,
            self.counted(authorize_shared(&self.sharing, principal, row))
                .await,
        ]
    }
}

async fn put(
    collections: &CollectionStore,
    owner: &Principal,
    id: CollectionId,
    name: &CollectionPath,
) -> Arc<Row> {
    let home = experiment();
    let new = NewArtifact::new(home.clone(), owner);
    let deposit = collections.deposit(owner, &home, id, name, new);
    let mut deposit = deposit.await.unwrap();
    deposit.write("0.5".into()).await.unwrap();
    deposit.finish().await.unwrap()
}

/// The look-up of a grant is one query, and only for workers that have no right of their own. What finds an artifact by its name
/// costs none: the read of the artifact decides.
#[tokio::test]
async fn only_workers_without_a_right_of_their_own_cost_a_look_up() {
    let site = Site::new().await;
    let missing = Some(ErrorKind::NotFound);
    for principal in [
        Principal::admin(),
        site.owner.clone(),
        site.other().with_admin_class(),
    ] {
        let expected = [
            (None, 0),
            (None, 0),
            (None, 0),
            (None, 0),
            (missing, 0),
            (None, 0),
        ];
        assert_eq!(site.reads(&principal).await, expected, "{principal:?}");
    }
    let refused = Some(ErrorKind::Forbidden);
    let expected = [
        (refused, 1),
        (refused, 1),
        (refused, 1),
        (None, 0),
        (refused, 1),
        (refused, 1),
    ];
    assert_eq!(site.reads(&site.other()).await, expected);
    let expected = expected.map(|(outcome, _)| (outcome, 0));
    assert_eq!(site.reads(&external(EXTERNAL[1])).await, expected);

    let grant = site.grant(site.other).await;
    let expected = [
        (None, 1),
        (None, 1),
        (None, 1),
        (None, 0),
        (missing, 1),
        (None, 1),
    ];
    assert_eq!(site.reads(&site.other()).await, expected);
    let impostor = Principal::worker(site.other, other_experiment());
    for (outcome, calls) in site.reads(&impostor).await {
        assert!(outcome.is_some() && calls == 0, "{outcome:?}");
    }
    let (home, subject) = (experiment(), site.subject());
    let revoked = site
        .sharing
        .revoke_grant(&site.owner, &home, subject, grant.id);
    revoked.await.unwrap();
    assert_eq!(site.reads(&site.other()).await[5], (refused, 1));
}

#[tokio::test]
async fn a_grantee_of_a_collection_reads_it_and_changes_nothing() {
    let site = Site::new().await;
    let above = group(&site.database, &[site.other.into()]).await;
    let grant = site.grant(above).await;
    let (other, home, id, row) = (site.other(), experiment(), site.id, site.row.id);
    let collections = &site.collections;
    let later = put(collections, &site.owner, id, &"later".parse().unwrap()).await;
    let read = authorize_shared(&site.sharing, &other, later)
        .await
        .unwrap();
    assert_eq!(read.row().file_name.as_ref().unwrap().as_str(), "later");
    let all = FileQuery::default();
    let page = collections.files(&other, &home, id, &all, 9).await.unwrap();
    assert_eq!(page.files.len(), 2);
    let unsealed = collections.manifest(&other, &home, id).await;
    assert_kind(unsealed, ErrorKind::NotFound);

    let forbidden = ErrorKind::Forbidden;
    let (new, free) = (
        NewArtifact::new(home.clone(), &other),
        "new".parse().unwrap(),
    );
    let deposit = collections.deposit(&other, &home, id, &free, new).await;
    assert_kind(deposit, forbidden);
    let removed = collections.remove_file(&other, &home, id, &name()).await;
    assert_kind(removed, forbidden);
    assert_kind(collections.seal(&other, &home, id).await, forbidden);
    assert_kind(collections.delete(&other, &home, id).await, forbidden);
    assert_kind(site.managed.remove(&other, &home, row).await, forbidden);
    let sharing = &site.sharing;
    let third = register(&site.database).await.into();
    for subject in [site.subject(), GrantSubject::Artifact(row)] {
        let shared = sharing.grant(&other, &home, subject, third, None).await;
        assert_kind(shared, forbidden);
        let listed = sharing.grants(&other, &home, subject, None, 9).await;
        assert_kind(listed, forbidden);
        let revoked = sharing.revoke_grant(&other, &home, subject, grant.id).await;
        assert_kind(revoked, forbidden);
    }
    let new = NewLink::expiring_in(std::time::Duration::from_mins(1));
    assert_kind(
        sharing.create_link(&other, &home, row, new).await,
        forbidden,
    );
    let listed = collections.list(&other, &home, None, CollectionPosition::START, 9);
    assert_eq!(listed.await.unwrap(), []);

    collections.seal(&site.owner, &home, id).await.unwrap();
    let manifest = collections.manifest(&other, &home, id).await.unwrap();
    assert_eq!(manifest.collection().files, 2);
    let stranger = Principal::worker(register(&site.database).await, home.clone());
    let refused = collections.manifest(&stranger, &home, id).await;
    assert_kind(refused, forbidden);
}

#[tokio::test]
async fn owners_and_administrators_share_a_collection_and_strangers_learn_nothing() {
    let site = Site::new().await;
    let (sharing, subject, home) = (&site.sharing, site.subject(), experiment());
    for by in [
        site.owner.clone(),
        Principal::admin(),
        site.other().with_admin_class(),
    ] {
        let grant = sharing.grant(&by, &home, subject, site.other.into(), None);
        let grant = grant.await.unwrap();
        assert_eq!((&grant.created_by, grant.subject), (&by.id(), subject));
        let listed = sharing.grants(&by, &home, subject, None, 10).await.unwrap();
        assert_eq!(listed, std::slice::from_ref(&grant));
        let revoked = sharing.revoke_grant(&by, &home, subject, grant.id);
        revoked.await.unwrap();
    }
    let other = site.other();
    let refused = sharing.grant(&other, &home, subject, site.other.into(), None);
    assert_kind(refused.await, ErrorKind::Forbidden);
    let foreign = register_in(&site.database, other_experiment()).await;
    let elsewhere = Principal::worker(foreign, other_experiment()).with_admin_class();
    let absent = GrantSubject::Collection(CollectionId::mint());
    for (by, home, subject) in [
        (&elsewhere, experiment(), subject),
        (&elsewhere, other_experiment(), subject),
        (&site.owner, experiment(), absent),
        (&Principal::admin(), other_experiment(), subject),
    ] {
        let refused = sharing.grant(by, &home, subject, foreign.into(), None);
        assert_kind(refused.await, ErrorKind::NotFound);
        let refused = sharing.grants(by, &home, subject, None, 9).await;
        assert_kind(refused, ErrorKind::NotFound);
    }
}

/// What a program with a read policy of its own relies on.
#[tokio::test]
async fn collections_and_sharing_that_were_not_joined_know_no_grants() {
    let site = Site::new().await;
    site.grant(site.other).await;
    let alone = CollectionStore::new(site.managed.clone(), site.database.collections.clone());
    let refused = alone.get(&site.other(), &experiment(), site.id).await;
    assert_kind(refused, ErrorKind::Forbidden);
    let sharing = Sharing::new(site.managed.clone(), site.database.sharing.clone());
    let (home, to) = (experiment(), site.other.into());
    let refused = sharing.grant(&site.owner, &home, site.subject(), to, None);
    assert_kind(refused.await, ErrorKind::NotFound);
    let granted = sharing.is_granted(&site.other(), &site.row).await;
    assert!(granted.unwrap(), "a policy can ask for the artifact");
}

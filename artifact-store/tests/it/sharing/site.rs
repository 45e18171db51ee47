//! Values for the tests of grants and links.

use std::num::NonZeroU32;

use artifact_store::{
    AccessGrant, AccessLink, Collection, CollectionId, CredentialHash, Database, ErrorKind,
    Experiment, ExperimentId, GrantId, GrantSubject, Group, GroupId, LinkId, LinkSecret, MemberId,
    PrincipalId, Result, Timestamp, Worker, WorkerId,
};
use futures_util::future::BoxFuture;

use crate::support::{experiment, other_experiment, row, time};

pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) run: fn(Database) -> BoxFuture<'static, ()>,
}

macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        pub(crate) const ALL: &[$crate::sharing::site::Case] = &[
            $($crate::sharing::site::Case {
                name: stringify!($name),
                run: |database| Box::pin($name(database)),
            }),*
        ];
    };
}
pub(super) use cases;

/// Long ago, by every clock.
pub(super) fn past() -> Timestamp {
    time(1_000_000_000)
}

pub(super) fn future() -> Timestamp {
    time(4_000_000_000)
}

pub(super) fn credential() -> CredentialHash {
    "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$hash"
        .parse()
        .unwrap()
}

/// Creates both experiments, and the artifacts 1 to 3 in the first one.
pub(super) async fn host(database: &Database) {
    for id in [experiment(), other_experiment()] {
        let new = Experiment::new(id, time(1));
        database.catalog.create_experiment(&new).await.unwrap();
    }
    for number in 1..=3 {
        database.catalog.insert(&row(number)).await.unwrap();
    }
}

pub(super) async fn register_in(database: &Database, experiment: ExperimentId) -> WorkerId {
    let worker = Worker::new(WorkerId::mint(), experiment, time(2), PrincipalId::Admin);
    let registered = database
        .identities
        .register_worker(&worker, &credential())
        .await;
    registered.unwrap();
    worker.id
}

pub(super) async fn register(database: &Database) -> WorkerId {
    register_in(database, experiment()).await
}

pub(super) async fn group_in(
    database: &Database,
    experiment: ExperimentId,
    members: &[MemberId],
) -> GroupId {
    let group = Group::new(GroupId::mint(), experiment, time(2), PrincipalId::Admin);
    let group = group.with_members(members.iter().copied());
    database.identities.create_group(&group).await.unwrap();
    group.id
}

pub(super) async fn group(database: &Database, members: &[MemberId]) -> GroupId {
    group_in(database, experiment(), members).await
}

pub(super) fn subject(number: u8) -> GrantSubject {
    GrantSubject::Artifact(row(number).id)
}

/// Returns a grant of an artifact.
pub(super) fn grant(number: u8, grantee: impl Into<MemberId>) -> AccessGrant {
    AccessGrant::new(
        GrantId::mint(),
        experiment(),
        subject(number),
        grantee.into(),
        time(3),
        PrincipalId::Admin,
    )
}

/// Writes a grant of an artifact, and returns its id.
pub(super) async fn share(
    database: &Database,
    number: u8,
    grantee: impl Into<MemberId>,
) -> GrantId {
    let grant = grant(number, grantee);
    database.sharing.insert_grant(&grant).await.unwrap();
    grant.id
}

pub(super) async fn may_read(database: &Database, number: u8, worker: WorkerId) -> bool {
    let sharing = &database.sharing;
    let granted = sharing
        .is_granted(&experiment(), &subject(number), worker)
        .await;
    granted.unwrap()
}

/// Creates an empty collection.
pub(super) async fn collection(database: &Database) -> CollectionId {
    let (id, owner) = (CollectionId::mint(), PrincipalId::Admin);
    let new = Collection::new(id, experiment(), owner, time(2));
    let created = database.collections.create_collection(&new).await;
    created.unwrap();
    id
}

/// Deposits an artifact under a name in a collection.
pub(super) async fn put(database: &Database, collection: CollectionId, name: &str, number: u8) {
    let (name, row) = (name.parse().unwrap(), row(number));
    let inserted = database
        .collections
        .insert_file(collection, &name, &row, None, None);
    inserted.await.unwrap();
}

/// Returns a grant of a collection.
pub(super) fn collection_grant(id: CollectionId, grantee: impl Into<MemberId>) -> AccessGrant {
    let mut grant = grant(1, grantee);
    grant.subject = GrantSubject::Collection(id);
    grant
}

/// Writes a grant of a collection, and returns its id.
pub(super) async fn share_collection(
    database: &Database,
    id: CollectionId,
    grantee: impl Into<MemberId>,
) -> GrantId {
    let grant = collection_grant(id, grantee);
    database.sharing.insert_grant(&grant).await.unwrap();
    grant.id
}

/// Returns whether a grant lets the worker read the collection itself.
pub(super) async fn may_list(database: &Database, id: CollectionId, worker: WorkerId) -> bool {
    let (sharing, subject) = (&database.sharing, GrantSubject::Collection(id));
    let granted = sharing.is_granted(&experiment(), &subject, worker).await;
    granted.unwrap()
}

/// Returns a link to an artifact that the administrator made.
pub(super) fn link(number: u8) -> AccessLink {
    link_by(number, PrincipalId::Admin)
}

pub(super) fn link_by(number: u8, maker: PrincipalId) -> AccessLink {
    AccessLink::new(
        LinkId::mint(),
        experiment(),
        row(number).id,
        time(3),
        maker,
        future(),
    )
}

pub(super) fn limited(link: AccessLink, max: u32) -> AccessLink {
    link.with_downloads(NonZeroU32::new(max), 0)
}

/// Writes a link, and returns its secret.
pub(super) async fn publish(database: &Database, link: &AccessLink) -> LinkSecret {
    let secret = LinkSecret::mint();
    let inserted = database.sharing.insert_link(link, &secret.digest()).await;
    inserted.unwrap();
    secret
}

/// Returns the link that a secret leads to.
pub(super) async fn find(database: &Database, secret: &LinkSecret) -> Option<AccessLink> {
    database.sharing.find_link(&secret.digest()).await.unwrap()
}

#[track_caller]
pub(super) fn assert_kind<T: std::fmt::Debug>(outcome: Result<T>, kind: ErrorKind) {
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
}

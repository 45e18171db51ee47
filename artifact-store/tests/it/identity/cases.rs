//! One case for each rule. Each gets an empty database.

use std::collections::BTreeMap;
use std::sync::Arc;

use artifact_store::{
    CredentialHash, Database, DisplayName, ErrorKind, Experiment, ExperimentId, Group, GroupId,
    IdentityStore, IdentityStoreExt, Labels, MemberId, PrincipalId, Result, Timestamp, Worker,
    WorkerId,
};
use futures_util::future::{BoxFuture, join_all};

use crate::support::{experiment, other_experiment, time};

pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) run: fn(Database) -> BoxFuture<'static, ()>,
}

macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        pub(crate) const ALL: &[Case] = &[
            $(Case { name: stringify!($name), run: |database| Box::pin($name(database)) }),*
        ];
    };
}
pub(super) use cases;

cases! {
    experiments_start_with_their_two_groups,
    workers_are_read_as_they_were_written,
    extreme_identity_fields_are_kept,
    workers_are_listed_by_time_and_filtered_by_exact_name,
    workers_are_never_replaced_and_need_their_experiment,
    reserved_names_are_rejected,
    replaced_credentials_are_invalid_at_once,
    credentials_keep_the_time_when_they_expire,
    deleted_workers_are_gone_with_their_credential,
    groups_are_read_with_their_members_in_order,
    groups_are_listed_by_time_and_filtered_by_exact_name,
    groups_are_never_replaced_and_need_their_experiment,
    adding_and_removing_a_member_is_idempotent,
    identities_of_other_experiments_are_not_found,
    founding_groups_stay,
    deleted_groups_stay_listed_as_members,
    members_of_admins_are_administrators,
    nested_membership_stays_in_one_experiment,
    groups_are_never_their_own_members,
    rejected_groups_leave_nothing,
    concurrent_edges_cannot_form_a_cycle,
    the_last_edge_of_a_concurrent_ring_is_rejected,
    concurrently_added_members_are_each_added_once,
    concurrent_reissues_leave_one_credential,
    concurrently_created_experiments_get_their_groups_once,
    rejected_writes_do_not_affect_others,
    dropped_writes_are_whole_or_nothing,
}

pub(super) fn worker() -> Worker {
    Worker::new(
        WorkerId::mint(),
        experiment(),
        time(100),
        PrincipalId::Admin,
    )
}

pub(super) fn group() -> Group {
    Group::new(GroupId::mint(), experiment(), time(100), PrincipalId::Admin)
}

pub(super) fn name(text: &str) -> DisplayName {
    text.parse().unwrap()
}

pub(super) fn credential(n: usize) -> CredentialHash {
    let phc = format!("$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$hash{n}");
    phc.parse().unwrap()
}

pub(super) fn kind<T: std::fmt::Debug>(outcome: Result<T>) -> ErrorKind {
    outcome.unwrap_err().kind()
}

/// Creates the experiment, and returns the identities.
pub(super) async fn hosted(database: &Database) -> Arc<dyn IdentityStore> {
    host(database, experiment()).await;
    Arc::clone(&database.identities)
}

async fn host(database: &Database, id: ExperimentId) {
    let founded = Experiment::new(id, time(1));
    database.catalog.create_experiment(&founded).await.unwrap();
}

/// Registers a worker with the credential 0.
async fn registered(identities: &dyn IdentityStore) -> WorkerId {
    let worker = worker();
    identities
        .register_worker(&worker, &credential(0))
        .await
        .unwrap();
    worker.id
}

/// Creates a group with these members.
async fn created(identities: &dyn IdentityStore, members: &[MemberId]) -> GroupId {
    let group = group().with_members(members.iter().copied());
    identities.create_group(&group).await.unwrap();
    group.id
}

async fn founding(identities: &dyn IdentityStore, id: &ExperimentId, called: &str) -> Group {
    let mut found = identities.groups(id, Some(&name(called))).await.unwrap();
    assert_eq!(found.len(), 1, "{called} of {id}");
    found.pop().unwrap()
}

async fn in_admins(identities: &dyn IdentityStore, id: WorkerId) -> bool {
    identities.credential(id).await.unwrap().unwrap().in_admins
}

async fn members(identities: &dyn IdentityStore, id: GroupId) -> Vec<MemberId> {
    identities
        .group(&experiment(), id)
        .await
        .unwrap()
        .unwrap()
        .members
}

async fn experiments_start_with_their_two_groups(database: Database) {
    let identities = hosted(&database).await;
    assert_eq!(
        identities.groups(&other_experiment(), None).await.unwrap(),
        []
    );
    for _ in 0..2 {
        for called in ["admins", "orchestrators"] {
            let found = founding(&*identities, &experiment(), called).await;
            let expected = Group::new(found.id, experiment(), time(1), PrincipalId::Admin);
            assert_eq!(found, expected.with_name(name(called)));
        }
        assert_eq!(
            identities.groups(&experiment(), None).await.unwrap().len(),
            2
        );
        // A second creation with a later time changes nothing.
        let again = Experiment::new(experiment(), time(50));
        database.catalog.create_experiment(&again).await.unwrap();
    }
    host(&database, other_experiment()).await;
    let here = founding(&*identities, &experiment(), "admins").await;
    let there = founding(&*identities, &other_experiment(), "admins").await;
    assert_ne!(here.id, there.id);
}

async fn workers_are_read_as_they_were_written(database: Database) {
    let identities = hosted(&database).await;
    let plain = worker();
    let map = [("a", "1"), ("", ""), ("Ünïcode", "\0\n\"")];
    let map: BTreeMap<_, _> = map
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
    let full = worker()
        .with_name(name("Köln 7"))
        .with_labels(Labels::try_from(map).unwrap());
    let empty = worker().with_labels(Labels::default());
    for (n, worker) in [&plain, &full, &empty].into_iter().enumerate() {
        identities
            .register_worker(worker, &credential(n))
            .await
            .unwrap();
    }
    for (n, worker) in [plain, full, empty].into_iter().enumerate() {
        let found = identities.worker(&experiment(), worker.id).await.unwrap();
        assert_eq!(found.as_ref(), Some(&worker));
        let stored = identities.credential(worker.id).await.unwrap().unwrap();
        assert_eq!(stored.experiment, experiment());
        assert_eq!(stored.hash, credential(n));
        assert!(!stored.in_admins);
    }
    let absent = WorkerId::mint();
    assert_eq!(
        identities.worker(&experiment(), absent).await.unwrap(),
        None
    );
    assert_eq!(identities.credential(absent).await.unwrap(), None);
}

async fn extreme_identity_fields_are_kept(database: Database) {
    let long: ExperimentId = "x".repeat(128).parse().unwrap();
    host(&database, long.clone()).await;
    let identities = database.identities;
    let longest = "𝔘".repeat(128);
    let phc = format!("$argon2id${}", "x".repeat(CredentialHash::MAX_LEN - 10));
    let external: PrincipalId = "'\u{1d518}\"\\".repeat(18).parse().unwrap();
    for (at, by) in [
        (Timestamp::MIN, WorkerId::mint().into()),
        (Timestamp::MAX, external),
    ] {
        let labels: BTreeMap<_, _> = [("k".repeat(1_000), "\0".repeat(3_096))].into();
        let worker = Worker::new(WorkerId::mint(), long.clone(), at, by.clone())
            .with_name(name(&longest))
            .with_labels(Labels::try_from(labels).unwrap());
        let hash: CredentialHash = phc.parse().unwrap();
        identities.register_worker(&worker, &hash).await.unwrap();
        let found = identities.worker(&long, worker.id).await.unwrap();
        assert_eq!(found, Some(worker.clone()));
        let stored = identities.credential(worker.id).await.unwrap().unwrap();
        assert_eq!(stored.hash, hash);

        let many = (0..2_000).map(|_| WorkerId::mint().into());
        let group = Group::new(GroupId::mint(), long.clone(), at, by)
            .with_name(name(&longest))
            .with_members(many);
        identities.create_group(&group).await.unwrap();
        assert_eq!(
            identities.group(&long, group.id).await.unwrap(),
            Some(group)
        );
    }
}

async fn workers_are_listed_by_time_and_filtered_by_exact_name(database: Database) {
    let identities = hosted(&database).await;
    let mut written = Vec::new();
    for (at, called) in [
        (3, "b"),
        (1, "a"),
        (2, "A"),
        (2, "a"),
        (1, "a ä"),
        (9, "a%"),
    ] {
        let worker = Worker::new(WorkerId::mint(), experiment(), time(at), PrincipalId::Admin);
        written.push(worker.with_name(name(called)));
    }
    written.push(worker());
    for worker in &written {
        identities
            .register_worker(worker, &credential(0))
            .await
            .unwrap();
    }
    written.sort_by_key(|worker| (worker.registered_at, worker.id));
    assert_eq!(
        identities.workers(&experiment(), None).await.unwrap(),
        written
    );
    for (called, many) in [("a", 2), ("A", 1), ("b", 1), ("a%", 1), ("%", 0), ("ä", 0)] {
        let filter = name(called);
        let expected = written
            .iter()
            .filter(|worker| worker.name.as_ref() == Some(&filter));
        let expected: Vec<_> = expected.cloned().collect();
        assert_eq!(expected.len(), many, "{called}");
        let found = identities
            .workers(&experiment(), Some(&filter))
            .await
            .unwrap();
        assert_eq!(found, expected, "{called}");
    }
}

async fn workers_are_never_replaced_and_need_their_experiment(database: Database) {
    let identities = hosted(&database).await;
    let first = worker();
    identities
        .register_worker(&first, &credential(1))
        .await
        .unwrap();
    let again = first.clone().with_name(name("another"));
    let mut elsewhere = first.clone();
    host(&database, other_experiment()).await;
    elsewhere.experiment = other_experiment();
    for again in [&first, &again, &elsewhere] {
        let outcome = identities.register_worker(again, &credential(2)).await;
        assert_eq!(kind(outcome), ErrorKind::AlreadyExists);
    }
    let stored = identities.credential(first.id).await.unwrap().unwrap();
    assert_eq!(stored.hash, credential(1));
    let found = identities.worker(&experiment(), first.id).await.unwrap();
    assert_eq!(found, Some(first));

    let mut homeless = worker();
    homeless.experiment = "nowhere".parse().unwrap();
    let outcome = identities.register_worker(&homeless, &credential(2)).await;
    assert_eq!(kind(outcome), ErrorKind::NotFound);
    assert_eq!(identities.credential(homeless.id).await.unwrap(), None);
}

async fn reserved_names_are_rejected(database: Database) {
    let identities = hosted(&database).await;
    for called in DisplayName::RESERVED_FOR_WORKERS {
        let outcome = identities
            .register_worker(&worker().with_name(name(called)), &credential(0))
            .await;
        assert_eq!(kind(outcome), ErrorKind::Reserved, "{called}");
        let fine = group().with_name(name(called));
        identities.create_group(&fine).await.unwrap();
    }
    for called in DisplayName::RESERVED_FOR_GROUPS {
        let outcome = identities
            .create_group(&group().with_name(name(called)))
            .await;
        assert_eq!(kind(outcome), ErrorKind::Reserved, "{called}");
        let fine = worker().with_name(name(called));
        identities
            .register_worker(&fine, &credential(0))
            .await
            .unwrap();
    }
    assert_eq!(
        identities.workers(&experiment(), None).await.unwrap().len(),
        2
    );
    assert_eq!(
        identities.groups(&experiment(), None).await.unwrap().len(),
        5
    );
}

async fn replaced_credentials_are_invalid_at_once(database: Database) {
    let identities = hosted(&database).await;
    let (id, other) = (
        registered(&*identities).await,
        registered(&*identities).await,
    );
    for n in [1, 2, 2] {
        identities
            .replace_credential(&experiment(), id, &credential(n))
            .await
            .unwrap();
        let stored = identities.credential(id).await.unwrap().unwrap();
        assert_eq!(stored.hash, credential(n));
    }
    let stored = identities.credential(other).await.unwrap().unwrap();
    assert_eq!(stored.hash, credential(0));
    let absent = identities
        .replace_credential(&experiment(), WorkerId::mint(), &credential(9))
        .await;
    assert_eq!(kind(absent), ErrorKind::NotFound);
}

async fn credentials_keep_the_time_when_they_expire(database: Database) {
    let identities = hosted(&database).await;
    let expiring = |n: u8| credential(n.into()).with_expires_at(time(7 + i64::from(n)));
    let one = worker();
    identities
        .register_worker(&one, &expiring(1))
        .await
        .unwrap();
    let stored = async || identities.credential(one.id).await.unwrap().unwrap().hash;
    assert_eq!(stored().await.expires_at(), Some(time(8)));
    for next in [expiring(2), credential(3), CredentialHash::revoked()] {
        identities
            .replace_credential(&experiment(), one.id, &next)
            .await
            .unwrap();
        assert_eq!(stored().await, next);
        assert_eq!(stored().await.expires_at(), next.expires_at());
    }
    assert!(stored().await.has_expired(Timestamp::UNIX_EPOCH));
}

async fn deleted_workers_are_gone_with_their_credential(database: Database) {
    let identities = hosted(&database).await;
    host(&database, other_experiment()).await;
    let (gone, kept) = (
        registered(&*identities).await,
        registered(&*identities).await,
    );
    let group = created(&*identities, &[gone.into()]).await;
    let elsewhere = identities.delete_worker(&other_experiment(), gone).await;
    assert_eq!(kind(elsewhere), ErrorKind::NotFound);
    assert!(identities.credential(gone).await.unwrap().is_some());

    identities.delete_worker(&experiment(), gone).await.unwrap();
    let again = identities.delete_worker(&experiment(), gone).await;
    assert_eq!(kind(again), ErrorKind::NotFound);
    assert_eq!(identities.credential(gone).await.unwrap(), None);
    assert_eq!(identities.worker(&experiment(), gone).await.unwrap(), None);
    let listed = identities.workers(&experiment(), None).await.unwrap();
    let listed: Vec<_> = listed.iter().map(|worker| worker.id).collect();
    assert_eq!(listed, [kept]);
    assert_eq!(members(&*identities, group).await, [gone.into()]);
    let replaced = identities
        .replace_credential(&experiment(), gone, &credential(1))
        .await;
    assert_eq!(kind(replaced), ErrorKind::NotFound);
}

async fn groups_are_read_with_their_members_in_order(database: Database) {
    let identities = hosted(&database).await;
    let (one, two) = (WorkerId::mint(), GroupId::mint());
    let many: Vec<MemberId> = vec![two.into(), one.into(), WorkerId::mint().into()];
    let written = group()
        .with_name(name("Köln"))
        .with_members([many[0], many[1], many[0], many[2], many[1]]);
    identities.create_group(&written).await.unwrap();
    let found = identities
        .group(&experiment(), written.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.members, many);
    assert_eq!(found, written);

    let empty = group();
    identities.create_group(&empty).await.unwrap();
    let found = identities.group(&experiment(), empty.id).await.unwrap();
    assert_eq!(found, Some(empty));
    assert_eq!(
        identities
            .group(&experiment(), GroupId::mint())
            .await
            .unwrap(),
        None
    );
}

async fn groups_are_listed_by_time_and_filtered_by_exact_name(database: Database) {
    let identities = hosted(&database).await;
    let mut written = Vec::new();
    for (at, called) in [(3, "b"), (1, "a"), (2, "A"), (2, "a"), (9, "a%")] {
        let group = Group::new(
            GroupId::mint(),
            experiment(),
            time(at + 10),
            PrincipalId::Admin,
        )
        .with_name(name(called))
        .with_members([WorkerId::mint().into(), WorkerId::mint().into()]);
        written.push(group);
    }
    written.push(group());
    for group in &written {
        identities.create_group(group).await.unwrap();
    }
    written.sort_by_key(|group| (group.created_at, group.id));
    let found = identities.groups(&experiment(), None).await.unwrap();
    // The two founding groups are as old as the experiment, so they come first.
    assert_eq!(found[2..], written);
    for (called, many) in [("a", 2), ("A", 1), ("a%", 1), ("%", 0)] {
        let filter = name(called);
        let expected = written
            .iter()
            .filter(|group| group.name.as_ref() == Some(&filter));
        let expected: Vec<_> = expected.cloned().collect();
        assert_eq!(expected.len(), many, "{called}");
        let found = identities
            .groups(&experiment(), Some(&filter))
            .await
            .unwrap();
        assert_eq!(found, expected, "{called}");
    }
}

async fn groups_are_never_replaced_and_need_their_experiment(database: Database) {
    let identities = hosted(&database).await;
    let first = group().with_members([WorkerId::mint().into()]);
    identities.create_group(&first).await.unwrap();
    let again = first.clone().with_members([WorkerId::mint().into()]);
    for again in [&first, &again] {
        let outcome = identities.create_group(again).await;
        assert_eq!(kind(outcome), ErrorKind::AlreadyExists);
    }
    let found = identities.group(&experiment(), first.id).await.unwrap();
    assert_eq!(found, Some(first));

    let mut homeless = group().with_members([WorkerId::mint().into()]);
    homeless.experiment = other_experiment();
    assert_eq!(
        kind(identities.create_group(&homeless).await),
        ErrorKind::NotFound
    );
    host(&database, other_experiment()).await;
    identities.create_group(&homeless).await.unwrap();
}

async fn adding_and_removing_a_member_is_idempotent(database: Database) {
    let identities = hosted(&database).await;
    let id = created(&*identities, &[]).await;
    let many: Vec<MemberId> = (0..3).map(|_| WorkerId::mint().into()).collect();
    for member in [many[0], many[1], many[0], many[2], many[1]] {
        identities
            .add_member(&experiment(), id, member)
            .await
            .unwrap();
    }
    assert_eq!(members(&*identities, id).await, many);
    for _ in 0..2 {
        identities
            .remove_member(&experiment(), id, many[0])
            .await
            .unwrap();
        assert_eq!(members(&*identities, id).await, many[1..]);
    }
    // It is appended after the others.
    identities
        .add_member(&experiment(), id, many[0])
        .await
        .unwrap();
    assert_eq!(members(&*identities, id).await, [many[1], many[2], many[0]]);

    let absent = GroupId::mint();
    let added = identities.add_member(&experiment(), absent, many[0]).await;
    assert_eq!(kind(added), ErrorKind::NotFound);
    let added = identities
        .add_member(&experiment(), absent, absent.into())
        .await;
    assert_eq!(kind(added), ErrorKind::NotFound);
    let removed = identities
        .remove_member(&experiment(), absent, many[0])
        .await;
    assert_eq!(kind(removed), ErrorKind::NotFound);
    assert_eq!(identities.group(&experiment(), absent).await.unwrap(), None);
}

async fn identities_of_other_experiments_are_not_found(database: Database) {
    let identities = hosted(&database).await;
    host(&database, other_experiment()).await;
    let (worker, other) = (registered(&*identities).await, other_experiment());
    let group = created(&*identities, &[worker.into()]).await;
    assert_eq!(identities.worker(&other, worker).await.unwrap(), None);
    assert_eq!(identities.workers(&other, None).await.unwrap(), []);
    assert_eq!(identities.group(&other, group).await.unwrap(), None);
    assert_eq!(identities.groups(&other, None).await.unwrap().len(), 2);
    let member = WorkerId::mint().into();
    let refused = [
        identities
            .replace_credential(&other, worker, &credential(1))
            .await,
        identities.add_member(&other, group, member).await,
        identities.remove_member(&other, group, worker.into()).await,
        identities.delete_group(&other, group).await,
    ];
    for outcome in refused {
        assert_eq!(kind(outcome), ErrorKind::NotFound);
    }
    assert_eq!(members(&*identities, group).await, [worker.into()]);
    let stored = identities.credential(worker).await.unwrap().unwrap();
    assert_eq!(stored.hash, credential(0));
}

async fn founding_groups_stay(database: Database) {
    let identities = hosted(&database).await;
    for called in DisplayName::RESERVED_FOR_GROUPS {
        let id = founding(&*identities, &experiment(), called).await.id;
        let member: MemberId = WorkerId::mint().into();
        identities
            .add_member(&experiment(), id, member)
            .await
            .unwrap();
        let deleted = identities.delete_group(&experiment(), id).await;
        assert_eq!(kind(deleted), ErrorKind::Reserved, "{called}");
        assert_eq!(members(&*identities, id).await, [member]);
    }
}

async fn deleted_groups_stay_listed_as_members(database: Database) {
    let identities = hosted(&database).await;
    let worker = registered(&*identities).await;
    let inner = created(&*identities, &[worker.into()]).await;
    let admins = founding(&*identities, &experiment(), "admins").await.id;
    identities
        .add_member(&experiment(), admins, inner.into())
        .await
        .unwrap();
    assert!(in_admins(&*identities, worker).await);

    identities.delete_group(&experiment(), inner).await.unwrap();
    assert_eq!(identities.group(&experiment(), inner).await.unwrap(), None);
    assert_eq!(members(&*identities, admins).await, [inner.into()]);
    assert!(!in_admins(&*identities, worker).await);
    let again = identities.delete_group(&experiment(), inner).await;
    assert_eq!(kind(again), ErrorKind::NotFound);
    let added = identities
        .add_member(&experiment(), inner, worker.into())
        .await;
    assert_eq!(kind(added), ErrorKind::NotFound);
}

async fn members_of_admins_are_administrators(database: Database) {
    let identities = hosted(&database).await;
    let admins = founding(&*identities, &experiment(), "admins").await.id;
    let run = founding(&*identities, &experiment(), "orchestrators")
        .await
        .id;
    let (direct, nested) = (
        registered(&*identities).await,
        registered(&*identities).await,
    );
    let (running, free) = (
        registered(&*identities).await,
        registered(&*identities).await,
    );
    // admins > outer > middle > inner > nested, and a second path to it.
    let inner = created(&*identities, &[nested.into()]).await;
    let middle = created(&*identities, &[inner.into(), WorkerId::mint().into()]).await;
    let outer = created(
        &*identities,
        &[GroupId::mint().into(), middle.into(), inner.into()],
    )
    .await;
    for (group, member) in [
        (admins, MemberId::from(direct)),
        (admins, outer.into()),
        (run, running.into()),
    ] {
        identities
            .add_member(&experiment(), group, member)
            .await
            .unwrap();
    }
    let all = [direct, nested, running, free];
    let mut found = Vec::new();
    for id in all {
        found.push(in_admins(&*identities, id).await);
    }
    assert_eq!(found, [true, true, false, false]);

    // Only the group with the name `admins` counts.
    let named = group()
        .with_name(name("Admins"))
        .with_members([free.into()]);
    identities.create_group(&named).await.unwrap();
    assert!(!in_admins(&*identities, free).await);

    identities
        .remove_member(&experiment(), outer, middle.into())
        .await
        .unwrap();
    assert!(in_admins(&*identities, nested).await, "by the second way");
    identities
        .remove_member(&experiment(), outer, inner.into())
        .await
        .unwrap();
    assert!(!in_admins(&*identities, nested).await);
    identities
        .remove_member(&experiment(), admins, direct.into())
        .await
        .unwrap();
    assert!(!in_admins(&*identities, direct).await);
}

async fn nested_membership_stays_in_one_experiment(database: Database) {
    let identities = hosted(&database).await;
    let other = other_experiment();
    host(&database, other.clone()).await;
    let worker = registered(&*identities).await;
    let admins = founding(&*identities, &experiment(), "admins").await.id;
    let other_admins = founding(&*identities, &other, "admins").await.id;

    // The other experiment's admins list it, but it is not an administrator.
    identities
        .add_member(&other, other_admins, worker.into())
        .await
        .unwrap();
    assert!(!in_admins(&*identities, worker).await);
    // Neither through a group of the other experiment in its own admins.
    let mut through = group().with_members([worker.into()]);
    through.experiment = other.clone();
    identities.create_group(&through).await.unwrap();
    identities
        .add_member(&experiment(), admins, through.id.into())
        .await
        .unwrap();
    assert!(!in_admins(&*identities, worker).await);
    assert_eq!(members(&*identities, admins).await, [through.id.into()]);
    // Neither if the first step upward is in its own experiment and the second is not.
    let inner = created(&*identities, &[worker.into()]).await;
    identities
        .add_member(&other, through.id, inner.into())
        .await
        .unwrap();
    assert!(!in_admins(&*identities, worker).await);
    // Two groups of different experiments in each other are not a cycle.
    identities
        .add_member(&other, through.id, admins.into())
        .await
        .unwrap();
    assert!(!in_admins(&*identities, worker).await);
}

async fn groups_are_never_their_own_members(database: Database) {
    let identities = hosted(&database).await;
    let inner = created(&*identities, &[]).await;
    let middle = created(&*identities, &[inner.into()]).await;
    let outer = created(&*identities, &[middle.into(), inner.into()]).await;
    for (group, member) in [
        (inner, inner),
        (inner, middle),
        (inner, outer),
        (middle, outer),
    ] {
        let added = identities
            .add_member(&experiment(), group, member.into())
            .await;
        assert_eq!(kind(added), ErrorKind::Cycle);
    }
    assert_eq!(members(&*identities, inner).await, []);
    assert_eq!(members(&*identities, middle).await, [inner.into()]);
    // Two paths to one group are not a cycle.
    let side = created(&*identities, &[inner.into()]).await;
    identities
        .add_member(&experiment(), outer, side.into())
        .await
        .unwrap();
    // After the removal of one edge, the reverse edge is allowed.
    identities
        .remove_member(&experiment(), middle, inner.into())
        .await
        .unwrap();
    identities
        .add_member(&experiment(), inner, middle.into())
        .await
        .unwrap();
    let added = identities
        .add_member(&experiment(), middle, inner.into())
        .await;
    assert_eq!(kind(added), ErrorKind::Cycle);
}

async fn rejected_groups_leave_nothing(database: Database) {
    let identities = hosted(&database).await;
    let late = group();
    let inner = created(&*identities, &[late.id.into()]).await;
    let worker = registered(&*identities).await;
    for closing in [late.id, inner] {
        let written = late.clone().with_members([worker.into(), closing.into()]);
        let outcome = identities.create_group(&written).await;
        assert_eq!(kind(outcome), ErrorKind::Cycle);
        assert_eq!(
            identities.group(&experiment(), late.id).await.unwrap(),
            None
        );
    }
    let written = late.with_members([worker.into()]);
    identities.create_group(&written).await.unwrap();
    let found = identities.group(&experiment(), written.id).await.unwrap();
    assert_eq!(found, Some(written));
}

async fn add(identities: Arc<dyn IdentityStore>, group: GroupId, member: GroupId) -> Result<()> {
    let adding = async move {
        identities
            .add_member(&experiment(), group, member.into())
            .await
    };
    tokio::spawn(adding).await.unwrap()
}

async fn concurrent_edges_cannot_form_a_cycle(database: Database) {
    let identities = hosted(&database).await;
    for round in 0..20 {
        let (one, two) = (
            created(&*identities, &[]).await,
            created(&*identities, &[]).await,
        );
        let both = join_all([
            add(Arc::clone(&identities), one, two),
            add(Arc::clone(&identities), two, one),
        ]);
        let (done, refused): (Vec<_>, Vec<_>) = both.await.into_iter().partition(Result::is_ok);
        assert_eq!((done.len(), refused.len()), (1, 1), "round {round}");
        for outcome in refused {
            assert_eq!(kind(outcome), ErrorKind::Cycle);
        }
        let edges = members(&*identities, one).await.len() + members(&*identities, two).await.len();
        assert_eq!(edges, 1, "round {round}");
    }
}

async fn the_last_edge_of_a_concurrent_ring_is_rejected(database: Database) {
    let identities = hosted(&database).await;
    for round in 0..10 {
        let mut ring = Vec::new();
        for _ in 0..12 {
            ring.push(created(&*identities, &[]).await);
        }
        let next = ring.iter().skip(1).chain(&ring[..1]);
        let adding = ring.iter().zip(next);
        let adding = adding.map(|(group, member)| add(Arc::clone(&identities), *group, *member));
        let mut refused = 0;
        for outcome in join_all(adding).await {
            if outcome.is_err() {
                assert_eq!(kind(outcome), ErrorKind::Cycle);
                refused += 1;
            }
        }
        assert_eq!(refused, 1, "round {round}");
    }
}

async fn concurrently_added_members_are_each_added_once(database: Database) {
    let identities = hosted(&database).await;
    let id = created(&*identities, &[]).await;
    let mut all: Vec<MemberId> = (0..16).map(|_| WorkerId::mint().into()).collect();
    let adding = all.iter().chain(&all).map(|member| {
        let (identities, member) = (Arc::clone(&identities), *member);
        tokio::spawn(async move { identities.add_member(&experiment(), id, member).await })
    });
    for outcome in join_all(adding).await {
        outcome.unwrap().unwrap();
    }
    let mut found = members(&*identities, id).await;
    found.sort_unstable();
    all.sort_unstable();
    assert_eq!(found, all);
}

async fn concurrent_reissues_leave_one_credential(database: Database) {
    let identities = hosted(&database).await;
    let id = registered(&*identities).await;
    let reissuing = (1..=16).map(|n| {
        let identities = Arc::clone(&identities);
        let replaced = async move {
            let hash = credential(n);
            identities
                .replace_credential(&experiment(), id, &hash)
                .await
        };
        tokio::spawn(replaced)
    });
    for outcome in join_all(reissuing).await {
        outcome.unwrap().unwrap();
    }
    let left = identities.credential(id).await.unwrap().unwrap().hash;
    assert!((1..=16).any(|n| left == credential(n)));
}

async fn concurrently_created_experiments_get_their_groups_once(database: Database) {
    let creating = (0..8).map(|n| {
        let rows = Arc::clone(&database.catalog);
        let founded = Experiment::new(experiment(), time(n));
        tokio::spawn(async move { rows.create_experiment(&founded).await })
    });
    let mut found = Vec::new();
    for outcome in join_all(creating).await {
        found.push(outcome.unwrap().unwrap());
    }
    found.dedup();
    assert_eq!(found.len(), 1);
    let groups = database
        .identities
        .groups(&experiment(), None)
        .await
        .unwrap();
    assert_eq!(groups.len(), 2);
    assert!(
        groups
            .iter()
            .all(|group| group.created_at == found[0].created_at)
    );
}

async fn rejected_writes_do_not_affect_others(database: Database) {
    let identities = hosted(&database).await;
    let taken = registered(&*identities).await;
    let closed = created(&*identities, &[]).await;
    let all = (0..32).map(|n| {
        let identities = Arc::clone(&identities);
        let writing = async move {
            match n % 4 {
                0 => {
                    let mut again = worker();
                    again.id = taken;
                    let outcome = identities.register_worker(&again, &credential(9)).await;
                    assert_eq!(kind(outcome), ErrorKind::AlreadyExists);
                }
                1 => {
                    let outcome = identities
                        .add_member(&experiment(), closed, closed.into())
                        .await;
                    assert_eq!(kind(outcome), ErrorKind::Cycle);
                }
                2 => {
                    let written = group().with_members([closed.into(), taken.into()]);
                    identities.create_group(&written).await.unwrap();
                    let found = identities.group(&experiment(), written.id).await.unwrap();
                    assert_eq!(found, Some(written));
                }
                _ => {
                    let id = registered(&*identities).await;
                    assert!(identities.credential(id).await.unwrap().is_some());
                }
            }
        };
        tokio::spawn(writing)
    });
    for outcome in join_all(all).await {
        outcome.unwrap();
    }
    assert_eq!(
        identities.workers(&experiment(), None).await.unwrap().len(),
        9
    );
    assert_eq!(
        identities.groups(&experiment(), None).await.unwrap().len(),
        2 + 1 + 8
    );
}

async fn dropped_writes_are_whole_or_nothing(database: Database) {
    let identities = hosted(&database).await;
    for _ in 0..8 {
        let written = group().with_members((0..20).map(|_| WorkerId::mint().into()));
        {
            let mut writing = Box::pin(identities.create_group(&written));
            let _ = crate::support::poll_once(writing.as_mut());
        }
        // Writes are executed in their order, so the dropped one is decided by now.
        registered(&*identities).await;
        let found = identities.group(&experiment(), written.id).await.unwrap();
        assert!(
            found.is_none() || found.as_ref() == Some(&written),
            "{found:?}"
        );
        let again = identities.group(&experiment(), written.id).await.unwrap();
        assert_eq!(again, found);
    }
}

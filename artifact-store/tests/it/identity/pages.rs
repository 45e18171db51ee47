//! Cases about long lists and large groups. Each gets an empty database.

use std::collections::BTreeMap;

use artifact_store::{
    Database, ErrorKind, Group, GroupId, IdentityStore, IdentityStoreExt, Labels, ListPosition,
    MemberId, Page, PrincipalId, Worker, WorkerId,
};
use futures_util::future::try_join_all;

use super::cases::{Case, cases, credential, group, hosted, kind, name, worker};
use crate::support::{experiment, other_experiment, time};

cases! {
    workers_are_read_in_pages,
    pages_of_workers_with_large_labels_are_shorter,
    names_are_found_in_long_lists,
    groups_are_read_in_pages,
    lists_that_change_between_two_pages_repeat_nothing,
    large_groups_are_created_whole,
    large_groups_are_cycle_checked,
    groups_have_a_bounded_number_of_members,
}

async fn worker_pages(identities: &dyn IdentityStore) -> Vec<Page<Worker>> {
    let mut pages = Vec::new();
    let mut next = Some(ListPosition::START);
    while let Some(after) = next.take() {
        let page = identities.worker_page(&experiment(), None, &after).await;
        let page = page.unwrap();
        next.clone_from(&page.next);
        pages.push(page);
    }
    pages
}

async fn group_pages(identities: &dyn IdentityStore) -> Vec<Page<Group>> {
    let mut pages = Vec::new();
    let mut next = Some(ListPosition::START);
    while let Some(after) = next.take() {
        let page = identities.group_page(&experiment(), None, &after).await;
        let page = page.unwrap();
        next.clone_from(&page.next);
        pages.push(page);
    }
    pages
}

/// Registers `count` workers, of which several have the same time.
async fn register(identities: &dyn IdentityStore, count: usize) -> Vec<Worker> {
    let workers = (0..count).map(|n| {
        let at = time(i64::try_from(n % 7).unwrap());
        Worker::new(WorkerId::mint(), experiment(), at, PrincipalId::Admin)
    });
    let mut workers: Vec<_> = workers.collect();
    register_all(identities, &workers).await;
    workers.sort_by_key(|worker| (worker.registered_at, worker.id));
    workers
}

/// Registers workers, a few at the same time.
async fn register_all(identities: &dyn IdentityStore, workers: &[Worker]) {
    let hash = credential(0);
    for some in workers.chunks(16) {
        let registering = some
            .iter()
            .map(|worker| identities.register_worker(worker, &hash));
        try_join_all(registering).await.unwrap();
    }
}

/// Creates groups, a few at the same time.
async fn create(identities: &dyn IdentityStore, groups: &[Group]) {
    for some in groups.chunks(16) {
        let creating = some.iter().map(|group| identities.create_group(group));
        try_join_all(creating).await.unwrap();
    }
}

fn members(count: usize) -> Vec<MemberId> {
    (0..count).map(|_| WorkerId::mint().into()).collect()
}

async fn workers_are_read_in_pages(database: Database) {
    let identities = hosted(&database).await;
    let written = register(&*identities, 600).await;
    let pages = worker_pages(&*identities).await;
    let sizes: Vec<_> = pages.iter().map(|page| page.records.len()).collect();
    assert!(sizes.iter().all(|size| *size <= 256), "{sizes:?}");
    assert_eq!(sizes.len(), 3, "{sizes:?}");
    assert!(pages.iter().all(|page| page.unreadable == 0));
    let found: Vec<_> = pages.into_iter().flat_map(|page| page.records).collect();
    assert_eq!(found, written);
    let found = identities.workers(&experiment(), None).await.unwrap();
    assert_eq!(found, written);
    let elsewhere = identities.workers(&other_experiment(), None).await;
    assert_eq!(elsewhere.unwrap(), []);
}

async fn pages_of_workers_with_large_labels_are_shorter(database: Database) {
    let identities = hosted(&database).await;
    let labels = BTreeMap::from([("k".to_owned(), "v".repeat(Labels::MAX_BYTES - 1))]);
    let labels = Labels::try_from(labels).unwrap();
    let mut written: Vec<_> = (0..300)
        .map(|_| worker().with_labels(labels.clone()))
        .collect();
    register_all(&*identities, &written).await;
    written.sort_by_key(|worker| worker.id);
    let pages = worker_pages(&*identities).await;
    for page in &pages {
        let count = page.records.len() * Labels::MAX_BYTES;
        assert!(count <= 256 << 10, "{} workers", page.records.len());
    }
    let found: Vec<_> = pages.into_iter().flat_map(|page| page.records).collect();
    assert!(found == written);
}

async fn names_are_found_in_long_lists(database: Database) {
    let identities = hosted(&database).await;
    register(&*identities, 300).await;
    let named = worker().with_name(name("rare"));
    let hash = credential(0);
    identities.register_worker(&named, &hash).await.unwrap();
    register(&*identities, 300).await;
    let rare = name("rare");
    let found = identities.workers(&experiment(), Some(&rare)).await;
    assert_eq!(found.unwrap(), [named]);
    let absent = name("absent");
    let found = identities.workers(&experiment(), Some(&absent)).await;
    assert_eq!(found.unwrap(), []);
    let found = identities
        .groups(&experiment(), Some(&name("admins")))
        .await;
    assert_eq!(found.unwrap().len(), 1);
}

async fn groups_are_read_in_pages(database: Database) {
    let identities = hosted(&database).await;
    let founding = identities.groups(&experiment(), None).await.unwrap();
    let mut written = Vec::new();
    // Groups with more members than a page has rows, at several places, and at the end.
    for (n, count) in [1500, 0, 5, 1023, 1024, 1025, 0, 0, 2500]
        .into_iter()
        .chain((0..300).map(|n| n % 9))
        .chain([1024])
        .enumerate()
    {
        let at = time(i64::try_from(n / 3).unwrap() + 10);
        let group = Group::new(GroupId::mint(), experiment(), at, PrincipalId::Admin);
        written.push(group.with_members(members(count)));
    }
    create(&*identities, &written).await;
    written.sort_by_key(|group| (group.created_at, group.id));
    let pages = group_pages(&*identities).await;
    for page in &pages {
        let rows = page.records.iter().map(|group| group.members.len());
        let largest = rows.clone().max().unwrap_or(0);
        let rows: usize = rows.sum();
        assert!(
            rows <= 1024 + largest,
            "{rows} rows, {largest} of one group"
        );
    }
    assert!(pages.len() >= 5, "{} pages", pages.len());
    let found: Vec<_> = pages.into_iter().flat_map(|page| page.records).collect();
    assert_eq!(found.len(), founding.len() + written.len());
    assert!(found[founding.len()..] == written);
    let found = identities.groups(&experiment(), None).await.unwrap();
    assert!(found[founding.len()..] == written);
    for group in &written {
        let found = identities.group(&experiment(), group.id).await.unwrap();
        assert!(found.as_ref() == Some(group));
    }
}

async fn lists_that_change_between_two_pages_repeat_nothing(database: Database) {
    let identities = hosted(&database).await;
    let mut written = Vec::new();
    for n in 0..1100 {
        let group = Group::new(GroupId::mint(), experiment(), time(n), PrincipalId::Admin);
        written.push(group.with_members(members(1)));
    }
    create(&*identities, &written).await;
    let experiment = experiment();
    let first = identities
        .group_page(&experiment, None, &ListPosition::START)
        .await
        .unwrap();
    let after = first.next.unwrap();
    let mut seen = first.records;
    let last_seen = seen.last().unwrap().clone();
    // The group at the position goes, one after it goes, one before it and one after it come, and a member
    // of a group that was listed moves to its end.
    for id in [last_seen.id, written[1050].id] {
        identities.delete_group(&experiment, id).await.unwrap();
    }
    let early = Group::new(
        GroupId::mint(),
        experiment.clone(),
        time(0),
        PrincipalId::Admin,
    );
    let late = group().with_members(members(2));
    let late = Group::new(late.id, experiment.clone(), time(5_000), PrincipalId::Admin)
        .with_members(late.members);
    for group in [&early, &late] {
        identities.create_group(group).await.unwrap();
    }
    let mut next = Some(after);
    while let Some(after) = next {
        let page = identities.group_page(&experiment, None, &after).await;
        let page = page.unwrap();
        seen.extend(page.records);
        next = page.next;
    }
    let ids: Vec<_> = seen.iter().map(|group| group.id).collect();
    assert!(ids.contains(&late.id) && ids.contains(&last_seen.id));
    assert!(!ids.contains(&early.id) && !ids.contains(&written[1050].id));
    for group in &written {
        let count = ids.iter().filter(|id| **id == group.id).count();
        let expected = usize::from(group.id != written[1050].id);
        assert_eq!(count, expected, "{}", group.id);
    }
}

async fn large_groups_are_created_whole(database: Database) {
    let identities = hosted(&database).await;
    let many = members(10_000);
    let mut twice = many.clone();
    twice.extend(many.iter().rev());
    let large = group().with_members(twice);
    assert_eq!(large.members.len(), 10_000);
    identities.create_group(&large).await.unwrap();
    let found = identities.group(&experiment(), large.id).await.unwrap();
    assert!(found.as_ref() == Some(&large));
    // Members are appended after those that it has, also after one was removed in the middle.
    let (gone, new) = (many[5_000], members(1)[0]);
    identities
        .remove_member(&experiment(), large.id, gone)
        .await
        .unwrap();
    for member in [new, gone, many[0]] {
        identities
            .add_member(&experiment(), large.id, member)
            .await
            .unwrap();
    }
    let mut expected = many;
    expected.remove(5_000);
    expected.extend([new, gone]);
    let found = identities.group(&experiment(), large.id).await.unwrap();
    assert!(found.unwrap().members == expected);
    identities
        .delete_group(&experiment(), large.id)
        .await
        .unwrap();
    let found = identities.group(&experiment(), large.id).await.unwrap();
    assert_eq!(found, None);
}

async fn large_groups_are_cycle_checked(database: Database) {
    let identities = hosted(&database).await;
    let inner: Vec<_> = (0..200).map(|_| GroupId::mint()).collect();
    let outer = group();
    // Each inner group contains the outer one before either exists.
    let containing = inner.iter().map(|id| {
        let group = Group::new(*id, experiment(), time(100), PrincipalId::Admin);
        group.with_members([outer.id.into()])
    });
    create(&*identities, &containing.collect::<Vec<_>>()).await;
    let others = (0..2_000).map(|_| MemberId::from(GroupId::mint()));
    let others: Vec<_> = others.collect();
    for closing in [inner[0], inner[199], outer.id] {
        let all = others.iter().copied().chain([closing.into()]);
        let outcome = identities
            .create_group(&outer.clone().with_members(all))
            .await;
        assert_eq!(kind(outcome), ErrorKind::Cycle);
        let found = identities.group(&experiment(), outer.id).await.unwrap();
        assert_eq!(found, None);
    }
    let fine = outer.with_members(others);
    identities.create_group(&fine).await.unwrap();
    let outcome = identities
        .add_member(&experiment(), fine.id, inner[7].into())
        .await;
    assert_eq!(kind(outcome), ErrorKind::Cycle);
    let found = identities.group(&experiment(), fine.id).await.unwrap();
    assert!(found == Some(fine));
}

async fn groups_have_a_bounded_number_of_members(database: Database) {
    let identities = hosted(&database).await;
    let many = members(Group::MAX_MEMBERS + 1);
    let large = group().with_members(many.iter().copied());
    let outcome = identities.create_group(&large).await;
    assert_eq!(kind(outcome), ErrorKind::TooLarge);
    let found = identities.group(&experiment(), large.id).await.unwrap();
    assert_eq!(found, None);

    let (last, rest) = many.split_last().unwrap();
    let full = large.with_members(rest.iter().copied());
    identities.create_group(&full).await.unwrap();
    let added = identities.add_member(&experiment(), full.id, *last).await;
    assert_eq!(kind(added), ErrorKind::TooLarge);
    // A member that it has is no change.
    identities
        .add_member(&experiment(), full.id, rest[3])
        .await
        .unwrap();
    identities
        .remove_member(&experiment(), full.id, rest[3])
        .await
        .unwrap();
    identities
        .add_member(&experiment(), full.id, *last)
        .await
        .unwrap();
    let added = identities.add_member(&experiment(), full.id, rest[3]).await;
    assert_eq!(kind(added), ErrorKind::TooLarge);
    let found = identities.group(&experiment(), full.id).await.unwrap();
    let mut expected = rest.to_vec();
    expected.remove(3);
    expected.push(*last);
    assert!(found.unwrap().members == expected);
}

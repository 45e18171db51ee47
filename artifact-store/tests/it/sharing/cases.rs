//! One case for each rule of grants. Each gets an empty database.

use std::collections::BTreeSet;

use artifact_store::{Database, ErrorKind, GrantId, GroupId, PrincipalId, Removal, WorkerId};
use futures_util::{StreamExt as _, stream};

use super::site::{
    assert_kind, cases, future, grant, group, group_in, host, may_read, past, register,
    register_in, share, subject,
};
use crate::support::{experiment, other_experiment, row};

cases! {
    a_grant_counts_for_its_worker_alone,
    a_grant_to_a_group_counts_for_direct_and_nested_members,
    groups_of_other_experiments_contribute_no_members,
    expired_grants_do_not_count_and_are_not_found,
    revoked_grants_count_no_more,
    a_grant_needs_its_artifact_and_its_grantee,
    a_second_grant_to_a_grantee_takes_the_place_of_the_first,
    grants_go_with_their_artifact,
    grants_go_with_their_grantee,
    grants_are_read_as_they_were_written_in_pages,
    an_artifact_has_at_most_a_thousand_grants,
    ended_grants_are_forgotten_in_steps,
}

async fn a_grant_counts_for_its_worker_alone(database: Database) {
    host(&database).await;
    let [one, other] = [register(&database).await, register(&database).await];
    assert!(!may_read(&database, 1, one).await);
    share(&database, 1, one).await;
    assert!(may_read(&database, 1, one).await);
    assert!(!may_read(&database, 1, other).await);
    assert!(!may_read(&database, 2, one).await, "another artifact");
    let sharing = &database.sharing;
    let elsewhere = sharing
        .is_granted(&other_experiment(), &subject(1), one)
        .await;
    assert!(!elsewhere.unwrap(), "as a worker of another experiment");
    let unknown = WorkerId::mint();
    assert!(!may_read(&database, 1, unknown).await);
}

async fn a_grant_to_a_group_counts_for_direct_and_nested_members(database: Database) {
    host(&database).await;
    let [direct, nested, other] = [
        register(&database).await,
        register(&database).await,
        register(&database).await,
    ];
    let innermost = group(&database, &[nested.into()]).await;
    let inner = group(&database, &[innermost.into()]).await;
    let outer = group(&database, &[direct.into(), inner.into()]).await;
    group(&database, &[outer.into(), other.into()]).await;
    share(&database, 1, outer).await;
    assert!(may_read(&database, 1, direct).await);
    assert!(may_read(&database, 1, nested).await);
    assert!(!may_read(&database, 1, other).await, "only above the group");

    let identities = &database.identities;
    let removed = identities
        .remove_member(&experiment(), inner, innermost.into())
        .await;
    removed.unwrap();
    assert!(!may_read(&database, 1, nested).await);
    let added = identities
        .add_member(&experiment(), outer, other.into())
        .await;
    added.unwrap();
    assert!(may_read(&database, 1, other).await);
}

async fn groups_of_other_experiments_contribute_no_members(database: Database) {
    host(&database).await;
    let worker = register(&database).await;
    let elsewhere = group_in(&database, other_experiment(), &[worker.into()]).await;
    let here = group(&database, &[elsewhere.into()]).await;
    share(&database, 1, here).await;
    assert!(!may_read(&database, 1, worker).await);
    assert_kind(
        database.sharing.insert_grant(&grant(1, elsewhere)).await,
        ErrorKind::NotFound,
    );
}

async fn expired_grants_do_not_count_and_are_not_found(database: Database) {
    host(&database).await;
    let worker = register(&database).await;
    let sharing = &database.sharing;
    let expired = grant(1, worker).with_expires_at(past());
    sharing.insert_grant(&expired).await.unwrap();
    assert!(!may_read(&database, 1, worker).await);
    let listed = sharing.grants(&subject(1), None, 10).await.unwrap();
    assert_eq!(listed, []);
    let deleted = sharing.delete_grant(&subject(1), expired.id).await;
    assert_kind(deleted, ErrorKind::NotFound);

    let current = grant(2, worker).with_expires_at(future());
    sharing.insert_grant(&current).await.unwrap();
    assert!(may_read(&database, 2, worker).await);
    assert_eq!(
        sharing.grants(&subject(2), None, 10).await.unwrap(),
        [current]
    );
}

async fn revoked_grants_count_no_more(database: Database) {
    host(&database).await;
    let worker = register(&database).await;
    let above = group(&database, &[worker.into()]).await;
    let sharing = &database.sharing;
    let [to_worker, to_group] = [
        share(&database, 1, worker).await,
        share(&database, 1, above).await,
    ];
    let of_another = sharing.delete_grant(&subject(2), to_worker).await;
    assert_kind(of_another, ErrorKind::NotFound);
    sharing.delete_grant(&subject(1), to_worker).await.unwrap();
    assert!(may_read(&database, 1, worker).await, "by its group");
    sharing.delete_grant(&subject(1), to_group).await.unwrap();
    assert!(!may_read(&database, 1, worker).await);
    for id in [to_worker, to_group, GrantId::mint()] {
        let again = sharing.delete_grant(&subject(1), id).await;
        assert_kind(again, ErrorKind::NotFound);
    }
}

async fn a_grant_needs_its_artifact_and_its_grantee(database: Database) {
    host(&database).await;
    let worker = register(&database).await;
    let foreign = register_in(&database, other_experiment()).await;
    let inventory = &database.inventory;
    assert_eq!(inventory.remove(row(3).id).await.unwrap(), Removal::Removed);
    let mut of_another = grant(1, foreign);
    of_another.experiment = other_experiment();
    let sharing = &database.sharing;
    for refused in [
        grant(9, worker),
        grant(3, worker),
        of_another,
        grant(1, WorkerId::mint()),
        grant(1, foreign),
        grant(1, GroupId::mint()),
    ] {
        let outcome = sharing.insert_grant(&refused).await;
        assert_kind(outcome, ErrorKind::NotFound);
    }
    // A grant before its artifact would count from the deposit on.
    database.catalog.insert(&row(9)).await.unwrap();
    assert!(!may_read(&database, 9, worker).await);
    for number in [1, 9] {
        assert_eq!(
            sharing.grants(&subject(number), None, 10).await.unwrap(),
            []
        );
    }
}

async fn a_second_grant_to_a_grantee_takes_the_place_of_the_first(database: Database) {
    host(&database).await;
    let worker = register(&database).await;
    let sharing = &database.sharing;
    let first = share(&database, 1, worker).await;
    let second = grant(1, worker).with_expires_at(future());
    sharing.insert_grant(&second).await.unwrap();
    let deleted = sharing.delete_grant(&subject(1), first).await;
    assert_kind(deleted, ErrorKind::NotFound);
    let listed = sharing.grants(&subject(1), None, 10).await.unwrap();
    assert_eq!(listed, [second]);
    let third = grant(1, worker).with_expires_at(past());
    sharing.insert_grant(&third).await.unwrap();
    assert!(!may_read(&database, 1, worker).await);
}

async fn grants_go_with_their_artifact(database: Database) {
    host(&database).await;
    let worker = register(&database).await;
    let mut expired = row(4);
    expired.expires_at = Some(past());
    database.catalog.insert(&expired).await.unwrap();
    for number in 1..=4 {
        share(&database, number, worker).await;
    }
    let inventory = &database.inventory;
    inventory.remove(row(1).id).await.unwrap();
    database.catalog.delete(row(2).id).await.unwrap();
    let removal = inventory.remove_expired(row(4).id).await.unwrap();
    assert_eq!(removal, Some(Removal::Removed));
    for number in 1..=4 {
        assert_eq!(may_read(&database, number, worker).await, number == 3);
    }
}

async fn grants_go_with_their_grantee(database: Database) {
    host(&database).await;
    let [one, other] = [register(&database).await, register(&database).await];
    let above = group(&database, &[other.into()]).await;
    share(&database, 1, one).await;
    share(&database, 1, above).await;
    let identities = &database.identities;
    identities.delete_worker(&experiment(), one).await.unwrap();
    assert!(!may_read(&database, 1, one).await);
    assert!(may_read(&database, 1, other).await);
    identities.delete_group(&experiment(), above).await.unwrap();
    assert!(!may_read(&database, 1, other).await);
    let listed = database.sharing.grants(&subject(1), None, 10).await;
    assert_eq!(listed.unwrap(), []);
}

async fn grants_are_read_as_they_were_written_in_pages(database: Database) {
    host(&database).await;
    let mut written = Vec::new();
    for number in 0..5 {
        let worker = register(&database).await;
        let mut grant = grant(1, worker);
        if number % 2 == 0 {
            grant = grant.with_expires_at(future());
            grant.created_by = PrincipalId::Worker(worker);
        }
        database.sharing.insert_grant(&grant).await.unwrap();
        written.push(grant);
    }
    written.sort_by_key(|grant| grant.id);
    let (mut read, mut after) = (Vec::new(), None);
    loop {
        let page = database
            .sharing
            .grants(&subject(1), after, 2)
            .await
            .unwrap();
        assert!(page.len() <= 2);
        let is_last = page.len() < 2;
        after = page.last().map(|grant| grant.id).or(after);
        read.extend(page);
        if is_last {
            break;
        }
    }
    assert_eq!(read, written);
    let one = database.sharing.grants(&subject(1), None, 0).await.unwrap();
    assert_eq!(one, written[..1], "a limit is clamped");
}

async fn an_artifact_has_at_most_a_thousand_grants(database: Database) {
    host(&database).await;
    let database = &database;
    let workers: Vec<_> = stream::iter(0..1_001)
        .map(|_| register(database))
        .buffer_unordered(8)
        .collect()
        .await;
    let sharing = &database.sharing;
    let expired = grant(1, workers[0]).with_expires_at(past());
    sharing.insert_grant(&expired).await.unwrap();
    stream::iter(&workers[1..])
        .for_each_concurrent(8, async |worker| {
            share(database, 1, *worker).await;
        })
        .await;
    let refused = sharing.insert_grant(&grant(1, workers[0])).await;
    assert_kind(refused, ErrorKind::TooLarge);
    share(database, 1, workers[1]).await;
    let listed = sharing.grants(&subject(1), None, 5_000).await.unwrap();
    let granted: BTreeSet<_> = listed.iter().map(|grant| grant.grantee).collect();
    assert_eq!(granted.len(), 1_000);
}

async fn ended_grants_are_forgotten_in_steps(database: Database) {
    host(&database).await;
    let sharing = &database.sharing;
    let kept = register(&database).await;
    share(&database, 1, kept).await;
    for number in [1, 2, 3] {
        let worker = register(&database).await;
        let expired = grant(number, worker).with_expires_at(past());
        sharing.insert_grant(&expired).await.unwrap();
    }
    for forgotten in [2, 1, 0] {
        assert_eq!(sharing.forget_shares(2).await.unwrap(), forgotten);
    }
    assert!(may_read(&database, 1, kept).await);
}

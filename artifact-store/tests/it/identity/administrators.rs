//! The contract of `AdministratorStore`, one case for each rule.

use std::collections::BTreeSet;

use artifact_store::{
    Administrator, AdministratorId, AdministratorStoreExt as _, CredentialHash, Database,
    ErrorKind, IdentityStore, ListPosition, PrincipalId, WorkerId,
};
use futures_util::future::join_all;

use super::cases::{Case, cases, credential, kind, name};
use crate::support::time;

cases! {
    administrators_are_read_as_they_were_written,
    administrators_are_never_replaced_and_have_no_reserved_name,
    administrators_need_no_experiment,
    replaced_credentials_of_administrators_are_invalid_at_once,
    deleted_administrators_are_gone,
    administrators_are_listed_by_time_in_pages,
    concurrent_registrations_are_all_there,
}

fn administrator(at: i64) -> Administrator {
    Administrator::new(
        AdministratorId::mint(),
        name("Alice"),
        time(at),
        PrincipalId::Admin,
        credential(0),
    )
}

async fn registered(store: &dyn IdentityStore, at: i64) -> Administrator {
    let administrator = administrator(at);
    store.register_administrator(&administrator).await.unwrap();
    administrator
}

async fn administrators_are_read_as_they_were_written(database: Database) {
    let store = &*database.identities;
    let first = registered(store, 1).await;
    let mut second = administrator(-1);
    second.name = name(&"\u{1f980}".repeat(128));
    second.created_by = first.id.into();
    second.credential = credential(7).with_expires_at(time(99));
    store.register_administrator(&second).await.unwrap();
    let mut third = administrator(2);
    third.created_by = PrincipalId::from(WorkerId::mint());
    store.register_administrator(&third).await.unwrap();
    for expected in [first, second, third] {
        let found = store.administrator(expected.id).await.unwrap();
        assert_eq!(found.as_ref(), Some(&expected));
        let hash = store.administrator_credential(expected.id).await.unwrap();
        assert_eq!(hash, Some(expected.credential));
    }
    let absent = AdministratorId::mint();
    assert_eq!(store.administrator(absent).await.unwrap(), None);
    assert_eq!(store.administrator_credential(absent).await.unwrap(), None);
    assert_eq!(store.cached_administrator_credential(absent), None);
}

async fn administrators_are_never_replaced_and_have_no_reserved_name(database: Database) {
    let store = &*database.identities;
    let first = registered(store, 1).await;
    let mut again = administrator(5);
    again.id = first.id;
    let refused = store.register_administrator(&again).await;
    assert_eq!(kind(refused), ErrorKind::AlreadyExists);
    let mut reserved = administrator(5);
    reserved.name = name("admin");
    let refused = store.register_administrator(&reserved).await;
    assert_eq!(kind(refused), ErrorKind::Reserved);
    assert_eq!(store.administrators().await.unwrap(), [first]);
}

async fn administrators_need_no_experiment(database: Database) {
    assert_eq!(database.catalog.experiments().await.unwrap(), []);
    registered(&*database.identities, 1).await;
}

async fn replaced_credentials_of_administrators_are_invalid_at_once(database: Database) {
    let store = &*database.identities;
    let [first, other] = [registered(store, 1).await, registered(store, 2).await];
    for hash in [
        credential(1),
        credential(2).with_expires_at(time(7)),
        CredentialHash::revoked(),
        credential(3),
    ] {
        store
            .replace_administrator_credential(first.id, &hash)
            .await
            .unwrap();
        let cached = store.cached_administrator_credential(first.id);
        assert!(cached.is_none_or(|cached| cached == hash));
        let found = store.administrator_credential(first.id).await.unwrap();
        assert_eq!(found.as_ref(), Some(&hash));
        let found = store.administrator(first.id).await.unwrap().unwrap();
        assert_eq!((found.credential, found.name), (hash, name("Alice")));
    }
    let found = store.administrator(other.id).await.unwrap();
    assert_eq!(found, Some(other), "another one is untouched");
    let absent = AdministratorId::mint();
    let hash = credential(1);
    let replaced = store.replace_administrator_credential(absent, &hash).await;
    assert_eq!(kind(replaced), ErrorKind::NotFound);
}

async fn deleted_administrators_are_gone(database: Database) {
    let store = &*database.identities;
    let [first, other] = [registered(store, 1).await, registered(store, 2).await];
    store.administrator_credential(first.id).await.unwrap();
    store.delete_administrator(first.id).await.unwrap();
    assert_eq!(store.cached_administrator_credential(first.id), None);
    assert_eq!(
        store.administrator_credential(first.id).await.unwrap(),
        None
    );
    assert_eq!(store.administrator(first.id).await.unwrap(), None);
    assert_eq!(store.administrators().await.unwrap(), [other]);
    let again = store.delete_administrator(first.id).await;
    assert_eq!(kind(again), ErrorKind::NotFound);
    let hash = credential(1);
    let replaced = store
        .replace_administrator_credential(first.id, &hash)
        .await;
    assert_eq!(kind(replaced), ErrorKind::NotFound);
}

async fn administrators_are_listed_by_time_in_pages(database: Database) {
    let store = &*database.identities;
    let mut all = Vec::new();
    for at in (0..300).rev() {
        // Several have the same time, and are in the order of their ids.
        all.push(registered(store, at / 4).await);
    }
    all.sort_by_key(|each| (each.created_at, each.id));
    assert_eq!(store.administrators().await.unwrap(), all);
    for limit in [0, 1, 7, 300, usize::MAX] {
        let (mut seen, mut next) = (Vec::new(), Some(ListPosition::START));
        while let Some(after) = next {
            let page = store.administrator_page(&after, limit).await.unwrap();
            assert!(page.records.len() <= limit.clamp(1, 256), "{limit}");
            assert_eq!(page.unreadable, 0);
            seen.extend(page.records);
            next = page.next;
        }
        assert_eq!(seen, all, "{limit}");
    }
    // A deleted one is left out, and its position still works.
    let page = store.administrator_page(&ListPosition::START, 10).await;
    let page = page.unwrap();
    store.delete_administrator(all[9].id).await.unwrap();
    let rest = store.administrator_page(&page.next.unwrap(), 10).await;
    assert_eq!(rest.unwrap().records, all[10..20]);
}

async fn concurrent_registrations_are_all_there(database: Database) {
    let store = &*database.identities;
    let registered = join_all((0..20).map(|at| registered(store, at))).await;
    let expected: BTreeSet<_> = registered.iter().map(|each| each.id).collect();
    let found = store.administrators().await.unwrap();
    assert_eq!(found.len(), 20);
    let found: BTreeSet<_> = found.iter().map(|each| each.id).collect();
    assert_eq!(found, expected);
}

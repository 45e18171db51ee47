//! Quotas, and what is used of them.

use std::sync::Arc;
use std::time::Duration;

use artifact_store::{
    CatalogInventory, ErrorKind, ExperimentId, ImportId, PrincipalId, Quota, QuotaScope,
    QuotaStatus, QuotaStore, Row, StagedRow,
};

use super::{host, id, insert_all};
use crate::support::{experiment, external, other_experiment, row, worker_id};

pub(super) fn own() -> QuotaScope {
    QuotaScope::Principal(experiment(), worker_id().into())
}

pub(super) fn whole() -> QuotaScope {
    QuotaScope::Experiment(experiment())
}

pub(super) fn bytes(max: u64) -> Quota {
    Quota::default().with_max_bytes(max)
}

pub(super) fn quotas(rows: &dyn CatalogInventory) -> &dyn QuotaStore {
    rows.quotas().unwrap()
}

pub(super) async fn set(rows: &dyn CatalogInventory, scope: QuotaScope, quota: Quota) {
    quotas(rows).set_quota(&scope, &quota).await.unwrap();
}

pub(super) async fn status(rows: &dyn CatalogInventory, scope: QuotaScope) -> QuotaStatus {
    quotas(rows).quota(&scope).await.unwrap().unwrap()
}

pub(super) fn sized(n: u8, size: u64) -> Row {
    let mut row = row(n);
    row.size = size;
    row
}

/// Compares what is counted for two quotas with the sums of the rows.
async fn compare(rows: &dyn CatalogInventory, why: &str) {
    let worker: PrincipalId = worker_id().into();
    for (scope, by) in [(whole(), None), (own(), Some(&worker))] {
        let found = status(rows, scope).await;
        let usage = rows.usage(&experiment(), by).await.unwrap();
        let sums = (
            usage.iter().map(|usage| usage.bytes).sum::<u64>(),
            usage.iter().map(|usage| usage.artifacts).sum::<u64>(),
        );
        assert_eq!((found.bytes, found.artifacts), sums, "{why}: {by:?}");
    }
}

pub(super) async fn the_usage_of_a_quota_is_the_sum_of_its_rows(rows: Arc<dyn CatalogInventory>) {
    host(&*rows).await;
    let nowhere = QuotaScope::Experiment("nowhere".parse().unwrap());
    let error = quotas(&*rows).set_quota(&nowhere, &bytes(1)).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::NotFound);
    insert_all(&*rows, &[sized(1, 100), sized(2, 30)]).await;
    let mut other = sized(3, 7);
    other.created_by = external("alice").id();
    let mut foreign = sized(4, 1000);
    foreign.experiment = other_experiment();
    insert_all(&*rows, &[other, foreign]).await;
    set(&*rows, whole(), bytes(10_000)).await;
    set(&*rows, own(), bytes(1_000)).await;
    let found = status(&*rows, own()).await;
    assert_eq!((found.bytes, found.artifacts), (130, 2));
    assert_eq!(found.bytes_left(), Some(870));
    assert_eq!(status(&*rows, whole()).await.bytes, 137);

    insert_all(&*rows, &[sized(5, 11), sized(6, 0)]).await;
    compare(&*rows, "inserted").await;
    let keyed = sized(7, 13);
    let key = "k".parse().unwrap();
    assert!(rows.insert_keyed(&keyed, None, None, &key).await.unwrap());
    assert!(
        !rows
            .insert_keyed(&sized(8, 1), None, None, &key)
            .await
            .unwrap()
    );
    rows.insert(&sized(1, 100)).await.unwrap_err();
    compare(&*rows, "with a key").await;
    let import = ImportId::mint();
    let staged = [sized(20, 17), sized(21, 19)].map(StagedRow::new);
    rows.stage(import, &staged).await.unwrap();
    compare(&*rows, "staged").await;
    rows.publish(import, 2).await.unwrap();
    compare(&*rows, "published").await;
    assert_eq!(status(&*rows, whole()).await.bytes, 137 + 11 + 13 + 36);
    rows.remove(id(1)).await.unwrap();
    rows.remove(id(1)).await.unwrap();
    rows.remove(id(99)).await.unwrap();
    rows.delete(id(3)).await.unwrap();
    rows.condemn(&[id(98)]).await.unwrap();
    let keep = Some(Duration::ZERO);
    rows.set_retention(&experiment(), keep).await.unwrap();
    rows.remove_expired(id(5)).await.unwrap();
    compare(&*rows, "removed").await;
    assert_eq!(status(&*rows, whole()).await.bytes, 30 + 13 + 36);
}

/// Checks that a principal has no quota, and that this is known then without a look at the database. With PostgreSQL it is known for
/// the time of a lease, which may be over before a slow machine asks.
async fn assert_unlimited(store: &dyn QuotaStore, principal: &PrincipalId) {
    let home = experiment();
    for _ in 0..100 {
        assert!(!store.is_limited(&home, principal).await.unwrap());
        if store.is_unlimited(&home, principal) {
            return;
        }
    }
    panic!("it is never known that {principal} has no quota");
}

pub(super) async fn principals_without_a_quota_are_known_to_be_unlimited(
    rows: Arc<dyn CatalogInventory>,
) {
    host(&*rows).await;
    let (home, worker, alice): (ExperimentId, PrincipalId, PrincipalId) =
        (experiment(), worker_id().into(), external("alice").id());
    let store = quotas(&*rows);
    // Without any quota in the database.
    assert_unlimited(store, &worker).await;
    assert_unlimited(store, &alice).await;

    set(&*rows, own(), bytes(1)).await;
    assert!(!store.is_unlimited(&home, &worker));
    assert!(store.is_limited(&home, &worker).await.unwrap());
    assert!(!store.is_unlimited(&home, &worker));
    assert_unlimited(store, &alice).await;

    set(&*rows, whole(), bytes(1)).await;
    assert!(!store.is_unlimited(&home, &alice));
    assert!(store.is_limited(&home, &alice).await.unwrap());
    assert!(!store.is_limited(&other_experiment(), &alice).await.unwrap());

    for scope in [own(), whole()] {
        assert!(store.remove_quota(&scope).await.unwrap());
    }
    assert_unlimited(store, &worker).await;
}

pub(super) async fn quotas_are_listed_in_pages(rows: Arc<dyn CatalogInventory>) {
    host(&*rows).await;
    let store = quotas(&*rows);
    let page = store.quotas(&experiment(), None, 10).await.unwrap();
    assert_eq!((page.quotas, page.next), (vec![], None));
    let foreign = QuotaScope::Experiment(other_experiment());
    let alice = QuotaScope::Principal(experiment(), external("alice").id());
    let all = [whole(), alice, own()];
    let quota = Quota::default().with_max_artifacts(5).with_max_in_flight(6);
    for scope in all.iter().rev().chain([&foreign]) {
        store.set_quota(scope, &quota).await.unwrap();
    }
    for limit in 1..4 {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = store.quotas(&experiment(), after.as_ref(), limit).await;
            let page = page.unwrap();
            assert!(page.quotas.len() <= limit as usize);
            found.extend(page.quotas);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let scopes: Vec<_> = found.iter().map(|status| status.scope.clone()).collect();
        assert_eq!(scopes, all, "{limit}");
        assert!(found.iter().all(|status| status.quota == quota));
    }
}

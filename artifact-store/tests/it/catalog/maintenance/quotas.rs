//! Quotas and reservations.

use std::sync::Arc;
use std::time::Duration;

use artifact_store::{
    CatalogInventory, ErrorKind, ExperimentId, ImportId, PrincipalId, Quota, QuotaLimit,
    QuotaRefusal, QuotaScope, QuotaStatus, QuotaStore, ReservationId, ReservationOutcome,
    ReservationRequest, Row, StagedRow,
};
use futures_util::future::join_all;

use super::{host, id, insert_all};
use crate::support::{experiment, external, other_experiment, row, worker_id};

const HOUR: Duration = Duration::from_hours(1);

pub(super) fn own() -> QuotaScope {
    QuotaScope::Principal(experiment(), worker_id().into())
}

fn whole() -> QuotaScope {
    QuotaScope::Experiment(experiment())
}

fn bytes(max: u64) -> Quota {
    Quota::default().with_max_bytes(max)
}

fn quotas(rows: &dyn CatalogInventory) -> &dyn QuotaStore {
    rows.quotas().unwrap()
}

async fn set(rows: &dyn CatalogInventory, scope: QuotaScope, quota: Quota) {
    quotas(rows).set_quota(&scope, &quota).await.unwrap();
}

async fn status(rows: &dyn CatalogInventory, scope: QuotaScope) -> QuotaStatus {
    quotas(rows).quota(&scope).await.unwrap().unwrap()
}

fn request_of(principal: PrincipalId, size: u64, lease: Duration) -> ReservationRequest {
    ReservationRequest::new(ReservationId::mint(), experiment(), principal, size, lease)
}

fn request(size: u64) -> ReservationRequest {
    request_of(worker_id().into(), size, HOUR)
}

async fn reserve(rows: &dyn CatalogInventory, request: &ReservationRequest) -> ReservationOutcome {
    quotas(rows).reserve(request).await.unwrap()
}

fn refused(
    principal: Option<PrincipalId>,
    limit: QuotaLimit,
    max: u64,
    left: u64,
) -> ReservationOutcome {
    ReservationOutcome::Refused(QuotaRefusal::new(principal, limit, max, left))
}

fn refused_own(limit: QuotaLimit, max: u64, left: u64) -> ReservationOutcome {
    refused(Some(worker_id().into()), limit, max, left)
}

fn sized(n: u8, size: u64) -> Row {
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

pub(super) async fn reservations_count_like_rows(rows: Arc<dyn CatalogInventory>) {
    host(&*rows).await;
    assert_eq!(
        reserve(&*rows, &request(5)).await,
        ReservationOutcome::Unlimited
    );
    insert_all(&*rows, &[sized(1, 10)]).await;
    set(&*rows, own(), bytes(100)).await;
    let first = request(60);
    assert_eq!(
        reserve(&*rows, &first).await,
        ReservationOutcome::Reserved(60)
    );
    let found = status(&*rows, own()).await;
    assert_eq!(
        (found.bytes, found.reserved_bytes, found.in_flight),
        (10, 60, 1)
    );
    assert_eq!(
        reserve(&*rows, &request(31)).await,
        refused_own(QuotaLimit::Bytes, 100, 30)
    );
    // What is wanted above the least is granted as far as it is left.
    let greedy = request(1).with_wanted_bytes(1_000);
    assert_eq!(
        reserve(&*rows, &greedy).await,
        ReservationOutcome::Reserved(30)
    );
    assert_eq!(
        reserve(&*rows, &request(1)).await,
        refused_own(QuotaLimit::Bytes, 100, 0)
    );
    // A repeated request replaces the earlier one, and does not count it.
    let mut more = first.clone();
    more.least_bytes = 61;
    more.wanted_bytes = 61;
    assert_eq!(
        reserve(&*rows, &more).await,
        refused_own(QuotaLimit::Bytes, 100, 60)
    );
    quotas(&*rows).release(greedy.id).await.unwrap();
    quotas(&*rows).release(greedy.id).await.unwrap();
    assert_eq!(
        reserve(&*rows, &more).await,
        ReservationOutcome::Reserved(61)
    );
    assert_eq!(
        reserve(&*rows, &request(29)).await,
        ReservationOutcome::Reserved(29)
    );
    assert_eq!(status(&*rows, own()).await.bytes_left(), Some(0));
}

pub(super) async fn a_settled_reservation_counts_until_its_row_is_written(
    rows: Arc<dyn CatalogInventory>,
) {
    host(&*rows).await;
    set(&*rows, own(), bytes(100)).await;
    let first = request(10).with_wanted_bytes(100);
    assert_eq!(
        reserve(&*rows, &first).await,
        ReservationOutcome::Reserved(100)
    );
    let settle = |size| quotas(&*rows).settle(first.id, id(1), size, HOUR);
    assert!(!settle(101).await.unwrap());
    assert!(settle(40).await.unwrap());
    // The answer may have been lost.
    assert!(settle(40).await.unwrap());
    let other = quotas(&*rows).settle(first.id, id(2), 40, HOUR);
    assert!(!other.await.unwrap());
    assert_eq!(
        reserve(&*rows, &request(61)).await,
        refused_own(QuotaLimit::Bytes, 100, 60)
    );
    insert_all(&*rows, &[sized(1, 40)]).await;
    let found = status(&*rows, own()).await;
    assert_eq!(
        (found.bytes, found.reserved_bytes, found.in_flight),
        (40, 0, 0)
    );
    assert_eq!(
        reserve(&*rows, &request(61)).await,
        refused_own(QuotaLimit::Bytes, 100, 60)
    );
    rows.remove(id(1)).await.unwrap();
    assert_eq!(
        reserve(&*rows, &request(100)).await,
        ReservationOutcome::Reserved(100)
    );
}

pub(super) async fn the_room_of_a_reservation_whose_lease_is_over_is_given_to_another(
    rows: Arc<dyn CatalogInventory>,
) {
    host(&*rows).await;
    set(&*rows, own(), bytes(100)).await;
    let killed = request_of(worker_id().into(), 100, Duration::ZERO);
    assert_eq!(
        reserve(&*rows, &killed).await,
        ReservationOutcome::Reserved(100)
    );
    let next = request(100);
    assert_eq!(
        reserve(&*rows, &next).await,
        ReservationOutcome::Reserved(100)
    );
    // It was not killed, only slow.
    let settled = quotas(&*rows).settle(killed.id, id(1), 100, HOUR);
    assert!(!settled.await.unwrap());
    assert_eq!(
        reserve(&*rows, &killed).await,
        refused_own(QuotaLimit::Bytes, 100, 0)
    );
}

pub(super) async fn an_artifact_whose_lease_is_over_never_gets_a_row(
    rows: Arc<dyn CatalogInventory>,
) {
    host(&*rows).await;
    set(&*rows, own(), bytes(100)).await;
    let slow = request(100);
    reserve(&*rows, &slow).await;
    let settle = quotas(&*rows).settle(slow.id, id(1), 100, Duration::ZERO);
    assert!(settle.await.unwrap());
    assert_eq!(
        reserve(&*rows, &request(100)).await,
        ReservationOutcome::Reserved(100)
    );
    let late = rows.insert(&sized(1, 100)).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::AlreadyExists);
    // One that is written in time stays.
    let mut other = request_of(external("alice").id(), 5, HOUR);
    other.experiment = experiment();
    set(&*rows, whole(), bytes(1_000)).await;
    reserve(&*rows, &other).await;
    let settle = quotas(&*rows).settle(other.id, id(2), 5, Duration::ZERO);
    assert!(settle.await.unwrap());
    insert_all(&*rows, &[sized(2, 5)]).await;
    reserve(&*rows, &request_of(external("alice").id(), 1, HOUR)).await;
    assert!(rows.get(id(2)).await.unwrap().is_some());
}

pub(super) async fn deposits_in_flight_are_limited(rows: Arc<dyn CatalogInventory>) {
    host(&*rows).await;
    let quota = Quota::default().with_max_in_flight(2).with_max_artifacts(3);
    set(&*rows, own(), quota).await;
    let (first, second) = (request(5), request(u64::MAX));
    assert_eq!(
        reserve(&*rows, &first).await,
        ReservationOutcome::Reserved(5)
    );
    assert!(matches!(
        reserve(&*rows, &second).await,
        ReservationOutcome::Reserved(_)
    ));
    assert_eq!(
        reserve(&*rows, &request(0)).await,
        refused_own(QuotaLimit::InFlight, 2, 0)
    );
    // One that is in progress may renew.
    assert_eq!(
        reserve(&*rows, &first).await,
        ReservationOutcome::Reserved(5)
    );
    quotas(&*rows)
        .settle(first.id, id(1), 5, HOUR)
        .await
        .unwrap();
    insert_all(&*rows, &[sized(1, 5)]).await;
    assert_eq!(
        reserve(&*rows, &request(0)).await,
        ReservationOutcome::Reserved(0)
    );
    // Those in progress count as artifacts.
    quotas(&*rows).release(second.id).await.unwrap();
    assert_eq!(
        reserve(&*rows, &request(0)).await,
        ReservationOutcome::Reserved(0)
    );
    assert_eq!(
        reserve(&*rows, &request(0)).await,
        refused_own(QuotaLimit::Artifacts, 3, 0)
    );
}

pub(super) async fn the_quota_of_an_experiment_limits_all_its_principals(
    rows: Arc<dyn CatalogInventory>,
) {
    host(&*rows).await;
    set(&*rows, whole(), bytes(100)).await;
    set(&*rows, own(), bytes(70)).await;
    assert_eq!(
        reserve(&*rows, &request(60)).await,
        ReservationOutcome::Reserved(60)
    );
    let admin = request_of(PrincipalId::Admin, 41, HOUR);
    assert_eq!(
        reserve(&*rows, &admin).await,
        refused(None, QuotaLimit::Bytes, 100, 40)
    );
    let admin = request_of(PrincipalId::Admin, 35, HOUR);
    assert_eq!(
        reserve(&*rows, &admin).await,
        ReservationOutcome::Reserved(35)
    );
    // Both are left, the smaller one counts.
    let greedy = request(5).with_wanted_bytes(50);
    assert_eq!(
        reserve(&*rows, &greedy).await,
        ReservationOutcome::Reserved(5)
    );
    let mut elsewhere = request(1_000);
    elsewhere.experiment = other_experiment();
    assert_eq!(
        reserve(&*rows, &elsewhere).await,
        ReservationOutcome::Unlimited
    );
    assert!(quotas(&*rows).remove_quota(&whole()).await.unwrap());
    assert!(!quotas(&*rows).remove_quota(&whole()).await.unwrap());
    let admin = request_of(PrincipalId::Admin, 10_000, HOUR);
    assert_eq!(reserve(&*rows, &admin).await, ReservationOutcome::Unlimited);
    assert_eq!(
        reserve(&*rows, &request(6)).await,
        refused_own(QuotaLimit::Bytes, 70, 5)
    );
}

pub(super) async fn concurrent_reservations_never_exceed_a_quota(rows: Arc<dyn CatalogInventory>) {
    host(&*rows).await;
    set(&*rows, whole(), bytes(100)).await;
    set(&*rows, own(), bytes(1_000)).await;
    let mut granted = 0;
    let mut requests = Vec::new();
    for n in 0..32 {
        let principal = if n % 2 == 0 {
            worker_id().into()
        } else {
            external("alice").id()
        };
        requests.push(request_of(principal, 7, HOUR));
    }
    let outcomes = join_all(requests.iter().map(|request| reserve(&*rows, request)));
    for outcome in outcomes.await {
        match outcome {
            ReservationOutcome::Reserved(bytes) => granted += bytes,
            outcome => assert_eq!(outcome, refused(None, QuotaLimit::Bytes, 100, 2)),
        }
    }
    assert_eq!(granted, 98);
    assert_eq!(status(&*rows, whole()).await.reserved_bytes, 98);
}

pub(super) async fn principals_without_a_quota_are_known_to_be_unlimited(
    rows: Arc<dyn CatalogInventory>,
) {
    host(&*rows).await;
    let (home, worker, alice): (ExperimentId, PrincipalId, PrincipalId) =
        (experiment(), worker_id().into(), external("alice").id());
    let store = quotas(&*rows);
    assert!(!store.is_limited(&home, &worker).await.unwrap());
    assert!(store.is_unlimited(&home, &worker));
    // Without any quota in the database it is known for all.
    assert!(store.is_unlimited(&home, &alice));

    set(&*rows, own(), bytes(1)).await;
    assert!(!store.is_unlimited(&home, &worker));
    assert!(store.is_limited(&home, &worker).await.unwrap());
    assert!(!store.is_unlimited(&home, &worker));
    assert!(!store.is_limited(&home, &alice).await.unwrap());
    assert!(store.is_unlimited(&home, &alice));

    set(&*rows, whole(), bytes(1)).await;
    assert!(!store.is_unlimited(&home, &alice));
    assert!(store.is_limited(&home, &alice).await.unwrap());
    assert!(!store.is_limited(&other_experiment(), &alice).await.unwrap());

    for scope in [own(), whole()] {
        assert!(store.remove_quota(&scope).await.unwrap());
    }
    assert!(!store.is_limited(&home, &worker).await.unwrap());
    assert!(store.is_unlimited(&home, &worker));
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

pub(super) async fn a_lower_quota_removes_nothing(rows: Arc<dyn CatalogInventory>) {
    host(&*rows).await;
    set(&*rows, own(), bytes(100)).await;
    insert_all(&*rows, &[sized(1, 50), sized(2, 40)]).await;
    set(&*rows, own(), bytes(60)).await;
    assert_eq!(
        reserve(&*rows, &request(0)).await,
        ReservationOutcome::Reserved(0)
    );
    assert_eq!(
        reserve(&*rows, &request(1)).await,
        refused_own(QuotaLimit::Bytes, 60, 0)
    );
    let found = status(&*rows, own()).await;
    assert_eq!(
        (found.bytes, found.artifacts, found.bytes_left()),
        (90, 2, Some(0))
    );
    rows.remove(id(1)).await.unwrap();
    assert_eq!(
        reserve(&*rows, &request(20)).await,
        ReservationOutcome::Reserved(20)
    );
}

//! What deposits reserve of quotas.

use std::sync::Arc;
use std::time::Duration;

use artifact_store::{
    CatalogInventory, ErrorKind, PrincipalId, Quota, QuotaLimit, QuotaRefusal, ReservationId,
    ReservationOutcome, ReservationRequest,
};
use futures_util::future::join_all;

use super::quotas::{bytes, own, quotas, set, sized, status, whole};
use super::{host, id, insert_all};
use crate::support::{experiment, external, other_experiment, worker_id};

const HOUR: Duration = Duration::from_hours(1);

fn request_of(principal: PrincipalId, size: u64, lease: Duration) -> ReservationRequest {
    ReservationRequest::new(ReservationId::mint(), experiment(), principal, size, lease)
}

fn request(size: u64) -> ReservationRequest {
    request_of(worker_id().into(), size, HOUR)
}

pub(super) async fn reserve(
    rows: &dyn CatalogInventory,
    request: &ReservationRequest,
) -> ReservationOutcome {
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

pub(super) fn refused_own(limit: QuotaLimit, max: u64, left: u64) -> ReservationOutcome {
    refused(Some(worker_id().into()), limit, max, left)
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
    let found = status(&*rows, own()).await;
    assert_eq!((found.reserved_bytes, found.in_flight), (0, 0));
    assert_eq!(found.bytes_left(), Some(100));
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

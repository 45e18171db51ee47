//! What a quota does to the deposits of one store.

use std::sync::Arc;
use std::time::Duration;

use artifact_backend_mem::MemBackend;
use artifact_store::{
    ArtifactStore, Catalog, CatalogInventory, Error, ErrorKind, Experiment, ManagedStore,
    MemoryDatabase, NewArtifact, Principal, Quota, QuotaScope, QuotaShortage, QuotaStatus, Row,
    StoreConfig,
};
use bytes::Bytes;
use tokio::task::yield_now;

use crate::support::{OTHER_WORKER, bytes, experiment, other_experiment, time, worker};

struct Site {
    managed: ManagedStore,
    database: Arc<MemoryDatabase>,
}

impl Site {
    async fn new(quota: Quota) -> Self {
        Self::with(quota, StoreConfig::default()).await
    }

    /// Creates a store whose worker has a quota.
    async fn with(quota: Quota, config: StoreConfig) -> Self {
        let database = Arc::new(MemoryDatabase::new());
        for id in [experiment(), other_experiment()] {
            let new = Experiment::new(id, time(0));
            database.create_experiment(&new).await.unwrap();
        }
        let backend = Arc::new(MemBackend::default());
        let store = ArtifactStore::new(backend.clone(), database.clone(), config);
        let site = Self {
            managed: ManagedStore::new(store, database.clone(), backend),
            database,
        };
        site.set(&quota).await;
        site
    }

    async fn set(&self, quota: &Quota) {
        let admin = Principal::admin();
        self.managed.set_quota(&admin, &own(), quota).await.unwrap();
    }

    async fn remove(&self) {
        let admin = Principal::admin();
        let removed = self.managed.remove_quota(&admin, &own()).await;
        assert!(removed.unwrap());
    }

    async fn status(&self) -> QuotaStatus {
        let found = self.managed.quota(&worker(), &own()).await.unwrap();
        found.unwrap()
    }

    /// Waits until the tasks that release reservations have ended.
    async fn in_flight(&self) -> u64 {
        for _ in 0..100 {
            yield_now().await;
        }
        self.status().await.in_flight
    }

    async fn deposit(&self, new: NewArtifact, size: usize) -> Result<Arc<Row>, Error> {
        let mut deposit = self.managed.store().deposit(new);
        for chunk in bytes(size).chunks(100_000) {
            deposit.write(Bytes::copy_from_slice(chunk)).await?;
        }
        deposit.finish().await
    }
}

fn own() -> QuotaScope {
    QuotaScope::Principal(experiment(), worker().id())
}

fn new() -> NewArtifact {
    NewArtifact::new(experiment(), &worker())
}

fn max_bytes(bytes: u64) -> Quota {
    Quota::default().with_max_bytes(bytes)
}

#[tokio::test]
async fn a_quota_is_filled_to_the_last_byte_and_no_further() {
    let site = Site::new(max_bytes(5_000_000)).await;
    // Of unknown size: it reserves more than it needs, and gives the rest back.
    site.deposit(new(), 2_000_001).await.unwrap();
    let status = site.status().await;
    assert_eq!((status.bytes, status.reserved_bytes), (2_000_001, 0));
    let exact = new().with_size_hint(2_999_999).with_least_size(2_999_999);
    site.deposit(exact, 2_999_999).await.unwrap();
    assert_eq!(site.status().await.bytes_left(), Some(0));
    // An empty artifact still fits.
    site.deposit(new(), 0).await.unwrap();
    let error = site.deposit(new(), 1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QuotaExceeded);
    let detail = format!(
        "the quota of {} is 5,000,000 bytes; 0 bytes are left, and this deposit needs at least 1",
        worker().id()
    );
    assert_eq!(error.detail(), detail);
    assert_eq!(site.in_flight().await, 0);
    assert_eq!(site.status().await.bytes, 5_000_000);
}

#[tokio::test]
async fn a_deposit_of_known_size_is_refused_before_its_first_byte() {
    let site = Site::new(max_bytes(1_000)).await;
    let store = site.managed.store();
    let error = store
        .reserve(&new().with_least_size(1_001))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QuotaExceeded);
    let fitting = new().with_least_size(1_000).with_size_hint(1_000);
    let allowance = store.reserve(&fitting).await.unwrap();
    assert_eq!(site.status().await.reserved_bytes, 1_000);
    let mut deposit = store.deposit(fitting).with_allowance(allowance);
    deposit.write(Bytes::from(bytes(1_000))).await.unwrap();
    let error = deposit.write(Bytes::from_static(b"x")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QuotaExceeded);
    drop(deposit);
    assert_eq!(site.in_flight().await, 0);
}

#[tokio::test]
async fn deposits_that_fail_or_are_dropped_give_their_reservation_back() {
    let site = Site::new(max_bytes(1_000)).await;
    let store = site.managed.store();
    let mut aborted = store.deposit(new());
    aborted.write(Bytes::from(bytes(600))).await.unwrap();
    aborted.abort().await.unwrap();
    assert_eq!(site.in_flight().await, 0);
    let mut dropped = store.deposit(new());
    dropped.write(Bytes::from(bytes(600))).await.unwrap();
    assert_eq!(site.in_flight().await, 1);
    drop(dropped);
    assert_eq!(site.in_flight().await, 0);
    let wrong = new().with_sha256(artifact_store::Sha256Digest::from_bytes([0; 32]));
    let error = site.deposit(wrong, 600).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DigestMismatch);
    assert_eq!(site.in_flight().await, 0);
    site.deposit(new(), 1_000).await.unwrap();
}

#[tokio::test]
async fn the_reservation_of_a_killed_deposit_ends_with_its_lease() {
    let lease = Duration::ZERO;
    let config = StoreConfig::default().with_quota_lease(lease);
    let site = Site::with(max_bytes(1_000), config).await;
    let mut killed = site.managed.store().deposit(new());
    killed.write(Bytes::from(bytes(1_000))).await.unwrap();
    // As a kill does, this runs no destructor.
    std::mem::forget(killed);
    assert_eq!(site.in_flight().await, 0, "its lease is over");
    site.deposit(new(), 1_000).await.unwrap();
    assert_eq!(site.status().await.bytes, 1_000);
}

#[tokio::test]
async fn a_repeated_deposit_is_answered_though_the_quota_is_full() {
    let site = Site::new(max_bytes(10)).await;
    let keyed =
        || new().with_idempotency_key("k".parse::<artifact_store::IdempotencyKey>().unwrap());
    let first = site.deposit(keyed(), 10).await.unwrap();
    let again = site.deposit(keyed(), 10).await.unwrap();
    assert_eq!(again, first);
    let other = new().with_idempotency_key("l".parse::<artifact_store::IdempotencyKey>().unwrap());
    let error = site.deposit(other, 10).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QuotaExceeded);
}

#[tokio::test]
async fn a_refusal_says_what_others_have_reserved() {
    let site = Site::new(max_bytes(1_000)).await;
    site.deposit(new(), 100).await.unwrap();
    let store = site.managed.store();
    let sized = |size| new().with_least_size(size).with_size_hint(size);
    let other = store.reserve(&sized(700)).await.unwrap();
    for (size, later) in [(900, "; try again when those have ended"), (901, "")] {
        let error = store.reserve(&sized(size)).await.unwrap_err();
        let detail = format!(
            "the quota of {} is 1,000 bytes; 200 bytes are left, and this deposit needs at least {size}; \
             stored: 100 bytes, reserved by other deposits in progress: 700 bytes{later}",
            worker().id()
        );
        assert_eq!(error.detail(), detail);
        let shortage = shortage(&error);
        assert_eq!((shortage.stored, shortage.reserved), (100, 700));
        assert_eq!(shortage.may_fit_later, !later.is_empty());
    }
    // What the deposit has reserved itself is not reserved by another one.
    let mut growing = store.deposit(new());
    growing.write(Bytes::from(bytes(200))).await.unwrap();
    let refused = growing.write(Bytes::from_static(b"x")).await;
    assert_eq!(shortage(&refused.unwrap_err()).reserved, 700);
    drop((growing, other));
    assert_eq!(site.in_flight().await, 0);
    let error = store.reserve(&sized(901)).await.unwrap_err();
    assert_eq!(
        (shortage(&error).stored, shortage(&error).reserved),
        (100, 0)
    );
    assert!(!shortage(&error).may_fit_later);
}

#[tokio::test]
async fn a_refusal_says_how_many_other_deposits_are_in_progress() {
    let site = Site::new(Quota::default().with_max_artifacts(2)).await;
    site.deposit(new(), 1).await.unwrap();
    let store = site.managed.store();
    let _other = store.reserve(&new()).await.unwrap();
    let error = store.reserve(&new()).await.unwrap_err();
    let detail = format!(
        "the quota of {} is 2 artifacts; 0 are left; stored: 1, reserved by other deposits in progress: 1; \
         try again when those have ended",
        worker().id()
    );
    assert_eq!(error.detail(), detail);
    assert!(shortage(&error).may_fit_later);
}

fn shortage(error: &Error) -> QuotaShortage {
    let source = std::error::Error::source(error).unwrap();
    *source.downcast_ref().unwrap()
}

#[tokio::test]
async fn too_many_deposits_at_the_same_time_are_refused() {
    let site = Site::new(Quota::default().with_max_in_flight(1)).await;
    let mut first = site.managed.store().deposit(new());
    first.write(Bytes::from_static(b"a")).await.unwrap();
    let error = site.deposit(new(), 1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooManyInFlight);
    assert!(error.is_retryable());
    first.finish().await.unwrap();
    site.deposit(new(), 1).await.unwrap();
}

#[tokio::test]
async fn a_quota_that_is_set_during_a_deposit_limits_the_next_one() {
    let site = Site::new(max_bytes(1)).await;
    site.remove().await;
    let mut deposit = site.managed.store().deposit(new());
    deposit.write(Bytes::from(bytes(100))).await.unwrap();
    site.set(&max_bytes(100)).await;
    deposit.write(Bytes::from(bytes(100))).await.unwrap();
    let row = deposit.finish().await.unwrap();
    let error = site.deposit(new(), 1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QuotaExceeded);
    // Removal gives room back.
    site.managed
        .remove(&worker(), &experiment(), row.id)
        .await
        .unwrap();
    site.deposit(new(), 100).await.unwrap();
    // And a quota that is removed during a deposit no longer limits it.
    let mut deposit = site.managed.store().deposit(new());
    site.set(&max_bytes(150)).await;
    deposit.write(Bytes::from(bytes(10))).await.unwrap();
    site.remove().await;
    deposit.write(Bytes::from(bytes(10_000))).await.unwrap();
    deposit.finish().await.unwrap();
    assert_eq!(
        site.database.usage(&experiment(), None).await.unwrap()[0].bytes,
        10_110
    );
}

#[tokio::test]
async fn only_the_administrator_sets_quotas_and_others_see_their_own() {
    let site = Site::new(max_bytes(1)).await;
    let managed = &site.managed;
    let neighbour = Principal::worker(OTHER_WORKER.parse().unwrap(), experiment());
    let foreigner = Principal::worker(OTHER_WORKER.parse().unwrap(), other_experiment());
    let admins = worker().with_admin_class();
    let quota = max_bytes(7);
    for principal in [
        worker(),
        admins.clone(),
        neighbour.clone(),
        foreigner.clone(),
    ] {
        let set = managed.set_quota(&principal, &own(), &quota).await;
        assert_eq!(set.unwrap_err().kind(), ErrorKind::Forbidden);
        let removed = managed.remove_quota(&principal, &own()).await;
        assert_eq!(removed.unwrap_err().kind(), ErrorKind::Forbidden);
    }
    let whole = QuotaScope::Experiment(experiment());
    let kind = |read: Result<Option<QuotaStatus>, Error>| read.map_err(|error| error.kind());
    let neighbours = kind(managed.quota(&neighbour, &own()).await);
    assert_eq!(neighbours, Err(ErrorKind::Forbidden));
    let foreign = kind(managed.quota(&foreigner, &own()).await);
    assert_eq!(foreign, Err(ErrorKind::NotFound));
    let read = kind(managed.quota(&worker(), &whole).await);
    assert_eq!(read, Err(ErrorKind::Forbidden));
    assert_eq!(kind(managed.quota(&admins, &whole).await), Ok(None));
    let list = managed
        .quotas(&admins, &experiment(), None, 10)
        .await
        .unwrap();
    assert_eq!(list.quotas, [site.status().await]);
    let list = managed.quotas(&worker(), &experiment(), None, 10).await;
    assert_eq!(list.unwrap_err().kind(), ErrorKind::Forbidden);
    let admins_own = QuotaScope::Principal(experiment(), Principal::admin().id());
    let admin = Principal::admin();
    let set = managed.set_quota(&admin, &admins_own, &quota).await;
    assert_eq!(set.unwrap_err().kind(), ErrorKind::Forbidden);
    // The administrator is limited by the quota of the experiment alone.
    managed
        .set_quota(&Principal::admin(), &whole, &quota)
        .await
        .unwrap();
    let by_admin = || NewArtifact::new(experiment(), &Principal::admin());
    site.deposit(by_admin(), 7).await.unwrap();
    let error = site.deposit(by_admin(), 1).await.unwrap_err();
    assert_eq!(
        error.detail(),
        "the quota of the experiment is 7 bytes; 0 bytes are left, and this deposit needs at least 1"
    );
}

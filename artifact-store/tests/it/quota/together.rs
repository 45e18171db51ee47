//! Many depositors on two servers with one database.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use artifact_backend_mem::MemBackend;
use artifact_store::{
    ArtifactStore, CatalogInventory, ErrorKind, Experiment, NewArtifact, Principal, Quota,
    QuotaScope, RowFilter, RowPosition, StoreConfig,
};
use bytes::Bytes;
use futures_util::future::join_all;

use crate::support::{bytes, experiment, external, time, worker};

const DEPOSITORS: usize = 64;
const ROUNDS: usize = 6;
/// About a third of what all depositors try to store.
const WHOLE: u64 = 3_000_000;
const OWN: u64 = 1_200_000;

/// A deterministic sequence of numbers.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

#[derive(Default)]
struct Counts {
    stored: AtomicU32,
    refused: AtomicU32,
    given_up: AtomicU32,
}

fn principal(n: usize) -> Principal {
    match n % 3 {
        0 => Principal::admin(),
        1 => worker(),
        _ => external("alice"),
    }
}

fn whole() -> QuotaScope {
    QuotaScope::Experiment(experiment())
}

fn own() -> QuotaScope {
    QuotaScope::Principal(experiment(), worker().id())
}

fn stores(databases: &[Arc<dyn CatalogInventory>], lease: Duration) -> Vec<ArtifactStore> {
    let backend = Arc::new(MemBackend::default());
    let store = |database: &Arc<dyn CatalogInventory>| {
        let config = StoreConfig::default()
            .with_small_deposit_bytes(8 << 10)
            .with_quota_lease(lease);
        ArtifactStore::new(backend.clone(), database.clone(), config)
    };
    databases.iter().map(store).collect()
}

/// Makes some deposits: of known and unknown size, whole, given up or killed.
async fn deposit(n: usize, stores: &[ArtifactStore], killed: &[ArtifactStore], counts: &Counts) {
    let mut numbers = Numbers(n as u64 + 1);
    let principal = principal(n);
    for _ in 0..ROUNDS {
        let size = numbers.below(50_000) + 1;
        let content = bytes(usize::try_from(size).unwrap());
        let kind = numbers.below(8);
        let store = if kind == 0 {
            &killed[n % killed.len()]
        } else {
            &stores[n % stores.len()]
        };
        let mut new = NewArtifact::new(experiment(), &principal);
        if numbers.below(2) == 0 {
            new = new.with_size_hint(size).with_least_size(size);
        }
        if numbers.below(4) == 0 {
            let key = artifact_store::ArtifactId::mint().to_string();
            new = new.with_idempotency_key(key.parse::<artifact_store::IdempotencyKey>().unwrap());
        }
        let mut deposit = store.deposit(new);
        let mut outcome = Ok(());
        for chunk in content.chunks(7_000) {
            outcome = deposit.write(Bytes::copy_from_slice(chunk)).await;
            if outcome.is_err() {
                break;
            }
        }
        let outcome = match (outcome, kind) {
            (Err(error), _) => Err(error),
            // As a kill does, this runs no destructor.
            (Ok(()), 0) => {
                std::mem::forget(deposit);
                counts.given_up.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            (Ok(()), 1) => {
                drop(deposit);
                counts.given_up.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            (Ok(()), _) => deposit.finish().await.map(drop),
        };
        match outcome {
            Ok(()) => counts.stored.fetch_add(1, Ordering::Relaxed),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::QuotaExceeded, "{error:?}");
                counts.refused.fetch_add(1, Ordering::Relaxed)
            }
        };
    }
}

/// Returns the bytes of all rows, and those of the worker.
async fn sums(database: &dyn CatalogInventory) -> (u64, u64) {
    let usage = database.usage(&experiment(), None).await.unwrap();
    let own = usage
        .iter()
        .filter(|usage| usage.created_by == worker().id());
    (
        usage.iter().map(|usage| usage.bytes).sum(),
        own.map(|usage| usage.bytes).sum(),
    )
}

async fn run(databases: Vec<Arc<dyn CatalogInventory>>) {
    let new = Experiment::new(experiment(), time(0));
    databases[0].create_experiment(&new).await.unwrap();
    let quotas = databases[0].quotas().unwrap();
    for (scope, bytes) in [(whole(), WHOLE), (own(), OWN)] {
        let quota = Quota::default().with_max_bytes(bytes);
        quotas.set_quota(&scope, &quota).await.unwrap();
    }
    let normal = Arc::new(stores(&databases, Duration::from_hours(1)));
    let killed = Arc::new(stores(&databases, Duration::ZERO));
    let counts = Arc::new(Counts::default());
    let is_over = Arc::new(AtomicBool::new(false));
    let sampler = {
        let (database, is_over) = (Arc::clone(&databases[1]), Arc::clone(&is_over));
        tokio::spawn(async move {
            let mut samples = 0_u32;
            while !is_over.load(Ordering::Relaxed) {
                let (all, own) = sums(&*database).await;
                assert!(all <= WHOLE && own <= OWN, "{all} and {own} bytes");
                samples += 1;
            }
            samples
        })
    };
    let depositors = (0..DEPOSITORS).map(|n| {
        let (normal, killed, counts) = (
            Arc::clone(&normal),
            Arc::clone(&killed),
            Arc::clone(&counts),
        );
        tokio::spawn(async move { deposit(n, &normal, &killed, &counts).await })
    });
    for depositor in join_all(depositors).await {
        depositor.unwrap();
    }
    is_over.store(true, Ordering::Relaxed);
    assert!(sampler.await.unwrap() > 0);
    for count in [&counts.stored, &counts.refused, &counts.given_up] {
        assert!(count.load(Ordering::Relaxed) > 0);
    }

    // What was dropped is released by tasks. A refused request reads what is left, until all of it is.
    let database = &*databases[0];
    for scope in [own(), whole()] {
        let principal = scope.principal().map_or(Principal::admin(), |_| worker());
        let max = if scope == own() { OWN } else { WHOLE };
        loop {
            let status = quotas.quota(&scope).await.unwrap().unwrap();
            let (all, of_worker) = sums(database).await;
            let used = if scope == own() { of_worker } else { all };
            assert_eq!(status.bytes, used);
            let left = (max - used).min(WHOLE - all);
            let new = NewArtifact::new(experiment(), &principal)
                .with_size_hint(left)
                .with_least_size(left);
            let mut deposit = normal[0].deposit(new);
            match deposit
                .write(Bytes::from(bytes(usize::try_from(left).unwrap())))
                .await
            {
                Ok(()) => {
                    deposit.finish().await.unwrap();
                    break;
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::QuotaExceeded, "{error:?}"),
            }
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(sums(database).await.0, WHOLE);
    let mut further = normal[1].deposit(NewArtifact::new(experiment(), &external("alice")));
    let error = further.write(Bytes::from_static(b"x")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QuotaExceeded);

    // Removal gives the room back, on the other server too.
    let row = normal[0].deposit(NewArtifact::new(experiment(), &external("alice")));
    let empty = row.finish().await.unwrap();
    databases[1].remove(empty.id).await.unwrap();
    let page = databases[1]
        .scan(&RowFilter::default(), RowPosition::START, 1)
        .await;
    let first = Arc::clone(&page.unwrap().rows[0]);
    databases[1].remove(first.id).await.unwrap();
    let size = usize::try_from(first.size).unwrap();
    let depositor = Principal::admin();
    let mut again = normal[0].deposit(NewArtifact::new(experiment(), &depositor));
    again.write(Bytes::from(bytes(size))).await.unwrap();
    again.finish().await.unwrap();
    assert_eq!(sums(database).await.0, WHOLE);
}

#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn depositors_on_one_file_never_exceed_a_quota_and_can_fill_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut databases: Vec<Arc<dyn CatalogInventory>> = Vec::new();
    for _ in 0..2 {
        let path = folder.path().join("rows.sqlite");
        let opened = artifact_store::SqliteDatabase::open(path).await.unwrap();
        databases.push(Arc::new(opened));
    }
    run(databases).await;
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn depositors_on_one_postgres_database_never_exceed_a_quota_and_can_fill_it() {
    let Some(postgres) = artifact_postgres_test::Server::shared() else {
        return;
    };
    let database = postgres.database();
    let mut databases: Vec<Arc<dyn CatalogInventory>> = Vec::new();
    for _ in 0..2 {
        databases.push(Arc::new(crate::catalog::postgres::open(&database).await));
    }
    run(databases).await;
}

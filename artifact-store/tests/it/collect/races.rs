//! Depositors and collectors at the same time, without any grace period: only the fence protects the artifacts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use artifact_backend::ArtifactBackend as _;
use artifact_backend_mem::MemBackend;
use artifact_store::{
    ArtifactId, ArtifactStore, CollectOptions, Collector, Database, ErrorKind, Experiment,
    MemoryDatabase, NewArtifact, StoreConfig,
};
use bytes::Bytes;
use tokio::task::{JoinSet, yield_now};

use crate::support::{bytes, experiment, time, worker};

const DEPOSITORS: usize = 64;
const DEPOSITS: usize = 40;
const COLLECTORS: usize = 4;

/// What the depositors got.
#[derive(Debug, Default)]
struct Outcome {
    acknowledged: Vec<ArtifactId>,
    refused: usize,
}

async fn deposit_all(store: ArtifactStore) -> Outcome {
    let mut outcome = Outcome::default();
    for number in 0..DEPOSITS {
        let mut deposit = store.deposit(NewArtifact::new(experiment(), &worker()));
        deposit.write(Bytes::from(bytes(number))).await.unwrap();
        match deposit.finish().await {
            Ok(row) => outcome.acknowledged.push(row.id),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unavailable);
                assert!(error.detail().contains("were collected"), "{error}");
                outcome.refused += 1;
            }
        }
    }
    outcome
}

/// Deposits and collects at the same time. Every acknowledged artifact must keep its bytes. Returns how many deposits the fence
/// refused.
async fn race(database: Database) -> usize {
    let new = Experiment::new(experiment(), time(0));
    database.catalog.create_experiment(&new).await.unwrap();
    let backend = Arc::new(MemBackend::default());
    let store = ArtifactStore::new(
        backend.clone(),
        database.catalog.clone(),
        StoreConfig::default(),
    );
    let none = StoreConfig::default().with_grace_period(Duration::ZERO);
    let options = CollectOptions::new(&none).with_many_orphans(true);
    let collector = Collector::new(database.inventory.clone(), backend.clone(), options);

    let is_over = Arc::new(AtomicBool::new(false));
    let mut collectors = JoinSet::new();
    for _ in 0..COLLECTORS {
        let (collector, is_over) = (collector.clone(), is_over.clone());
        collectors.spawn(async move {
            let mut collected = 0;
            while !is_over.load(Ordering::Relaxed) {
                let report = collector.run(|_| ()).await;
                assert!(report.is_good(), "{report:?}");
                collected += report.orphans;
                yield_now().await;
            }
            collected
        });
    }
    let mut depositors = JoinSet::new();
    for _ in 0..DEPOSITORS {
        depositors.spawn(deposit_all(store.clone()));
    }
    let outcomes = depositors.join_all().await;
    is_over.store(true, Ordering::Relaxed);
    let collected: u64 = collectors.join_all().await.into_iter().sum();
    // Once more, for the orphans of the last refused deposits.
    let last = collector.run(|_| ()).await;
    assert!(last.is_good(), "{last:?}");

    let mut acknowledged = 0;
    for outcome in &outcomes {
        for id in &outcome.acknowledged {
            let missing = database.inventory.missing(&[*id]).await.unwrap();
            assert!(missing.is_empty(), "an acknowledged row is gone");
            assert!(backend.stat(*id).await.is_ok(), "a row without its blob");
        }
        acknowledged += outcome.acknowledged.len();
    }
    let refused = outcomes.iter().map(|outcome| outcome.refused).sum();
    assert_eq!(acknowledged + refused, DEPOSITORS * DEPOSITS);
    assert_eq!(backend.len(), acknowledged, "no orphan is left");
    assert!(collected + last.orphans >= refused as u64);
    assert!(acknowledged > 0);
    refused
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn depositors_and_collectors_without_a_grace_period_leave_no_row_without_bytes_in_memory() {
    race(Database::new(MemoryDatabase::new())).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn depositors_and_collectors_without_a_grace_period_leave_no_row_without_bytes_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.sqlite");
    race(Database::from_url(path.to_str().unwrap()).await.unwrap()).await;
}

//! Imported and restored artifacts.

use std::sync::Arc;

use artifact_backend_mem::MemBackend;
use artifact_store::{
    ArtifactStore, CatalogInventory, Database, ErrorKind, Experiment, MemoryDatabase, NewArtifact,
    Quota, QuotaScope, SqliteDatabase, StoreConfig,
};
use bytes::Bytes;

use crate::archive::site::{Halves, created, row_of};
use crate::dump::{dump, load};
use crate::support::{bytes, experiment, time, worker};

fn own() -> QuotaScope {
    QuotaScope::Principal(experiment(), worker().id())
}

/// Checks that a quota of ten bytes counts 60, and refuses what is deposited next.
async fn assert_is_exceeded(catalog: &Arc<dyn CatalogInventory>) {
    let quotas = catalog.quotas().unwrap();
    let found = quotas.quota(&own()).await.unwrap().unwrap();
    assert_eq!((found.bytes, found.artifacts), (60, 2));
    assert_eq!(found.bytes_left(), Some(0));
    let backend = Arc::new(MemBackend::default());
    let store = ArtifactStore::new(backend, catalog.clone(), StoreConfig::default());
    let mut deposit = store.deposit(NewArtifact::new(experiment(), &worker()));
    let error = deposit.write(Bytes::from_static(b"x")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QuotaExceeded);
}

/// Returns a store with two artifacts of the worker, of 60 bytes together.
async fn filled() -> Halves {
    let halves = Halves::in_memory();
    halves.catalog.create_experiment(&created()).await.unwrap();
    for (n, size) in [(1, 20), (2, 40)] {
        let row = row_of(n, &bytes(size));
        halves.deposit(&row, bytes(size)).await;
    }
    halves
}

#[tokio::test]
async fn imported_artifacts_are_not_refused_but_count() {
    let source = filled().await;
    let (_, archive) = source.export().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.sqlite");
    let database = SqliteDatabase::open(path).await.unwrap();
    let target = Halves::of(Arc::new(database));
    target.catalog.create_experiment(&created()).await.unwrap();
    let quota = Quota::default().with_max_bytes(10);
    let quotas = target.catalog.quotas().unwrap();
    quotas.set_quota(&own(), &quota).await.unwrap();
    target.import(&archive).await.unwrap();
    target.assert_has_all_of(&source).await;
    assert_is_exceeded(&target.catalog).await;
}

#[tokio::test]
async fn restored_artifacts_are_not_refused_but_count() {
    let database = Database::new(MemoryDatabase::new());
    let new = Experiment::new(experiment(), time(0));
    database.catalog.create_experiment(&new).await.unwrap();
    for row in filled().await.rows().await {
        database.catalog.insert(&row).await.unwrap();
    }
    let quota = Quota::default().with_max_bytes(10);
    let quotas = database.catalog.quotas().unwrap();
    quotas.set_quota(&own(), &quota).await.unwrap();
    let (_, records) = dump(&database).await;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.sqlite");
    let restored = Database::from_url(path.to_str().unwrap()).await.unwrap();
    load(&restored, None, &records).await.unwrap();
    assert_eq!(dump(&restored).await.1, records);
    assert_is_exceeded(&restored.inventory).await;
}

//! Finding rows and reading bytes.

use std::sync::Arc;

use artifact_backend::{ArtifactInventory as _, Operation};
use artifact_store::{
    ArtifactId, ArtifactStore, ByteRange, Catalog as _, ErrorKind, Principal, ReadGrant, Row,
    authorize,
};
use proptest::prelude::*;

use crate::support::{Fault, World, bytes, experiment, other_experiment, poll_once, worker};

async fn grant(store: &ArtifactStore, id: ArtifactId) -> ReadGrant {
    let row = store.row(&experiment(), id).await.unwrap();
    authorize(&worker(), row).unwrap()
}

async fn read(world: &World, id: ArtifactId, range: ByteRange) -> artifact_store::Result<Vec<u8>> {
    let grant = grant(&world.store, id).await;
    let download = world.store.read(&grant, range).await?;
    Ok(download.into_bytes().await.unwrap().to_vec())
}

#[tokio::test]
async fn deposited_bytes_are_read() {
    let world = World::new().await;
    for length in [0, 1, 1000] {
        let body = bytes(length);
        let row = world.deposit(&body, 100).await.unwrap();
        assert_eq!(read(&world, row.id, ByteRange::Full).await.unwrap(), body);
    }
}

#[tokio::test]
async fn rows_of_other_experiments_are_not_found_without_a_backend_call() {
    let world = World::new().await;
    let row = world.deposit(b"hello", 5).await.unwrap();
    let calls = world.backend.calls();
    for (experiment, id) in [
        (other_experiment(), row.id),
        (experiment(), ArtifactId::from_bytes([7; 16])),
        ("nowhere".parse().unwrap(), row.id),
    ] {
        let error = world.store.row(&experiment, id).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(error.id(), Some(id));
        // The same for a cached row.
        assert_eq!(
            *world.store.row(&row.experiment, row.id).await.unwrap(),
            *row
        );
    }
    assert_eq!(world.backend.calls(), calls);
}

#[tokio::test]
async fn rows_are_queried_once() {
    let world = World::new().await;
    let row = world.deposit(b"hello", 5).await.unwrap();
    for _ in 0..3 {
        assert_eq!(*world.store.row(&experiment(), row.id).await.unwrap(), *row);
    }
    assert_eq!(world.catalog.gets(), 1);
}

#[tokio::test]
async fn forgotten_rows_are_queried_again() {
    use artifact_store::Catalog as _;

    let world = World::new().await;
    let row = world.deposit(b"hello", 5).await.unwrap();
    world.store.row(&experiment(), row.id).await.unwrap();
    world.catalog.delete(row.id).await.unwrap();
    world.store.forget(row.id);
    let error = world.store.row(&experiment(), row.id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn experiments_are_queried_once() {
    let world = World::new().await;
    let unknown = "exp-3".parse().unwrap();
    for _ in 0..3 {
        let found = world.store.experiment(&experiment()).await.unwrap();
        assert_eq!(
            found,
            Some(artifact_store::Experiment::new(
                experiment(),
                crate::support::time(0)
            ))
        );
        assert_eq!(world.store.experiment(&unknown).await.unwrap(), None);
    }
    // The existing one once, the missing one three times: it could be created.
    assert_eq!(world.catalog.experiment_gets(), 4);
}

#[tokio::test]
async fn rows_forgotten_during_a_query_are_not_cached() {
    use artifact_store::Catalog as _;

    let world = World::new().await;
    let row = world.deposit(b"hello", 5).await.unwrap();
    let home = experiment();
    {
        let mut looking = Box::pin(world.store.row(&home, row.id));
        assert!(poll_once(looking.as_mut()).is_pending());
        world.catalog.delete(row.id).await.unwrap();
        world.store.forget(row.id);
        assert_eq!(*looking.await.unwrap(), *row);
    }
    let error = world.store.row(&home, row.id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn rows_deleted_by_other_processes_are_noticed_when_their_bytes_are_missing() {
    use artifact_store::Catalog as _;

    let world = World::new().await;
    let row = world.deposit(b"hello", 5).await.unwrap();
    let grant = grant(&world.store, row.id).await;
    world.catalog.delete(row.id).await.unwrap();
    world.mem.delete(row.id).await.unwrap();

    let error = world.store.read(&grant, ByteRange::Full).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let error = world.store.row(&experiment(), row.id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn rows_without_blobs_are_corrupt() {
    let world = World::new().await;
    let row = world.deposit(b"hello", 5).await.unwrap();
    world.mem.delete(row.id).await.unwrap();
    for _ in 0..2 {
        let error = read(&world, row.id, ByteRange::Full).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert_eq!(error.id(), Some(row.id));
        assert!(error.detail().contains("its blob is missing"), "{error}");
    }
}

/// Returns a grant for a row whose size differs from the size of its blob.
async fn with_size(world: &World, id: ArtifactId, size: u64) -> ReadGrant {
    let found = world.store.row(&experiment(), id).await.unwrap();
    let mut row: Row = (*found).clone();
    row.size = size;
    authorize(&Principal::admin(), Arc::new(row)).unwrap()
}

#[tokio::test]
async fn blobs_of_another_size_are_corrupt_for_every_range() {
    let world = World::new().await;
    let row = world.deposit(b"hello", 5).await.unwrap();
    let ranges = [
        ByteRange::Full,
        ByteRange::From(0),
        ByteRange::Suffix(1),
        ByteRange::FromTo { first: 0, last: 0 },
    ];
    for size in [1, 4, 6, u64::MAX] {
        let grant = with_size(&world, row.id, size).await;
        for range in ranges {
            let error = world.store.read(&grant, range).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{size} {range:?}");
        }
    }
    // The range fits the size in the row, but not the blob.
    let grant = with_size(&world, row.id, 10).await;
    let error = world
        .store
        .read(&grant, ByteRange::From(7))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn ranges_past_the_end_are_rejected_with_the_size_before_a_backend_call() {
    let world = World::new().await;
    let row = world.deposit(b"hello", 5).await.unwrap();
    let grant = grant(&world.store, row.id).await;
    let calls = world.backend.calls();
    for range in [
        ByteRange::From(5),
        ByteRange::Suffix(0),
        ByteRange::FromTo { first: 9, last: 9 },
    ] {
        let error = world.store.read(&grant, range).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRange);
        assert_eq!(error.blob_size(), Some(5));
    }
    assert_eq!(world.backend.calls(), calls);
}

#[tokio::test]
async fn backend_errors_keep_their_kind() {
    use artifact_backend::ErrorKind as Backend;

    let world = World::new().await;
    let row = world.deposit(b"hello", 5).await.unwrap();
    for (kind, expected) in [
        (Backend::Unavailable, ErrorKind::Unavailable),
        (Backend::Corrupt, ErrorKind::Corrupt),
        (Backend::PermissionDenied, ErrorKind::Misconfigured),
        (Backend::Misconfigured, ErrorKind::Misconfigured),
        (Backend::Unexpected, ErrorKind::Unexpected),
    ] {
        world.backend.fail(Operation::Download, Fault::Before(kind));
        let error = read(&world, row.id, ByteRange::Full).await.unwrap_err();
        assert_eq!(error.kind(), expected);
        assert_eq!(error.operation(), artifact_store::Operation::Read);
        assert_eq!(error.id(), Some(row.id));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_range_reads_its_bytes(length in 0_usize..300, a in 0_u64..400, b in 0_u64..400) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let world = World::new().await;
            let body = bytes(length);
            let row = world.deposit(&body, 64).await.unwrap();
            for range in [ByteRange::Full, ByteRange::From(a), ByteRange::Suffix(b), ByteRange::FromTo { first: a, last: b }] {
                let found = read(&world, row.id, range).await;
                if let Ok(range) = range.resolve(length as u64) {
                    let start = usize::try_from(range.start).unwrap();
                    let end = usize::try_from(range.end).unwrap();
                    prop_assert_eq!(found.unwrap(), &body[start..end]);
                } else {
                    prop_assert_eq!(found.unwrap_err().kind(), ErrorKind::InvalidRange);
                }
            }
            Ok(())
        })?;
    }
}

#[cfg(all(feature = "fs", feature = "sqlite"))]
#[tokio::test]
async fn artifacts_on_disk_survive_the_store() {
    use artifact_store::{Backend, Database, Experiment, NewArtifact, StoreConfig};

    use crate::support::{digest, time};

    let folder = tempfile::tempdir().unwrap();
    let blobs = folder.path().join("blobs");
    let database = folder.path().join("rows.sqlite");
    let open = async || {
        let backend = Backend::from_url(blobs.to_str().unwrap()).await.unwrap();
        let opened = Database::from_url(database.to_str().unwrap())
            .await
            .unwrap();
        let hosted = Experiment::new(experiment(), time(1));
        opened.catalog.create_experiment(&hosted).await.unwrap();
        ArtifactStore::new(backend.backend(), opened.catalog, StoreConfig::default())
    };

    let mut deposited = Vec::new();
    let store = open().await;
    for length in [0, 5, 1 << 20, (3 << 20) + 1] {
        let body = bytes(length);
        let new = NewArtifact::new(experiment(), &worker());
        let mut deposit = store.deposit(new);
        for piece in body.chunks(100_000) {
            deposit.write(piece.to_vec().into()).await.unwrap();
        }
        deposited.push((deposit.finish().await.unwrap(), body));
    }
    drop(store);

    let store = open().await;
    for (row, body) in deposited {
        let found = store.row(&experiment(), row.id).await.unwrap();
        assert_eq!(*found, *row);
        assert_eq!(found.sha256, digest(&body));
        let grant = authorize(&worker(), found).unwrap();
        let download = store.read(&grant, ByteRange::Full).await.unwrap();
        assert!(download.into_bytes().await.unwrap() == body);
    }
}

#[tokio::test]
async fn missing_experiments_are_queried_again() {
    let world = World::new().await;
    let id: artifact_store::ExperimentId = "later".parse().unwrap();
    assert_eq!(world.store.experiment(&id).await.unwrap(), None);
    let new = artifact_store::Experiment::new(id.clone(), crate::support::time(7));
    world.catalog.create_experiment(&new).await.unwrap();
    for _ in 0..2 {
        let found = world.store.experiment(&id).await.unwrap();
        assert_eq!(found.as_ref(), Some(&new));
    }
}

//! Which halves are joined and which are not.

use artifact_backend::{ArtifactInventory, ErrorKind as BackendErrorKind, Operation};
use artifact_backend_conformance::Fault;
use artifact_store::{JoinError, Mismatch, StoreId, check_new_backend, check_new_database};

use super::{World, mismatch};
use crate::support::row;

#[tokio::test]
async fn new_halves_get_the_same_id_once() {
    let (world, id) = World::joined().await;
    assert_eq!(world.ids().await, (Some(id), Some(id)));
    for number in 1..=2 {
        world.store_blob(number).await;
        world.write_row(number).await;
        assert_eq!(world.halves().join().await.unwrap(), id);
    }
    let (_, other) = World::joined().await;
    assert_ne!(other, id);
}

#[tokio::test]
async fn a_missing_backend_is_a_mismatch() {
    let (world, database) = World::joined().await;
    let empty = world.with_backend_of(&World::new().await);
    let has_blobs = false;
    let expected = Mismatch::NoBackendId {
        database,
        has_blobs,
    };
    assert_eq!(mismatch(empty.halves().join().await), expected);
    assert_eq!(
        mismatch(check_new_backend(&world.database).await),
        expected,
        "before the backend is created"
    );
    // Nothing was created, so the next start is refused too.
    assert_eq!(mismatch(empty.halves().join().await), expected);
    assert_eq!(empty.ids().await, (Some(database), None));

    empty.store_blob(1).await;
    let has_blobs = true;
    let expected = Mismatch::NoBackendId {
        database,
        has_blobs,
    };
    assert_eq!(mismatch(empty.halves().join().await), expected);
}

#[tokio::test]
async fn a_missing_database_is_a_mismatch() {
    let (world, backend) = World::joined().await;
    let empty = World::new().await.with_backend_of(&world);
    let has_rows = false;
    let expected = Mismatch::NoDatabaseId { backend, has_rows };
    assert_eq!(mismatch(empty.halves().join().await), expected);
    assert_eq!(
        mismatch(check_new_database(&world.open_backend()).await),
        expected,
        "before the database is created"
    );
    assert_eq!(mismatch(empty.halves().join().await), expected);
    assert_eq!(empty.ids().await, (None, Some(backend)));

    empty.write_row(1).await;
    let has_rows = true;
    let expected = Mismatch::NoDatabaseId { backend, has_rows };
    assert_eq!(mismatch(empty.halves().join().await), expected);
}

#[tokio::test]
async fn halves_of_two_stores_are_a_mismatch() {
    let (one, database) = World::joined().await;
    let (two, backend) = World::joined().await;
    let mixed = one.with_backend_of(&two);
    let expected = Mismatch::DifferentIds { database, backend };
    assert_eq!(mismatch(mixed.halves().join().await), expected);
    assert_eq!(mixed.ids().await, (Some(database), Some(backend)));
}

#[tokio::test]
async fn a_store_of_version_0_1_is_joined_if_its_blobs_are_there() {
    let world = World::new().await;
    for number in 1..=20 {
        world.store_blob(number).await;
        world.write_row(number).await;
    }
    // An orphan does no harm.
    world.store_blob(99).await;
    let id = world.halves().join().await.unwrap();
    assert_eq!(world.ids().await, (Some(id), Some(id)));
}

#[tokio::test]
async fn halves_without_ids_that_do_not_match_are_a_mismatch() {
    let rows_only = World::new().await;
    rows_only.write_row(1).await;
    rows_only.write_row(2).await;
    let expected = Mismatch::RowsWithoutBlobs {
        rows: 2,
        missing: 2,
    };
    assert_eq!(mismatch(rows_only.halves().join().await), expected);
    let before = check_new_backend(&rows_only.database).await;
    assert_eq!(mismatch(before), expected);

    let blobs_only = World::new().await;
    blobs_only.store_blob(1).await;
    let expected = Mismatch::BlobsWithoutRows;
    assert_eq!(mismatch(blobs_only.halves().join().await), expected);
    let before = check_new_database(&blobs_only.open_backend()).await;
    assert_eq!(mismatch(before), expected);

    // The only blob is damaged.
    let damaged = World::new().await;
    damaged.store_blob(1).await;
    damaged.backend.damage(row(1).id);
    assert_eq!(mismatch(damaged.halves().join().await), expected);
    let before = check_new_database(&damaged.open_backend()).await;
    assert_eq!(mismatch(before), expected);

    // An old copy of the blobs beside a newer database.
    let stale = World::new().await;
    for number in 1..=10 {
        stale.write_row(number).await;
    }
    for number in 1..=5 {
        stale.store_blob(number).await;
    }
    let expected = Mismatch::RowsWithoutBlobs {
        rows: 8,
        missing: 3,
    };
    assert_eq!(mismatch(stale.halves().join().await), expected);
    for world in [rows_only, blobs_only, stale] {
        assert_eq!(world.ids().await, (None, None));
    }
}

#[tokio::test]
async fn a_crash_between_the_creations_is_completed_by_the_next_join() {
    let unavailable = BackendErrorKind::Unavailable;
    for fault in [
        // After the proposal, before the backend has the id.
        Fault::before(Operation::CreateStoreId, unavailable),
        // The backend has the id, and the database does not know.
        Fault::after(Operation::CreateStoreId, unavailable),
        // Before the id is confirmed.
        Fault::before(Operation::CreateStoreId, unavailable).nth(2),
        Fault::after(Operation::CreateStoreId, unavailable).nth(2),
    ] {
        for is_old_store in [false, true] {
            let world = World::new().await;
            if is_old_store {
                world.store_blob(1).await;
                world.write_row(1).await;
            }
            world.backend.inject(fault.clone());
            let crashed = world.halves().join().await;
            assert!(matches!(crashed, Err(JoinError::Failed(_))), "{crashed:?}");
            assert_eq!(world.ids().await.0, None, "{fault:?}");
            let interrupted = world.ids().await.1;

            let id = world.halves().join().await.unwrap();
            assert_eq!(world.ids().await, (Some(id), Some(id)));
            assert!(interrupted.is_none_or(|interrupted| interrupted == id));
        }
    }
}

#[tokio::test]
async fn an_interrupted_join_does_not_open_the_backend_to_another_database() {
    let world = World::new().await;
    let fault = Fault::after(Operation::CreateStoreId, BackendErrorKind::Unavailable);
    world.backend.inject(fault);
    world.halves().join().await.unwrap_err();
    let backend = world.backend.store_id().await.unwrap().unwrap();

    let other = World::new().await.with_backend_of(&world);
    let has_rows = false;
    let expected = Mismatch::NoDatabaseId { backend, has_rows };
    assert_eq!(mismatch(other.halves().join().await), expected);
    assert_eq!(world.halves().join().await.unwrap(), backend);
}

#[tokio::test]
async fn a_failing_half_is_an_error_and_not_a_mismatch() {
    for operation in [
        Operation::ReadStoreId,
        Operation::List,
        Operation::CreateStoreId,
    ] {
        let world = World::new().await;
        let kind = BackendErrorKind::PermissionDenied;
        world.backend.inject(Fault::before(operation, kind));
        let failed = world.halves().join().await;
        assert!(matches!(failed, Err(JoinError::Failed(_))), "{failed:?}");
        assert_eq!(world.ids().await, (None, None));
        world.halves().join().await.unwrap();
    }
    let old = World::new().await;
    old.write_row(1).await;
    let kind = BackendErrorKind::Unavailable;
    old.backend.inject(Fault::before(Operation::Stat, kind));
    let failed = old.halves().join().await;
    assert!(matches!(failed, Err(JoinError::Failed(_))), "{failed:?}");
    // A damaged blob is not a missing one.
    let kind = BackendErrorKind::Corrupt;
    old.backend.inject(Fault::before(Operation::Stat, kind));
    old.halves().join().await.unwrap();
}

#[tokio::test]
async fn adopt_joins_any_two_halves() {
    let (one, first) = World::joined().await;
    let (two, second) = World::joined().await;
    let empty = World::new().await;
    let blobs = World::new().await;
    blobs.store_blob(1).await;
    let rows = World::new().await;
    rows.write_row(7).await;
    let any = |_: StoreId| true;
    let is_first = move |id: StoreId| id == first;
    let is_second = move |id: StoreId| id == second;
    let cases: [(&World, &dyn Fn(StoreId) -> bool); 5] = [
        (&rows, &any),
        (&blobs, &any),
        (&one.with_backend_of(&empty), &is_first),
        (&empty.with_backend_of(&two), &is_second),
        (&one.with_backend_of(&two), &is_second),
    ];
    for (world, is_expected) in cases {
        mismatch(world.halves().join().await);
        let id = world.halves().adopt().await.unwrap();
        assert!(is_expected(id));
        assert_eq!(world.ids().await, (Some(id), Some(id)));
        assert_eq!(world.halves().join().await.unwrap(), id);
        assert_eq!(world.halves().adopt().await.unwrap(), id);
    }
    // The rows are still those that they were.
    let kept = rows.database.catalog.get(row(7).id).await.unwrap();
    assert_eq!(kept, Some(row(7)));
    // The database of `one` left its former backend, which is refused now.
    mismatch(
        World::joined()
            .await
            .0
            .with_backend_of(&one)
            .halves()
            .join()
            .await,
    );
}

#[tokio::test]
async fn a_half_in_memory_is_only_combined_with_a_half_without_an_id() {
    let empty = World::new().await;
    empty.halves().check_unpaired().await.unwrap();
    empty.store_blob(1).await;
    empty.halves().check_unpaired().await.unwrap();
    assert_eq!(empty.ids().await, (None, None));

    let (lasting, id) = World::joined().await;
    let new_backend = lasting.with_backend_of(&World::new().await);
    let found = mismatch(new_backend.halves().check_unpaired().await);
    let (database, has_blobs) = (id, false);
    let expected = Mismatch::NoBackendId {
        database,
        has_blobs,
    };
    assert_eq!(found, expected);
    let new_database = World::new().await.with_backend_of(&lasting);
    let found = mismatch(new_database.halves().check_unpaired().await);
    let (backend, has_rows) = (id, false);
    assert_eq!(found, Mismatch::NoDatabaseId { backend, has_rows });
}

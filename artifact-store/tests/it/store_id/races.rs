//! Servers that start at the same time.

use artifact_backend::Operation;
use artifact_backend_conformance::Point;
use artifact_store::Mismatch;
use futures_util::future::join_all;

use super::{World, mismatch};

/// Joins the halves while another server waits at a point of its own join. Then lets the other go on,
/// and returns its result.
async fn join_during(
    world: &World,
    other: &World,
    operation: Operation,
    point: Point,
) -> Result<artifact_store::StoreId, artifact_store::JoinError> {
    let hold = other.backend.hold(operation, point);
    let halves = other.halves();
    let waiting = tokio::spawn(async move { halves.join().await });
    hold.reached().await;
    let id = world.halves().join().await.unwrap();
    assert_eq!(world.ids().await, (Some(id), Some(id)));
    if other.ids().await.1 == Some(id) {
        // A deposit whose row is not written yet.
        world.store_blob(1).await;
    }
    hold.release();
    waiting.await.unwrap()
}

const POINTS: [(Operation, Point); 5] = [
    (Operation::ReadStoreId, Point::Before),
    (Operation::ReadStoreId, Point::After),
    (Operation::List, Point::Before),
    (Operation::CreateStoreId, Point::Before),
    (Operation::CreateStoreId, Point::After),
];

#[tokio::test]
async fn a_server_that_joins_during_another_join_never_refuses_it() {
    for (operation, point) in POINTS {
        let world = World::new().await;
        let joined = join_during(&world, &world, operation, point).await;
        let (database, backend) = world.ids().await;
        assert_eq!(joined.ok(), database, "{operation} {point:?}");
        assert_eq!(backend, database);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn servers_that_start_at_once_agree() {
    for _ in 0..50 {
        let world = World::new().await;
        let joins = (0..8).map(|_| {
            let halves = world.halves();
            tokio::spawn(async move { halves.join().await })
        });
        let joined = join_all(joins.collect::<Vec<_>>()).await;
        let first = world.ids().await.0.unwrap();
        for id in joined {
            assert_eq!(id.unwrap().unwrap(), first);
        }
    }
}

#[tokio::test]
async fn of_two_databases_on_one_backend_one_is_refused() {
    for (operation, point) in POINTS {
        let world = World::new().await;
        let other = World::new().await.with_backend_of(&world);
        // The server that waits after its create has already won.
        if (operation, point) == (Operation::CreateStoreId, Point::After) {
            continue;
        }
        let refused = mismatch(join_during(&world, &other, operation, point).await);
        let backend = world.ids().await.1.unwrap();
        let expected = [
            Mismatch::NoDatabaseId {
                backend,
                has_rows: false,
            },
            Mismatch::BlobsWithoutRows,
        ];
        assert!(expected.contains(&refused), "{operation}: {refused:?}");
    }
}

#[tokio::test]
async fn of_two_backends_on_one_database_one_is_refused() {
    for (operation, point) in POINTS {
        let world = World::new().await;
        let other = world.with_backend_of(&World::new().await);
        let refused = mismatch(join_during(&world, &other, operation, point).await);
        let joined = world.ids().await.0.unwrap();
        assert!(
            matches!(
                refused,
                Mismatch::NoBackendId { database, .. } | Mismatch::DifferentIds { database, .. }
                    if database == joined
            ),
            "{operation} {point:?}: {refused:?}"
        );
    }
}

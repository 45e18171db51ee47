//! A backend or a catalog that never answers: the deposit fails at the commit time-out.

use std::time::Duration;

use artifact_backend::Operation;
use artifact_store::{ErrorKind, StoreConfig};
use tokio::time::Instant;

use crate::support::{Fault, World, bytes};

const LIMIT: Duration = Duration::from_secs(90);
const SMALL: usize = 1000;
const LARGE: usize = 3 << 20;

async fn world() -> World {
    World::with(StoreConfig::default().with_commit_timeout(LIMIT)).await
}

/// Deposits while one operation hangs. Returns after how long, on the paused clock, the deposit failed.
async fn time_to_fail(world: &World, size: usize) -> Duration {
    let start = Instant::now();
    let body = bytes(size);
    let deposit = world.deposit(&body, 128 << 10);
    // A deposit without a time-out must fail the test, not hang it.
    let result = tokio::time::timeout(Duration::from_hours(1), deposit).await;
    let error = result.expect("the deposit must end").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(
        error.to_string().contains("commit time-out of 90 s"),
        "{error}"
    );
    start.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_never_answers_is_unavailable_at_the_commit_timeout() {
    for (operation, size) in [
        (Operation::Store, SMALL),
        (Operation::Upload, LARGE),
        (Operation::Write, LARGE),
        (Operation::Commit, LARGE),
    ] {
        let world = world().await;
        world.backend.fail(operation, Fault::Hang);
        let elapsed = time_to_fail(&world, size).await;
        assert!(
            (LIMIT..LIMIT + Duration::from_millis(2)).contains(&elapsed),
            "{operation}: {elapsed:?}"
        );
        // The next deposit is independent of the one that failed.
        world.deposit(&bytes(size), 128 << 10).await.unwrap();
        assert_eq!(world.catalog.inserted().len(), 1, "{operation}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_catalog_that_never_answers_is_unavailable_at_the_commit_timeout() {
    let world = world().await;
    world.catalog.fail_insert(Fault::Hang);
    let elapsed = time_to_fail(&world, SMALL).await;
    assert!(
        (LIMIT..LIMIT + Duration::from_millis(2)).contains(&elapsed),
        "{elapsed:?}"
    );
    assert_eq!(world.catalog.inserted(), []);
}

#[tokio::test(start_paused = true)]
async fn the_attempts_under_other_ids_share_the_commit_timeout() {
    let world = world().await;
    world.backend.fail(
        Operation::Store,
        Fault::After(artifact_backend::ErrorKind::Ambiguous),
    );
    world.backend.fail(Operation::Store, Fault::Hang);
    let elapsed = time_to_fail(&world, SMALL).await;
    assert!(
        (LIMIT..LIMIT + Duration::from_millis(2)).contains(&elapsed),
        "{elapsed:?}"
    );
    let stores = world.backend.calls();
    assert_eq!(stores, [Operation::Store, Operation::Store]);
}

//! Clause 13: the store id is created once, never changes and is not a blob.

use std::sync::Arc;
use std::time::Duration;

use artifact_backend::{ArtifactId, ArtifactInventory, StoreId, SweepReport};
use tokio::sync::Barrier;

use super::race::Backend;
use crate::case::{Context, Outcome, Stop, cases, ensure};
use crate::check::{check_absent, check_present, list, ok, poll_then_drop};
use crate::data::noise;
use crate::suite::panic_text;

cases!("store-id":
    a_new_storage_has_no_store_id,
    the_first_create_decides,
    a_race_of_16_creates_has_one_winner,
    a_race_across_two_handles_has_one_winner,
    the_store_id_outlives_its_handle,
    a_dropped_create_leaves_no_id_or_the_whole_id,
    the_store_id_is_not_a_blob,
    deletes_and_sweeps_spare_the_store_id,
    a_lost_storage_is_an_error_and_not_a_missing_store_id,
);

const RACERS: usize = 16;

/// Checks that the storage has this store id, and that a create does not change it.
async fn check_store_id(
    backend: &dyn ArtifactInventory,
    expected: StoreId,
    label: &str,
) -> Outcome {
    for _ in 0..2 {
        let found = ok(backend.store_id().await, &format!("store_id {label}"))?;
        ensure!(
            found == Some(expected),
            "store_id {label} returned {found:?} instead of {expected}"
        );
        let created = backend.create_store_id(StoreId::mint()).await;
        let created = ok(created, &format!("a create {label}"))?;
        ensure!(
            created == expected,
            "a create {label} returned {created} instead of {expected}"
        );
    }
    Ok(())
}

async fn a_new_storage_has_no_store_id(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    for label in ["of a new storage", "of a storage with a blob"] {
        let found = ok(backend.store_id().await, &format!("store_id {label}"))?;
        ensure!(found.is_none(), "store_id {label} returned {found:?}");
        ok(
            backend.store(ArtifactId::mint(), noise(1, 9)).await,
            "store",
        )?;
    }
    Ok(())
}

async fn the_first_create_decides(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let id = StoreId::mint();
    let created = ok(backend.create_store_id(id).await, "the first create")?;
    ensure!(
        created == id,
        "the first create returned {created} instead of {id}"
    );
    let again = ok(backend.create_store_id(id).await, "the same create again")?;
    ensure!(
        again == id,
        "the same create again returned {again} instead of {id}"
    );
    check_store_id(&*backend, id, "after the first").await
}

async fn race(handles: &[Backend]) -> Outcome {
    let start = Arc::new(Barrier::new(RACERS));
    let tasks: Vec<_> = handles
        .iter()
        .cycle()
        .take(RACERS)
        .map(|handle| {
            let (handle, start) = (Arc::clone(handle), Arc::clone(&start));
            tokio::spawn(async move {
                let mine = StoreId::mint();
                start.wait().await;
                (mine, handle.create_store_id(mine).await)
            })
        })
        .collect();
    let (mut minted, mut returned) = (Vec::new(), Vec::new());
    for task in tasks {
        let (mine, created) = task
            .await
            .map_err(|error| Stop::Failed(panic_text(error)))?;
        minted.push(mine);
        returned.push(ok(created, "a create in a race")?);
    }
    let winner = returned[0];
    ensure!(
        minted.contains(&winner),
        "the creates of a race returned {winner}, which none of them brought"
    );
    for other in returned {
        ensure!(
            other == winner,
            "two creates of a race returned {winner} and {other}"
        );
    }
    for handle in handles {
        check_store_id(&**handle, winner, "after the race").await?;
    }
    Ok(())
}

async fn a_race_of_16_creates_has_one_winner(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    race(&[storage.backend()]).await
}

async fn a_race_across_two_handles_has_one_winner(context: Context) -> Outcome {
    let storage = context.fresh_reopenable().await?;
    race(&[storage.backend(), storage.second_handle().await?]).await
}

async fn the_store_id_outlives_its_handle(context: Context) -> Outcome {
    let mut storage = context.fresh_reopenable().await?;
    let id = StoreId::mint();
    ok(storage.backend().create_store_id(id).await, "the create")?;
    for _ in 0..2 {
        let backend = storage.reopen().await?;
        check_store_id(&*backend, id, "after a reopen").await?;
    }
    Ok(())
}

async fn a_dropped_create_leaves_no_id_or_the_whole_id(context: Context) -> Outcome {
    for polls in 0..8 {
        let storage = context.fresh().await?;
        let backend = storage.backend();
        let id = StoreId::mint();
        poll_then_drop(backend.create_store_id(id), polls).await;
        let found = ok(backend.store_id().await, "store_id after a dropped create")?;
        ensure!(
            found.is_none_or(|found| found == id),
            "store_id after a create that was dropped at await point {polls} returned {found:?}"
        );
        let again = ok(
            backend.create_store_id(id).await,
            "a create after a dropped create",
        )?;
        ensure!(
            again == id,
            "the same create after a dropped one returned {again} instead of {id}"
        );
        check_store_id(&*backend, id, "after a dropped create").await?;
    }
    Ok(())
}

async fn the_store_id_is_not_a_blob(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let id = StoreId::mint();
    ok(backend.create_store_id(id).await, "the create")?;
    let listed = list(&*backend).await?;
    ensure!(
        listed.is_empty(),
        "list shows {listed:?} in a storage that has only a store id"
    );
    // The artifact id with the same bits is the nearest that a caller can come to the store id.
    let near = ArtifactId::from_bytes(*id.as_bytes());
    check_absent(
        &*backend,
        near,
        "the artifact id with the bits of the store id",
    )
    .await?;
    let bytes = noise(1, 3_000);
    let stored = backend.store(near, bytes.clone()).await;
    ok(stored, "a store under the bits of the store id")?;
    check_store_id(&*backend, id, "beside a blob of the same bits").await?;
    check_present(
        &*backend,
        near,
        &bytes,
        "the blob with the bits of the store id",
    )
    .await
}

async fn deletes_and_sweeps_spare_the_store_id(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let id = StoreId::mint();
    ok(backend.create_store_id(id).await, "the create")?;
    let near = ArtifactId::from_bytes(*id.as_bytes());
    ok(backend.delete(near).await, "delete")?;
    check_store_id(&*backend, id, "after a delete").await?;
    for older_than in [Duration::ZERO, Duration::MAX] {
        let report = ok(backend.sweep(older_than).await, "sweep")?;
        ensure!(
            report == SweepReport::default(),
            "sweep of a storage that has only a store id reports {report:?}"
        );
        check_store_id(&*backend, id, "after a sweep").await?;
    }
    Ok(())
}

async fn a_lost_storage_is_an_error_and_not_a_missing_store_id(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    storage.lose().await?;
    let found = backend.store_id().await;
    ensure!(
        found.is_err(),
        "store_id of a lost storage returned {found:?}"
    );
    Ok(())
}

//! Clause 10: nothing outside the root or prefix is read or written, whatever is planted inside it.

use std::time::Duration;

use artifact_backend::{ArtifactId, ByteRange, ErrorKind};

use bytes::Bytes;

use super::race::Backend;
use crate::case::{Context, Outcome, Stop, cases, ensure};
use crate::check::{chain, check_bytes, check_present, list_with_damage, ok, read, upload};
use crate::data::noise;
use crate::storage::Storage;

cases!("contained":
    planted_objects_are_never_read,
    planted_objects_are_never_written_through,
    planted_objects_are_not_treated_as_blobs,
);

/// Runs `test` on a new storage with one blob for each plant, then lets the plant check that nothing outside was touched.
pub(super) async fn for_each_plant<F, Fut>(context: Context, test: F) -> Outcome
where
    F: Fn(Backend, ArtifactId) -> Fut + Send + Sync,
    Fut: Future<Output = Outcome> + Send,
{
    let mut storage = context.fresh().await?;
    let plants = storage.plants().len();
    if plants == 0 {
        let reason = "the storage has no `with_plant`";
        return Err(Stop::Skipped(reason.into()));
    }
    for number in 0..plants {
        if number > 0 {
            storage = context.fresh().await?;
        }
        run_with_plant(&storage, number, &test).await?;
    }
    Ok(())
}

async fn run_with_plant<F, Fut>(storage: &Storage, number: usize, test: &F) -> Outcome
where
    F: Fn(Backend, ArtifactId) -> Fut + Send + Sync,
    Fut: Future<Output = Outcome> + Send,
{
    let plant = storage.plants().get(number).cloned();
    let Some(plant) = plant else {
        return Err(Stop::Failed(
            "each new storage must have the same plants".into(),
        ));
    };
    let backend = storage.backend();
    let before = (ArtifactId::mint(), noise(1, 3_000));
    ok(backend.store(before.0, before.1.clone()).await, "store")?;
    let id = ArtifactId::mint();
    let planted = plant.plant(id).await;
    planted.map_err(|error| {
        Stop::Failed(format!(
            "{} could not be planted: {}",
            plant.name(),
            chain(&*error)
        ))
    })?;
    let outcome = test(backend.clone(), id).await;
    let touched = plant.check().await;
    let name = plant.name();
    touched.map_err(|error| {
        Stop::Failed(format!(
            "{name}: an object outside the storage was touched: {}",
            chain(&*error)
        ))
    })?;
    outcome.map_err(|stop| match stop {
        Stop::Failed(reason) => Stop::Failed(format!("{name}: {reason}")),
        skipped @ Stop::Skipped(_) => skipped,
    })?;
    check_present(
        &*backend,
        before.0,
        &before.1,
        "a blob stored before the object was planted",
    )
    .await?;
    let after = ArtifactId::mint();
    ok(
        backend.store(after, before.1.clone()).await,
        "a store next to a planted object",
    )?;
    check_present(
        &*backend,
        after,
        &before.1,
        "a blob stored after the object was planted",
    )
    .await
}

async fn planted_objects_are_never_read(context: Context) -> Outcome {
    for_each_plant(context, |backend, id| async move {
        let results = [
            ("load", backend.load(id).await),
            ("download", read(&*backend, id, ByteRange::Full).await),
            (
                "a range download",
                read(&*backend, id, ByteRange::Suffix(1)).await,
            ),
        ];
        for (label, result) in results {
            let length = result.as_ref().map_or(0, Bytes::len);
            ensure!(
                result.is_err(),
                "{label} returned {length} bytes that were never stored"
            );
        }
        Ok(())
    })
    .await
}

async fn planted_objects_are_never_written_through(context: Context) -> Outcome {
    for_each_plant(context, |backend, id| async move {
        let bytes = noise(2, 2_000);
        for by_upload in [false, true] {
            let result = if by_upload {
                upload(&*backend, id, [bytes.clone()]).await
            } else {
                backend.store(id, bytes.clone()).await
            };
            if result.is_ok() {
                // A store may replace the planted object, but then its bytes must be readable.
                let found = ok(backend.load(id).await, "load of an acknowledged store")?;
                check_bytes(&found, &bytes, "an acknowledged store")?;
                break;
            }
        }
        Ok(())
    })
    .await
}

async fn planted_objects_are_not_treated_as_blobs(context: Context) -> Outcome {
    for_each_plant(context, |backend, id| async move {
        let stat = backend.stat(id).await;
        ensure!(
            stat.is_err(),
            "stat reports the planted object as a blob: {stat:?}"
        );
        let (whole, damaged) = list_with_damage(&*backend).await?;
        ensure!(
            !whole.contains(&id),
            "list shows the planted object as a blob"
        );
        ensure!(
            whole.len() == 1,
            "list shows {} blobs, but one is stored",
            whole.len()
        );
        ensure!(
            damaged.iter().all(|damaged| *damaged == id),
            "list reports whole blobs as damaged"
        );
        ok(backend.sweep(Duration::ZERO).await, "sweep")?;
        if let Err(error) = backend.delete(id).await {
            let refused = matches!(
                error.kind(),
                ErrorKind::Corrupt | ErrorKind::PermissionDenied | ErrorKind::Misconfigured
            );
            ensure!(refused, "delete fails with {:?}", error.kind());
        }
        Ok(())
    })
    .await
}

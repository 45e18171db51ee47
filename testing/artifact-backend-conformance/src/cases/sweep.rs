//! Clause 11: a sweep removes leftovers and nothing else.

use std::time::Duration;

use artifact_backend::{ArtifactId, ErrorKind};

use crate::case::{Context, Outcome, cases, ensure};
use crate::check::{check_present, check_swept, fails, list, ok, upload};
use crate::data::{KIB, cut, noise};

cases!("inventory":
    sweep_spares_every_blob,
    sweep_spares_uploads_in_flight,
    sweep_by_another_handle_spares_uploads_in_flight,
    sweep_of_an_empty_storage_finds_nothing,
);

async fn sweep_spares_every_blob(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let mut blobs = Vec::new();
    for (number, size) in (0..).zip([0, 1, 5_000, 300 * KIB]) {
        let bytes = noise(number, size);
        let [stored, uploaded] = [ArtifactId::mint(), ArtifactId::mint()];
        ok(backend.store(stored, bytes.clone()).await, "store")?;
        ok(
            upload(&*backend, uploaded, cut(&bytes, &[70_000])).await,
            "upload",
        )?;
        blobs.push((stored, bytes.clone()));
        blobs.push((uploaded, bytes));
    }
    for _ in 0..3 {
        ok(backend.sweep(Duration::ZERO).await, "sweep")?;
    }
    for (id, bytes) in &blobs {
        check_present(&*backend, *id, bytes, "a blob after a sweep").await?;
    }
    let listed = list(&*backend).await?.len();
    ensure!(
        listed == blobs.len(),
        "list shows {listed} of {} blobs after a sweep",
        blobs.len()
    );
    Ok(())
}

async fn check_uploads_survive_sweeps(context: &Context, second_handle: bool) -> Outcome {
    let storage = if second_handle {
        context.fresh_reopenable().await?
    } else {
        context.fresh().await?
    };
    let backend = storage.backend();
    let sweeper = if second_handle {
        storage.second_handle().await?
    } else {
        storage.backend()
    };
    for lengths in [&[][..], &[1_000], &[100 * KIB, 100 * KIB, 1]] {
        let id = ArtifactId::mint();
        let mut bytes = Vec::new();
        let mut upload = ok(backend.upload(id).await, "upload")?;
        ok(sweeper.sweep(Duration::ZERO).await, "sweep")?;
        for (number, length) in (0..).zip(lengths) {
            let chunk = noise(number, *length);
            bytes.extend_from_slice(&chunk);
            ok(upload.write(chunk).await, "write after a sweep")?;
            ok(sweeper.sweep(Duration::ZERO).await, "sweep")?;
        }
        ok(upload.commit().await, "commit after a sweep")?;
        ok(sweeper.sweep(Duration::ZERO).await, "sweep")?;
        check_present(
            &*backend,
            id,
            &bytes,
            "an upload during which the storage was swept",
        )
        .await?;
        let again = backend.store(id, noise(9, 9)).await;
        fails(again, ErrorKind::AlreadyExists, "a store over the upload")?;
    }
    check_swept(context, &storage).await
}

async fn sweep_spares_uploads_in_flight(context: Context) -> Outcome {
    check_uploads_survive_sweeps(&context, false).await
}

async fn sweep_by_another_handle_spares_uploads_in_flight(context: Context) -> Outcome {
    check_uploads_survive_sweeps(&context, true).await
}

async fn sweep_of_an_empty_storage_finds_nothing(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    for older_than in [Duration::ZERO, Duration::from_secs(3600), Duration::MAX] {
        let report = ok(backend.sweep(older_than).await, "sweep")?;
        ensure!(
            report == artifact_backend::SweepReport::default(),
            "sweep of an empty storage reports {report:?}"
        );
    }
    Ok(())
}

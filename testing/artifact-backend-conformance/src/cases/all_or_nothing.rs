//! Clause 6: an error, or an aborted or dropped upload, leaves nothing or the whole blob, and no leftover
//! that sweep cannot find. The module `dropped` tests futures that are dropped half-way.

use artifact_backend::{ArtifactId, ErrorKind};

use crate::case::{Context, Outcome, cases};
use crate::check::{check_absent, check_present, check_swept, fails, ok};
use crate::data::{KIB, noise};

cases!("all-or-nothing":
    an_aborted_upload_leaves_nothing,
    a_dropped_upload_leaves_nothing,
    an_id_can_be_stored_after_its_upload_was_aborted_or_dropped,
    a_losing_commit_leaves_no_leftover,
    a_losing_store_leaves_no_leftover,
    committed_uploads_and_stores_leave_no_leftover,
);

/// Numbers of written bytes: none, few, and more than a buffer holds.
const SIZES: [usize; 4] = [0, 1, 5_000, 700 * KIB];

async fn an_aborted_upload_leaves_nothing(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    for len in SIZES {
        let id = ArtifactId::mint();
        let mut upload = ok(backend.upload(id).await, "upload")?;
        ok(upload.write(noise(1, len)).await, "write")?;
        ok(upload.abort().await, "abort")?;
        check_absent(&*backend, id, "an aborted upload").await?;
    }
    check_swept(&context, &storage).await
}

async fn a_dropped_upload_leaves_nothing(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let mut ids = Vec::new();
    for len in SIZES {
        let id = ArtifactId::mint();
        let mut upload = ok(backend.upload(id).await, "upload")?;
        ok(upload.write(noise(1, len)).await, "write")?;
        drop(upload);
        check_absent(&*backend, id, "a dropped upload").await?;
        ids.push(id);
    }
    check_swept(&context, &storage).await?;
    for id in ids {
        check_absent(&*backend, id, "a dropped upload after a sweep").await?;
    }
    Ok(())
}

async fn an_id_can_be_stored_after_its_upload_was_aborted_or_dropped(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    for abort in [true, false] {
        let id = ArtifactId::mint();
        let mut upload = ok(backend.upload(id).await, "upload")?;
        ok(upload.write(noise(1, 5_000)).await, "write")?;
        if abort {
            ok(upload.abort().await, "abort")?;
        } else {
            drop(upload);
        }
        let bytes = noise(2, 3_000);
        ok(
            backend.store(id, bytes.clone()).await,
            "a store after the upload was aborted or dropped",
        )?;
        check_swept(&context, &storage).await?;
        check_present(&*backend, id, &bytes, "the blob stored after the upload").await?;
    }
    Ok(())
}

async fn a_losing_commit_leaves_no_leftover(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let id = ArtifactId::mint();
    let mut upload = ok(backend.upload(id).await, "upload")?;
    ok(upload.write(noise(1, 300 * KIB)).await, "write")?;
    let winner = noise(2, 1_000);
    ok(backend.store(id, winner.clone()).await, "store")?;
    let loser = upload.commit().await;
    fails(loser, ErrorKind::AlreadyExists, "the losing commit")?;
    check_swept(&context, &storage).await?;
    check_present(&*backend, id, &winner, "the winner's blob").await
}

async fn a_losing_store_leaves_no_leftover(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let id = ArtifactId::mint();
    let winner = noise(1, 1_000);
    ok(backend.store(id, winner.clone()).await, "store")?;
    for number in 0..4 {
        let loser = backend.store(id, noise(number, 300 * KIB)).await;
        fails(loser, ErrorKind::AlreadyExists, "the losing store")?;
    }
    check_swept(&context, &storage).await?;
    check_present(&*backend, id, &winner, "the winner's blob").await
}

async fn committed_uploads_and_stores_leave_no_leftover(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let [stored, uploaded] = [ArtifactId::mint(), ArtifactId::mint()];
    let bytes = noise(1, 300 * KIB);
    ok(backend.store(stored, bytes.clone()).await, "store")?;
    let mut upload = ok(backend.upload(uploaded).await, "upload")?;
    ok(upload.write(bytes.clone()).await, "write")?;
    ok(upload.commit().await, "commit")?;
    check_swept(&context, &storage).await?;
    check_present(&*backend, stored, &bytes, "the stored blob").await?;
    check_present(&*backend, uploaded, &bytes, "the uploaded blob").await
}

//! Clause 3: acknowledged changes are visible to the next process that opens the storage.
//!
//! The suite cannot cut the power. It checks that nothing depends on the handle, by dropping the handle without
//! a shutdown and opening another.

use artifact_backend::{ArtifactId, ErrorKind};
use bytes::Bytes;

use crate::case::{Context, Outcome, cases};
use crate::check::{check_absent, check_present, fails, ok, upload};
use crate::data::{KIB, cut, noise};

cases!("durable":
    a_stored_blob_outlives_its_handle,
    an_uploaded_blob_outlives_its_handle,
    a_delete_outlives_its_handle,
    a_reopened_storage_still_returns_already_exists,
    a_dropped_upload_is_absent_after_a_reopen,
    a_second_handle_sees_acknowledged_changes_at_once,
);

async fn a_stored_blob_outlives_its_handle(context: Context) -> Outcome {
    let mut storage = context.fresh_reopenable().await?;
    let blobs: Vec<(ArtifactId, Bytes)> = [0, 1, 4_096, 300 * KIB]
        .into_iter()
        .map(|len| (ArtifactId::mint(), noise(len as u64, len)))
        .collect();
    for (id, bytes) in &blobs {
        ok(storage.backend().store(*id, bytes.clone()).await, "store")?;
    }
    for _ in 0..2 {
        let backend = storage.reopen().await?;
        for (id, bytes) in &blobs {
            check_present(&*backend, *id, bytes, "a stored blob after a reopen").await?;
        }
    }
    Ok(())
}

async fn an_uploaded_blob_outlives_its_handle(context: Context) -> Outcome {
    let mut storage = context.fresh_reopenable().await?;
    let id = ArtifactId::mint();
    let bytes = noise(1, 900 * KIB);
    ok(
        upload(&*storage.backend(), id, cut(&bytes, &[100_001])).await,
        "upload",
    )?;
    let backend = storage.reopen().await?;
    check_present(&*backend, id, &bytes, "an uploaded blob after a reopen").await
}

async fn a_delete_outlives_its_handle(context: Context) -> Outcome {
    let mut storage = context.fresh_reopenable().await?;
    let [deleted, kept] = [ArtifactId::mint(), ArtifactId::mint()];
    let bytes = noise(1, 5_000);
    ok(
        storage.backend().store(deleted, bytes.clone()).await,
        "store",
    )?;
    ok(storage.backend().store(kept, bytes.clone()).await, "store")?;
    ok(storage.backend().delete(deleted).await, "delete")?;
    let backend = storage.reopen().await?;
    check_absent(&*backend, deleted, "a deleted blob after a reopen").await?;
    check_present(&*backend, kept, &bytes, "the other blob after a reopen").await
}

async fn a_reopened_storage_still_returns_already_exists(context: Context) -> Outcome {
    let mut storage = context.fresh_reopenable().await?;
    let id = ArtifactId::mint();
    let bytes = noise(1, 5_000);
    ok(storage.backend().store(id, bytes.clone()).await, "store")?;
    let backend = storage.reopen().await?;
    let second = backend.store(id, noise(2, 10)).await;
    fails(
        second,
        ErrorKind::AlreadyExists,
        "a second store after a reopen",
    )?;
    let third = upload(&*backend, id, [noise(3, 10)]).await;
    fails(third, ErrorKind::AlreadyExists, "an upload after a reopen")?;
    check_present(&*backend, id, &bytes, "the first blob").await
}

async fn a_dropped_upload_is_absent_after_a_reopen(context: Context) -> Outcome {
    let mut storage = context.fresh_reopenable().await?;
    let id = ArtifactId::mint();
    let mut upload = ok(storage.backend().upload(id).await, "upload")?;
    ok(upload.write(noise(1, 200 * KIB)).await, "write")?;
    drop(upload);
    let backend = storage.reopen().await?;
    check_absent(&*backend, id, "a dropped upload after a reopen").await?;
    let bytes = noise(2, 3_000);
    ok(
        backend.store(id, bytes.clone()).await,
        "a store under the id of the dropped upload",
    )?;
    check_present(&*backend, id, &bytes, "the blob stored after the reopen").await
}

async fn a_second_handle_sees_acknowledged_changes_at_once(context: Context) -> Outcome {
    let storage = context.fresh_reopenable().await?;
    let first = storage.backend();
    let second = storage.second_handle().await?;
    let handles = [&*first, &*second];
    for (writer, reader) in [(0, 1), (1, 0)] {
        let id = ArtifactId::mint();
        let bytes = noise(writer as u64, 5_000);
        // This read comes first, so that a cached absence shows up in the next read.
        check_absent(handles[reader], id, "a blob that is not stored yet").await?;
        ok(handles[writer].store(id, bytes.clone()).await, "store")?;
        check_present(
            handles[reader],
            id,
            &bytes,
            "a blob stored by another handle",
        )
        .await?;
        ok(handles[writer].delete(id).await, "delete")?;
        check_absent(handles[reader], id, "a blob deleted by another handle").await?;
    }
    Ok(())
}

//! Clause 6 for dropped futures: each operation is dropped at every await point that it has.
//!
//! A case drops the first future after it was pending once, the next after it was pending twice, and so on until
//! a future completes first.

use artifact_backend::{ArtifactId, ByteRange, ErrorKind, Upload};
use bytes::Bytes;

use crate::case::{Context, Outcome, cases, ensure};
use crate::check::{
    check_absent, check_absent_or_whole, check_present, check_swept, fails, ok, poll_then_drop,
    read,
};
use crate::data::{KIB, cut, noise};
use crate::storage::Storage;

cases!("all-or-nothing":
    a_store_dropped_at_any_await_point_leaves_nothing_or_the_whole_blob,
    an_upload_dropped_while_it_opens_leaves_nothing,
    an_upload_dropped_during_a_write_leaves_nothing,
    a_commit_dropped_at_any_await_point_leaves_nothing_or_the_whole_blob,
    an_abort_dropped_at_any_await_point_leaves_nothing,
    a_load_dropped_at_any_await_point_changes_nothing,
    a_download_dropped_at_any_await_point_loses_no_bytes,
    a_dropped_write_breaks_its_upload,
    a_broken_upload_can_be_aborted,
    a_cancelled_store_leaves_nothing_or_the_whole_blob,
);

const SIZE: usize = 300 * KIB;

fn bytes() -> Bytes {
    noise(1, SIZE)
}

/// Opens an upload and writes everything but the last chunk, which it returns too.
async fn open_upload(storage: &Storage, id: ArtifactId) -> Outcome<(Box<dyn Upload>, Bytes)> {
    let mut upload = ok(storage.backend().upload(id).await, "upload")?;
    let mut chunks = cut(&bytes(), &[SIZE / 3 + 1]);
    let last = chunks.pop().expect("the blob has three chunks");
    for chunk in chunks {
        ok(upload.write(chunk).await, "write")?;
    }
    Ok((upload, last))
}

async fn a_store_dropped_at_any_await_point_leaves_nothing_or_the_whole_blob(
    context: Context,
) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    for polls in 0.. {
        let id = ArtifactId::mint();
        let result = poll_then_drop(backend.store(id, bytes()), polls).await;
        if let Some(result) = result {
            ok(result, "a store that is not dropped")?;
            check_present(&*backend, id, &bytes(), "a store that is not dropped").await?;
            break;
        }
        let label = format!("a store dropped at await point {polls}");
        check_absent_or_whole(&*backend, id, &bytes(), &label).await?;
    }
    check_swept(&context, &storage).await
}

async fn an_upload_dropped_while_it_opens_leaves_nothing(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    for polls in 0.. {
        let id = ArtifactId::mint();
        if let Some(result) = poll_then_drop(backend.upload(id), polls).await {
            drop(ok(result, "an upload that is not dropped")?);
            break;
        }
        check_absent(
            &*backend,
            id,
            &format!("an upload dropped at await point {polls}"),
        )
        .await?;
        ok(
            backend.store(id, bytes()).await,
            "a store after the dropped upload",
        )?;
    }
    check_swept(&context, &storage).await
}

async fn an_upload_dropped_during_a_write_leaves_nothing(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    for polls in 0.. {
        let id = ArtifactId::mint();
        let (mut upload, last) = open_upload(&storage, id).await?;
        let done = poll_then_drop(upload.write(last), polls).await.is_some();
        drop(upload);
        check_absent(
            &*backend,
            id,
            &format!("an upload dropped at await point {polls}"),
        )
        .await?;
        ok(
            backend.store(id, bytes()).await,
            "a store after the dropped upload",
        )?;
        if done {
            break;
        }
    }
    check_swept(&context, &storage).await
}

async fn a_commit_dropped_at_any_await_point_leaves_nothing_or_the_whole_blob(
    context: Context,
) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    for polls in 0.. {
        let id = ArtifactId::mint();
        let (mut upload, last) = open_upload(&storage, id).await?;
        ok(upload.write(last).await, "write")?;
        if let Some(result) = poll_then_drop(upload.commit(), polls).await {
            ok(result, "a commit that is not dropped")?;
            check_present(&*backend, id, &bytes(), "a commit that is not dropped").await?;
            break;
        }
        let label = format!("a commit dropped at await point {polls}");
        check_absent_or_whole(&*backend, id, &bytes(), &label).await?;
    }
    check_swept(&context, &storage).await
}

async fn an_abort_dropped_at_any_await_point_leaves_nothing(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    for polls in 0.. {
        let id = ArtifactId::mint();
        let (upload, _) = open_upload(&storage, id).await?;
        let done = poll_then_drop(upload.abort(), polls).await.is_some();
        check_absent(
            &*backend,
            id,
            &format!("an abort dropped at await point {polls}"),
        )
        .await?;
        if done {
            break;
        }
    }
    check_swept(&context, &storage).await
}

async fn a_load_dropped_at_any_await_point_changes_nothing(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let id = ArtifactId::mint();
    ok(backend.store(id, bytes()).await, "store")?;
    for polls in 0.. {
        if poll_then_drop(backend.load(id), polls).await.is_some() {
            break;
        }
        check_present(&*backend, id, &bytes(), "a blob after a dropped load").await?;
    }
    check_swept(&context, &storage).await
}

async fn a_download_dropped_at_any_await_point_loses_no_bytes(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let id = ArtifactId::mint();
    ok(backend.store(id, bytes()).await, "store")?;
    for polls in 0.. {
        let whole = read(&*backend, id, ByteRange::Full);
        if poll_then_drop(whole, polls).await.is_some() {
            break;
        }
        check_present(&*backend, id, &bytes(), "a blob after a dropped download").await?;
    }
    // Dropping the future of one chunk loses nothing: the next call continues at the same position.
    let mut download = ok(backend.download(id, ByteRange::Full).await, "download")?;
    let mut found = Vec::new();
    loop {
        let chunk = match poll_then_drop(download.next(), 1).await {
            Some(chunk) => chunk,
            None => download.next().await,
        };
        let Some(chunk) = chunk else { break };
        found.extend_from_slice(&ok(chunk, "a chunk")?);
    }
    ensure!(found == bytes(), "dropping the future of `next` lost bytes");
    check_swept(&context, &storage).await
}

async fn a_dropped_write_breaks_its_upload(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    // Starts at 1, because a future that was never polled is a call that was never made.
    for polls in 1.. {
        for write_again in [true, false] {
            let id = ArtifactId::mint();
            let (mut upload, last) = open_upload(&storage, id).await?;
            if poll_then_drop(upload.write(last), polls).await.is_some() {
                // Dropped first, because a sweep must spare the data of a live upload.
                drop(upload);
                return check_swept(&context, &storage).await;
            }
            let label = format!("after a write dropped at await point {polls}");
            if write_again {
                let write = upload.write(noise(2, 100)).await;
                fails(write, ErrorKind::Unexpected, &format!("a write {label}"))?;
            }
            let commit = upload.commit().await;
            fails(
                commit,
                ErrorKind::Unexpected,
                &format!("the commit {label}"),
            )?;
            check_absent(&*backend, id, &format!("the upload {label}")).await?;
        }
    }
    Ok(())
}

async fn a_broken_upload_can_be_aborted(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    for polls in 1.. {
        let id = ArtifactId::mint();
        let (mut upload, last) = open_upload(&storage, id).await?;
        let done = poll_then_drop(upload.write(last), polls).await.is_some();
        ok(upload.abort().await, "the abort of a broken upload")?;
        check_absent(&*backend, id, "a broken upload").await?;
        if done {
            break;
        }
    }
    check_swept(&context, &storage).await
}

async fn a_cancelled_store_leaves_nothing_or_the_whole_blob(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    for round in 0..24_u32 {
        let backend = storage.backend();
        let id = ArtifactId::mint();
        let task = {
            let backend = storage.backend();
            tokio::spawn(async move { backend.store(id, bytes()).await })
        };
        // Cancels from another thread, at a moment that the scheduler decides.
        for _ in 0..round {
            tokio::task::yield_now().await;
        }
        task.abort();
        let acknowledged = matches!(task.await, Ok(Ok(())));
        if acknowledged {
            check_present(
                &*backend,
                id,
                &bytes(),
                "a store that finished before its cancellation",
            )
            .await?;
        } else {
            check_absent_or_whole(&*backend, id, &bytes(), "a cancelled store").await?;
        }
    }
    check_swept(&context, &storage).await
}

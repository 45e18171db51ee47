//! Clause 6 for futures that are dropped: each operation, at every await point that it has.
//!
//! A future is dropped after it was pending for the first time, then another after the second, and
//! so on until one is done before its turn comes.

use artifact_backend::{ArtifactId, ByteRange, ErrorKind, Upload};
use bytes::Bytes;

use crate::case::{Context, Outcome, cases, ensure};
use crate::check::{
    dropped_after, fails, is_absent, is_swept, is_there, nothing_or_whole, ok, read,
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

/// An upload with everything but the last piece written.
async fn begun(storage: &Storage, id: ArtifactId) -> Outcome<(Box<dyn Upload>, Bytes)> {
    let mut upload = ok(storage.backend().upload(id).await, "upload")?;
    let mut pieces = cut(&bytes(), &[SIZE / 3 + 1]);
    let last = pieces.pop().expect("there are three pieces");
    for piece in pieces {
        ok(upload.write(piece).await, "write")?;
    }
    Ok((upload, last))
}

async fn a_store_dropped_at_any_await_point_leaves_nothing_or_the_whole_blob(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    for polls in 0.. {
        let id = ArtifactId::mint();
        let answer = dropped_after(backend.store(id, bytes()), polls).await;
        if let Some(answer) = answer {
            ok(answer, "a store that is not dropped")?;
            is_there(&*backend, id, &bytes(), "a store that is not dropped").await?;
            break;
        }
        let what = format!("a store dropped at await point {polls}");
        nothing_or_whole(&*backend, id, &bytes(), &what).await?;
    }
    is_swept(&context, &storage).await
}

async fn an_upload_dropped_while_it_opens_leaves_nothing(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    for polls in 0.. {
        let id = ArtifactId::mint();
        if let Some(answer) = dropped_after(backend.upload(id), polls).await {
            drop(ok(answer, "an upload that is not dropped")?);
            break;
        }
        is_absent(
            &*backend,
            id,
            &format!("an upload dropped at await point {polls}"),
        )
        .await?;
        ok(backend.store(id, bytes()).await, "a store after it")?;
    }
    is_swept(&context, &storage).await
}

async fn an_upload_dropped_during_a_write_leaves_nothing(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    for polls in 0.. {
        let id = ArtifactId::mint();
        let (mut upload, last) = begun(&storage, id).await?;
        let done = dropped_after(upload.write(last), polls).await.is_some();
        drop(upload);
        is_absent(
            &*backend,
            id,
            &format!("an upload dropped at await point {polls}"),
        )
        .await?;
        ok(backend.store(id, bytes()).await, "a store after it")?;
        if done {
            break;
        }
    }
    is_swept(&context, &storage).await
}

async fn a_commit_dropped_at_any_await_point_leaves_nothing_or_the_whole_blob(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    for polls in 0.. {
        let id = ArtifactId::mint();
        let (mut upload, last) = begun(&storage, id).await?;
        ok(upload.write(last).await, "write")?;
        if let Some(answer) = dropped_after(upload.commit(), polls).await {
            ok(answer, "a commit that is not dropped")?;
            is_there(&*backend, id, &bytes(), "a commit that is not dropped").await?;
            break;
        }
        let what = format!("a commit dropped at await point {polls}");
        nothing_or_whole(&*backend, id, &bytes(), &what).await?;
    }
    is_swept(&context, &storage).await
}

async fn an_abort_dropped_at_any_await_point_leaves_nothing(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    for polls in 0.. {
        let id = ArtifactId::mint();
        let (upload, _) = begun(&storage, id).await?;
        let done = dropped_after(upload.abort(), polls).await.is_some();
        is_absent(
            &*backend,
            id,
            &format!("an abort dropped at await point {polls}"),
        )
        .await?;
        if done {
            break;
        }
    }
    is_swept(&context, &storage).await
}

async fn a_load_dropped_at_any_await_point_changes_nothing(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let id = ArtifactId::mint();
    ok(backend.store(id, bytes()).await, "store")?;
    for polls in 0.. {
        if dropped_after(backend.load(id), polls).await.is_some() {
            break;
        }
        is_there(&*backend, id, &bytes(), "a blob after a dropped load").await?;
    }
    is_swept(&context, &storage).await
}

async fn a_download_dropped_at_any_await_point_loses_no_bytes(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let id = ArtifactId::mint();
    ok(backend.store(id, bytes()).await, "store")?;
    for polls in 0.. {
        let whole = read(&*backend, id, ByteRange::Full);
        if dropped_after(whole, polls).await.is_some() {
            break;
        }
        is_there(&*backend, id, &bytes(), "a blob after a dropped download").await?;
    }
    // Dropping the future of one piece loses nothing: the next call goes on where it stood.
    let mut download = ok(backend.download(id, ByteRange::Full).await, "download")?;
    let mut found = Vec::new();
    loop {
        let piece = match dropped_after(download.next(), 1).await {
            Some(piece) => piece,
            None => download.next().await,
        };
        let Some(piece) = piece else { break };
        found.extend_from_slice(&ok(piece, "a piece")?);
    }
    ensure!(
        found == bytes(),
        "pieces were lost by dropping the future of the next one"
    );
    is_swept(&context, &storage).await
}

async fn a_dropped_write_breaks_its_upload(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    // Not from 0 on: a future that was never polled is a call that was never made.
    for polls in 1.. {
        for write_again in [true, false] {
            let id = ArtifactId::mint();
            let (mut upload, last) = begun(&storage, id).await?;
            if dropped_after(upload.write(last), polls).await.is_some() {
                // A live upload may have its leftover; sweep must spare it.
                drop(upload);
                return is_swept(&context, &storage).await;
            }
            let what = format!("after a write dropped at await point {polls}");
            if write_again {
                let write = upload.write(noise(2, 100)).await;
                fails(write, ErrorKind::Unexpected, &format!("a write {what}"))?;
            }
            let commit = upload.commit().await;
            fails(commit, ErrorKind::Unexpected, &format!("the commit {what}"))?;
            is_absent(&*backend, id, &format!("the upload {what}")).await?;
        }
    }
    Ok(())
}

async fn a_broken_upload_can_be_aborted(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    for polls in 1.. {
        let id = ArtifactId::mint();
        let (mut upload, last) = begun(&storage, id).await?;
        let done = dropped_after(upload.write(last), polls).await.is_some();
        ok(upload.abort().await, "the abort of a spoilt upload")?;
        is_absent(&*backend, id, "a spoilt upload").await?;
        if done {
            break;
        }
    }
    is_swept(&context, &storage).await
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
        // From another thread, at a moment that nobody chose.
        for _ in 0..round {
            tokio::task::yield_now().await;
        }
        task.abort();
        let acknowledged = matches!(task.await, Ok(Ok(())));
        if acknowledged {
            is_there(
                &*backend,
                id,
                &bytes(),
                "a store done before its cancellation",
            )
            .await?;
        } else {
            nothing_or_whole(&*backend, id, &bytes(), "a cancelled store").await?;
        }
    }
    is_swept(&context, &storage).await
}

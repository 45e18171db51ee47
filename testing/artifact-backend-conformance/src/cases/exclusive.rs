//! Clause 1: at most one of all stores and uploads of one id succeeds.

use artifact_backend::{ArtifactId, ErrorKind};
use bytes::Bytes;

use super::race::{Method, Racer, check_race, race};
use crate::case::{Context, Outcome, cases, ensure};
use crate::check::{check_present, fails, ok, upload};
use crate::data::{cut, noise};

cases!("exclusive":
    a_second_store_returns_already_exists,
    storing_the_same_bytes_again_returns_already_exists,
    an_empty_blob_is_not_overwritten,
    a_store_over_an_upload_returns_already_exists,
    an_upload_over_a_store_returns_already_exists,
    an_upload_does_not_reserve_its_id,
    the_first_of_two_commits_wins,
    a_race_of_64_stores_has_one_winner,
    a_race_of_64_uploads_has_one_winner,
    a_race_of_64_stores_and_uploads_has_one_winner,
    a_race_across_two_handles_has_one_winner,
);

const RACERS: u64 = 64;
const ROUNDS: u64 = 6;

async fn a_second_store_returns_already_exists(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let id = ArtifactId::mint();
    let first = noise(1, 5_000);
    ok(backend.store(id, first.clone()).await, "the first store")?;
    for len in [5_000, 0, 1, 9_000] {
        let second = backend.store(id, noise(2, len)).await;
        fails(
            second,
            ErrorKind::AlreadyExists,
            &format!("a second store of {len} bytes"),
        )?;
        check_present(&*backend, id, &first, "the first blob").await?;
    }
    Ok(())
}

async fn storing_the_same_bytes_again_returns_already_exists(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let id = ArtifactId::mint();
    let bytes = noise(1, 300);
    ok(backend.store(id, bytes.clone()).await, "the first store")?;
    let second = backend.store(id, bytes.clone()).await;
    fails(
        second,
        ErrorKind::AlreadyExists,
        "a second store of the same bytes",
    )?;
    let third = upload(&*backend, id, [bytes.clone()]).await;
    fails(
        third,
        ErrorKind::AlreadyExists,
        "an upload of the same bytes",
    )?;
    Ok(())
}

async fn an_empty_blob_is_not_overwritten(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let id = ArtifactId::mint();
    ok(
        backend.store(id, Bytes::new()).await,
        "the store of an empty blob",
    )?;
    let second = backend.store(id, noise(2, 10)).await;
    fails(
        second,
        ErrorKind::AlreadyExists,
        "a store over an empty blob",
    )?;
    check_present(&*backend, id, &[], "the empty blob").await
}

async fn a_store_over_an_upload_returns_already_exists(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let id = ArtifactId::mint();
    let first = noise(1, 5_000);
    let uploaded = upload(&*backend, id, cut(&first, &[1_234])).await;
    ok(uploaded, "the upload")?;
    let second = backend.store(id, noise(2, 5_000)).await;
    fails(
        second,
        ErrorKind::AlreadyExists,
        "a store over a committed upload",
    )?;
    check_present(&*backend, id, &first, "the upload's blob").await
}

async fn an_upload_over_a_store_returns_already_exists(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let id = ArtifactId::mint();
    let first = noise(1, 5_000);
    ok(backend.store(id, first.clone()).await, "the store")?;
    let second = upload(&*backend, id, cut(&noise(2, 6_000), &[1_234])).await;
    fails(
        second,
        ErrorKind::AlreadyExists,
        "an upload over a stored blob",
    )?;
    check_present(&*backend, id, &first, "the stored blob").await
}

async fn an_upload_does_not_reserve_its_id(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let id = ArtifactId::mint();
    let mut upload = ok(backend.upload(id).await, "the upload")?;
    ok(upload.write(noise(1, 5_000)).await, "a write")?;
    let stored = noise(2, 4_000);
    let result = backend.store(id, stored.clone()).await;
    ok(result, "a store under the id of an upload in flight")?;
    // Either the next write or the commit must report it.
    let result = match upload.write(noise(1, 10)).await {
        Ok(()) => upload.commit().await,
        Err(error) => Err(error),
    };
    fails(
        result,
        ErrorKind::AlreadyExists,
        "the rest of the losing upload",
    )?;
    check_present(&*backend, id, &stored, "the stored blob").await
}

async fn the_first_of_two_commits_wins(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let id = ArtifactId::mint();
    let mut first = ok(backend.upload(id).await, "the first upload")?;
    let mut second = ok(backend.upload(id).await, "a second upload in flight")?;
    ok(first.write(noise(1, 3_000)).await, "a write of the first")?;
    let winning = noise(2, 2_000);
    ok(second.write(winning.clone()).await, "a write of the second")?;
    ok(second.commit().await, "the commit of the second")?;
    let loser = first.commit().await;
    fails(loser, ErrorKind::AlreadyExists, "the second commit")?;
    check_present(&*backend, id, &winning, "the blob that was committed first").await
}

async fn race_of(context: Context, method: impl Fn(u64) -> Method + Send) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    for _ in 0..ROUNDS {
        let id = ArtifactId::mint();
        let racers: Vec<_> = (0..RACERS)
            .map(|number| Racer::new(&backend, method(number), number))
            .collect();
        let results = race(id, &racers).await?;
        check_race(id, &racers, &results).await?;
    }
    Ok(())
}

async fn a_race_of_64_stores_has_one_winner(context: Context) -> Outcome {
    race_of(context, |_| Method::Store).await
}

async fn a_race_of_64_uploads_has_one_winner(context: Context) -> Outcome {
    race_of(context, |_| Method::Upload).await
}

fn alternate(number: u64) -> Method {
    if number % 2 == 0 {
        Method::Store
    } else {
        Method::Upload
    }
}

async fn a_race_of_64_stores_and_uploads_has_one_winner(context: Context) -> Outcome {
    race_of(context, alternate).await
}

async fn a_race_across_two_handles_has_one_winner(context: Context) -> Outcome {
    let storage = context.fresh_reopenable().await?;
    let handles = [storage.backend(), storage.second_handle().await?];
    for _ in 0..ROUNDS {
        let id = ArtifactId::mint();
        let racers: Vec<_> = (0..RACERS)
            .zip(handles.iter().cycle())
            .map(|(number, handle)| Racer::new(handle, alternate(number / 2), number))
            .collect();
        let results = race(id, &racers).await?;
        ensure!(results.len() == racers.len(), "a racer returned no result");
        check_race(id, &racers, &results).await?;
    }
    Ok(())
}

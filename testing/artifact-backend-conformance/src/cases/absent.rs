//! Clause 5: a backend returns `NotFound` only if it knows that the blob is absent.

use artifact_backend::{ArtifactId, ByteRange, ErrorKind};
use futures_util::TryStreamExt;

use crate::case::{Context, Outcome, Stop, cases, ensure};
use crate::check::{check_absent, fails, ok};
use crate::data::noise;

cases!("absent":
    an_id_that_was_never_stored_is_not_found,
    every_range_of_an_absent_blob_is_not_found,
    an_absent_id_is_not_found_beside_stored_blobs,
    a_lost_storage_never_returns_not_found,
);

async fn an_id_that_was_never_stored_is_not_found(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    for id in [
        ArtifactId::mint(),
        ArtifactId::from_bytes([0; 16]),
        ArtifactId::from_bytes([0xff; 16]),
    ] {
        check_absent(&*backend, id, "an id that was never stored").await?;
    }
    Ok(())
}

async fn every_range_of_an_absent_blob_is_not_found(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let id = ArtifactId::mint();
    // The last three ranges hold no byte of any blob. For an absent blob, `NotFound` still comes first.
    for range in [
        ByteRange::Full,
        ByteRange::From(0),
        ByteRange::FromTo { first: 0, last: 9 },
        ByteRange::Suffix(5),
        ByteRange::FromTo { first: 5, last: 4 },
        ByteRange::Suffix(0),
        ByteRange::From(u64::MAX),
    ] {
        let result = backend.download(id, range).await;
        let label = format!("download of {range:?} of an absent blob");
        let error = fails(result, ErrorKind::NotFound, &label)?;
        ensure!(
            error.blob_size().is_none(),
            "{label}: the error carries a blob size"
        );
    }
    Ok(())
}

async fn an_absent_id_is_not_found_beside_stored_blobs(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    for number in 0..8 {
        let stored = backend.store(ArtifactId::mint(), noise(number, 100)).await;
        ok(stored, "store")?;
        check_absent(
            &*backend,
            ArtifactId::mint(),
            "an absent id in a storage with blobs",
        )
        .await?;
    }
    Ok(())
}

async fn a_lost_storage_never_returns_not_found(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let id = ArtifactId::mint();
    ok(backend.store(id, noise(1, 1_000)).await, "store")?;
    storage.lose().await?;
    for id in [id, ArtifactId::mint()] {
        let results = [
            ("load", backend.load(id).await.map(|_| ())),
            (
                "download",
                backend.download(id, ByteRange::Full).await.map(|_| ()),
            ),
            ("stat", backend.stat(id).await.map(|_| ())),
        ];
        for (label, result) in results {
            // A cache may still return the bytes, but the backend cannot know that the blob is absent.
            let Err(error) = result else { continue };
            ensure!(
                error.kind() != ErrorKind::NotFound,
                "{label} in a removed storage returns NotFound"
            );
        }
    }
    let listed = match backend.list().await {
        Ok(list) => list.try_collect::<Vec<_>>().await,
        Err(error) => Err(error),
    };
    if let Ok(blobs) = listed {
        ensure!(
            !blobs.is_empty(),
            "list of a removed storage returns no blobs and no error"
        );
    }
    match backend.store(ArtifactId::mint(), noise(2, 1_000)).await {
        Ok(()) => Err(Stop::Failed(
            "a store into a removed storage returns Ok".into(),
        )),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(Stop::Failed(
            "a store into a removed storage returns AlreadyExists".into(),
        )),
        Err(_) => Ok(()),
    }
}

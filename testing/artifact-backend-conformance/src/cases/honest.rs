//! Clause 7: an outcome that cannot be known is `Ambiguous`; every other result is true.

use artifact_backend::{ArtifactId, ErrorKind, Operation};

use super::race::{Method, Racer, race};
use crate::case::{Context, Outcome, cases, ensure};
use crate::check::{fails, ok, upload};
use crate::data::{cut, noise};

cases!("honest":
    a_create_without_rivals_never_gets_already_exists,
    bytes_of_a_failed_create_are_never_read,
    a_store_of_unknown_outcome_is_ambiguous,
    a_commit_of_unknown_outcome_is_ambiguous,
);

async fn a_create_without_rivals_never_gets_already_exists(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    for number in 0..40 {
        let bytes = noise(number, 3_000);
        let stored = backend.store(ArtifactId::mint(), bytes.clone()).await;
        ok(stored, "a store without rivals")?;
        let uploaded = upload(&*backend, ArtifactId::mint(), cut(&bytes, &[999])).await;
        ok(uploaded, "an upload without rivals")?;
    }
    Ok(())
}

async fn bytes_of_a_failed_create_are_never_read(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    for round in 0..12 {
        let id = ArtifactId::mint();
        let racers: Vec<_> = (0..8)
            .map(|number| {
                let method = if number % 2 == 0 {
                    Method::Store
                } else {
                    Method::Upload
                };
                Racer::new(&backend, method, round * 8 + number)
            })
            .collect();
        let results = race(id, &racers).await?;
        let found = ok(backend.load(id).await, "load after a race")?;
        for (racer, result) in racers.iter().zip(&results) {
            match result {
                Ok(()) => ensure!(
                    found == racer.bytes,
                    "a create returned Ok, but different bytes are stored"
                ),
                Err(error) if error.kind() == ErrorKind::Ambiguous => {}
                Err(error) => ensure!(
                    found != racer.bytes,
                    "a create returned {:?}, but its bytes are stored",
                    error.kind()
                ),
            }
        }
    }
    Ok(())
}

async fn a_store_of_unknown_outcome_is_ambiguous(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let id = ArtifactId::mint();
    storage.hide_outcome(Operation::Store).await?;
    let result = backend.store(id, noise(1, 1_000)).await;
    let error = fails(result, ErrorKind::Ambiguous, "a store of unknown outcome")?;
    ensure!(
        !error.is_retryable(),
        "the error of an unknown outcome is marked as retryable"
    );
    let after = backend.store(ArtifactId::mint(), noise(2, 1_000)).await;
    ok(after, "the next store")
}

async fn a_commit_of_unknown_outcome_is_ambiguous(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let id = ArtifactId::mint();
    storage.hide_outcome(Operation::Commit).await?;
    let result = upload(&*backend, id, cut(&noise(1, 5_000), &[2_000])).await;
    fails(result, ErrorKind::Ambiguous, "a commit of unknown outcome")?;
    let after = upload(&*backend, ArtifactId::mint(), [noise(2, 1_000)]).await;
    ok(after, "the next upload")
}

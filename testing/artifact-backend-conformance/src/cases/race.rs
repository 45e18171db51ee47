//! Races between many creates of one id. A create is a store or an upload.

use std::sync::Arc;

use artifact_backend::{ArtifactId, ArtifactInventory, ErrorKind, Result};
use bytes::Bytes;
use tokio::sync::Barrier;
use tokio::task::yield_now;

use crate::case::{Outcome, Stop, ensure};
use crate::check::{chain, check_bytes, check_present};
use crate::data::{cut, noise};
use crate::suite::panic_text;

pub(crate) type Backend = Arc<dyn ArtifactInventory>;

/// The call by which a racer creates its blob.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Method {
    Store,
    Upload,
}

/// A task that creates a blob: its handle, its method and its bytes.
#[derive(Clone)]
pub(crate) struct Racer {
    pub(crate) backend: Backend,
    pub(crate) method: Method,
    pub(crate) bytes: Bytes,
}

impl Racer {
    /// Makes a racer whose bytes differ from those of every other number.
    pub(crate) fn new(backend: &Backend, method: Method, number: u64) -> Self {
        let length = 2_000 + usize::try_from(number % 64).expect("the number is under 64") * 37;
        Self {
            backend: Arc::clone(backend),
            method,
            bytes: noise(number, length),
        }
    }

    async fn run(self, id: ArtifactId) -> Result<()> {
        match self.method {
            Method::Store => self.backend.store(id, self.bytes).await,
            Method::Upload => {
                let mut upload = self.backend.upload(id).await?;
                for chunk in cut(&self.bytes, &[700, 1, 1_500]) {
                    upload.write(chunk).await?;
                    // Lets other tasks run, so that many uploads are in flight at the first commit.
                    yield_now().await;
                }
                upload.commit().await
            }
        }
    }
}

/// Starts all racers at once, each in its own task, and returns their results in order.
pub(crate) async fn race(id: ArtifactId, racers: &[Racer]) -> Outcome<Vec<Result<()>>> {
    let start = Arc::new(Barrier::new(racers.len()));
    let tasks: Vec<_> = racers
        .iter()
        .cloned()
        .map(|racer| {
            let start = Arc::clone(&start);
            tokio::spawn(async move {
                start.wait().await;
                racer.run(id).await
            })
        })
        .collect();
    let mut results = Vec::with_capacity(racers.len());
    for task in tasks {
        let result = task.await;
        results.push(result.map_err(|error| Stop::Failed(panic_text(error)))?);
    }
    Ok(results)
}

/// Checks the results of a race: at most one `Ok`, exactly one if no outcome is unknown, `AlreadyExists` for the
/// losers, and the bytes of the winner in the storage.
pub(crate) async fn check_race(
    id: ArtifactId,
    racers: &[Racer],
    results: &[Result<()>],
) -> Outcome {
    let mut winners = Vec::new();
    let mut unknown = Vec::new();
    for (number, (racer, result)) in racers.iter().zip(results).enumerate() {
        match result {
            Ok(()) => winners.push(number),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) if error.kind() == ErrorKind::Ambiguous => unknown.push(number),
            Err(error) => {
                return Err(Stop::Failed(format!(
                    "racer {number} ({:?}) got neither Ok nor AlreadyExists: {}",
                    racer.method,
                    chain(error)
                )));
            }
        }
    }
    ensure!(
        winners.len() <= 1,
        "{} of {} creates of one id returned Ok: {winners:?}",
        winners.len(),
        racers.len()
    );
    ensure!(
        !(winners.is_empty() && unknown.is_empty()),
        "all {} creates of one new id returned AlreadyExists",
        racers.len()
    );
    for racer in racers {
        if let Some(winner) = winners.first() {
            let bytes = &racers[*winner].bytes;
            check_present(&*racer.backend, id, bytes, "the blob of the winner").await?;
        } else {
            let found = racer.backend.load(id).await;
            let Ok(found) = found else { continue };
            let is_known = unknown.iter().any(|number| racers[*number].bytes == found);
            ensure!(
                is_known,
                "the stored blob is not from one of the creates with unknown outcome"
            );
        }
    }
    // A store after the race fails too.
    let late = Racer::new(&racers[0].backend, Method::Store, 4_711);
    if !winners.is_empty() {
        let before = racers[winners[0]].bytes.clone();
        let result = late.clone().run(id).await;
        ensure!(result.is_err(), "a store after the race returned Ok");
        let found = late.backend.load(id).await;
        check_bytes(
            &found.unwrap_or_default(),
            &before,
            "the blob after a store that came later",
        )?;
    }
    Ok(())
}

//! Clause 2: a reader sees the whole blob or `NotFound`, never a part of the blob.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use artifact_backend::{ArtifactId, ByteRange, ErrorKind};
use bytes::Bytes;
use tokio::task::{JoinHandle, yield_now};

use super::race::{Backend, Method, Racer, race};
use crate::case::{Context, Outcome, Stop, cases, ensure};
use crate::check::{chain, check_absent, check_present, ok, read};
use crate::data::{KIB, cut, noise};
use crate::suite::panic_text;

cases!("atomic":
    an_upload_is_invisible_until_its_commit,
    readers_during_a_store_see_nothing_or_the_whole_blob,
    readers_during_an_upload_see_nothing_or_the_whole_blob,
    readers_during_a_race_see_only_the_winning_blob,
);

const ROUNDS: u64 = 12;

async fn an_upload_is_invisible_until_its_commit(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    let id = ArtifactId::mint();
    let bytes = noise(1, 700 * KIB);
    let mut upload = ok(backend.upload(id).await, "upload")?;
    check_absent(&*backend, id, "an upload before its first write").await?;
    for chunk in cut(&bytes, &[100 * KIB, 1, 200 * KIB]) {
        ok(upload.write(chunk).await, "write")?;
        check_absent(&*backend, id, "an upload in flight").await?;
    }
    ok(upload.commit().await, "commit")?;
    check_present(&*backend, id, &bytes, "a committed upload").await
}

/// Starts a task that reads one id repeatedly until `stop` is set. It fails if a read returns anything but
/// `NotFound` or one of the candidates, or if the blob changes after it was seen.
fn spawn_reader(
    backend: &Backend,
    id: ArtifactId,
    candidates: &[Bytes],
    stop: &Arc<AtomicBool>,
) -> JoinHandle<Outcome> {
    let backend = Arc::clone(backend);
    let candidates = candidates.to_vec();
    let stop = Arc::clone(stop);
    tokio::spawn(async move {
        let mut seen: Option<Bytes> = None;
        let mut by_load = false;
        loop {
            // Reads once more after the stop, when the blob must exist.
            let last = stop.load(Ordering::SeqCst);
            by_load = !by_load;
            let result = if by_load {
                backend.load(id).await
            } else {
                read(&*backend, id, ByteRange::Full).await
            };
            match (result, &seen) {
                (Ok(found), Some(before)) => {
                    ensure!(found == *before, "a reader saw a blob change");
                }
                (Ok(found), None) => {
                    let whole = candidates.contains(&found);
                    let len = found.len();
                    ensure!(whole, "a reader saw {len} bytes that are not a whole blob");
                    seen = Some(found);
                }
                (Err(error), None) if error.kind() == ErrorKind::NotFound => {
                    ensure!(!last, "NotFound after the blob was acknowledged");
                }
                (Err(error), _) => {
                    let text = chain(&error);
                    return Err(Stop::Failed(format!(
                        "a reader got neither a blob nor NotFound: {text}"
                    )));
                }
            }
            if last {
                return Ok(());
            }
            yield_now().await;
        }
    })
}

async fn read_during_races(context: Context, methods: &[Method]) -> Outcome {
    let storage = context.fresh().await?;
    let backend = storage.backend();
    for round in 0..ROUNDS {
        let id = ArtifactId::mint();
        let racers: Vec<_> = (0..)
            .zip(methods)
            .map(|(number, method)| Racer {
                bytes: noise(round * 16 + number, 150 * KIB),
                ..Racer::new(&backend, *method, number)
            })
            .collect();
        let candidates: Vec<_> = racers.iter().map(|racer| racer.bytes.clone()).collect();
        let stop = Arc::new(AtomicBool::new(false));
        let readers = [(); 4].map(|()| spawn_reader(&backend, id, &candidates, &stop));
        let results = race(id, &racers).await;
        stop.store(true, Ordering::SeqCst);
        for reader in readers {
            let outcome = reader.await;
            outcome.map_err(|error| Stop::Failed(panic_text(error)))??;
        }
        let won = results?.iter().filter(|result| result.is_ok()).count();
        ensure!(won == 1, "{won} of {} creates returned Ok", racers.len());
    }
    Ok(())
}

async fn readers_during_a_store_see_nothing_or_the_whole_blob(context: Context) -> Outcome {
    read_during_races(context, &[Method::Store]).await
}

async fn readers_during_an_upload_see_nothing_or_the_whole_blob(context: Context) -> Outcome {
    read_during_races(context, &[Method::Upload]).await
}

async fn readers_during_a_race_see_only_the_winning_blob(context: Context) -> Outcome {
    read_during_races(
        context,
        &[Method::Upload, Method::Store, Method::Upload, Method::Store],
    )
    .await
}

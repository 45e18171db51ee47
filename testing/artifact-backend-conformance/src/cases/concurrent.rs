//! Clause 12: every clause holds under any interleaving of callers. A model checks the results.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use artifact_backend::{ArtifactId, ByteRange, Error, ErrorKind, Result};
use bytes::Bytes;
use tokio::sync::Barrier;
use tokio::task::yield_now;

use super::race::Backend;
use crate::case::{Context, Outcome, Stop, cases, ensure};
use crate::check::{chain, check_absent, check_present, list, poll_then_drop, read, upload};
use crate::data::{SplitMix64, cut, noise};
use crate::suite::panic_text;

cases!("concurrent":
    random_operations_agree_with_a_model,
    random_operations_through_two_handles_agree_with_a_model,
);

const TASKS: u64 = 16;
const STEPS: usize = 60;
const IDS: usize = 32;
/// The number of ids at the end of the table that are stored before the start and deleted during the run. They
/// are never created again, because the contract forbids that.
const DELETED: usize = 8;

/// The model of one id.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    /// The creator whose call returned `Ok`.
    winner: Option<u64>,
    /// Whether a create was dropped or returned `Ambiguous`. Its bytes may be stored.
    unknown: bool,
    /// Whether a delete has started.
    delete_started: bool,
}

struct Model {
    ids: Vec<ArtifactId>,
    known: Vec<Mutex<Known>>,
}

/// Returns a blob that starts with the number of its creator, so that every read can be checked completely.
fn blob(creator: u64) -> Bytes {
    let length = usize::try_from(creator % 5_000).expect("the length is under 5,000");
    let mut bytes = creator.to_le_bytes().to_vec();
    bytes.extend_from_slice(&noise(creator, length));
    bytes.into()
}

/// Returns the creator of these bytes if they are a whole blob.
fn creator(bytes: &[u8]) -> Option<u64> {
    let creator = u64::from_le_bytes(*bytes.first_chunk()?);
    (bytes == blob(creator)).then_some(creator)
}

fn failed<T>(text: String) -> Outcome<T> {
    Err(Stop::Failed(text))
}

impl Model {
    fn known(&self, index: usize) -> Known {
        *self.known[index]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, index: usize, change: impl FnOnce(&mut Known)) {
        change(
            &mut self.known[index]
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
    }

    /// Records the result of a create; `None` if its future was dropped.
    fn created(&self, index: usize, creator: u64, result: Option<Result<()>>) -> Outcome {
        match result {
            Some(Ok(())) => {
                let mut before = None;
                self.change(index, |known| before = known.winner.replace(creator));
                match before {
                    Some(other) => failed(format!(
                        "creators {other} and {creator} of one id both got Ok"
                    )),
                    None => Ok(()),
                }
            }
            Some(Err(error)) => match error.kind() {
                ErrorKind::AlreadyExists => Ok(()),
                ErrorKind::Ambiguous => {
                    self.change(index, |known| known.unknown = true);
                    Ok(())
                }
                _ => failed(format!("a create failed: {}", chain(&error))),
            },
            None => {
                self.change(index, |known| known.unknown = true);
                Ok(())
            }
        }
    }

    /// Checks the result of a read against the state `before` it.
    fn read(&self, index: usize, before: Known, result: Result<Bytes>) -> Outcome {
        let found = match result {
            Ok(bytes) => {
                let length = bytes.len();
                let Some(found) = creator(&bytes) else {
                    return failed(format!(
                        "a read returned {length} bytes that are not a whole blob"
                    ));
                };
                found
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                ensure!(
                    before.winner.is_none() || self.known(index).delete_started,
                    "NotFound after the blob was acknowledged"
                );
                return Ok(());
            }
            // A stream may fail when its blob is deleted.
            Err(_) if self.known(index).delete_started => return Ok(()),
            Err(error) => return failed(format!("a read failed: {}", chain(&error))),
        };
        if let Some(winner) = before.winner {
            ensure!(
                found == winner,
                "a read returned the blob of creator {found}, but creator {winner} got Ok"
            );
        }
        Ok(())
    }
}

async fn step(backend: &Backend, model: &Model, random: &mut SplitMix64, creator: u64) -> Outcome {
    let choice = random.below(100);
    let living = IDS - DELETED;
    // Reads use all ids. Creates use only the ids that are never deleted.
    let index = if choice < 45 {
        random.below(living)
    } else {
        random.below(IDS)
    };
    let id = model.ids[index];
    let before = model.known(index);
    match choice {
        0..15 => {
            let result = backend.store(id, blob(creator)).await;
            model.created(index, creator, Some(result))
        }
        15..30 => {
            let chunks = cut(
                &blob(creator),
                &[1 + random.below(900), random.below(2_000)],
            );
            let result = upload(&**backend, id, chunks).await;
            model.created(index, creator, Some(result))
        }
        30..37 => {
            // Set before the create, because the blob of a dropped create may be visible at once.
            model.change(index, |known| known.unknown = true);
            let polls = u32::try_from(random.below(4)).expect("the number is under 4");
            let result = poll_then_drop(backend.store(id, blob(creator)), polls).await;
            model.created(index, creator, result)
        }
        37..45 => {
            let mut upload = match backend.upload(id).await {
                Ok(upload) => upload,
                Err(error) => return model.created(index, creator, Some(Err(error))),
            };
            let written = upload.write(blob(creator)).await;
            yield_now().await;
            drop(upload);
            match written {
                Err(error) => model.created(index, creator, Some(Err(error))),
                Ok(()) => Ok(()),
            }
        }
        45..65 => model.read(index, before, backend.load(id).await),
        65..80 => model.read(index, before, read(&**backend, id, ByteRange::Full).await),
        80..88 => match backend.stat(id).await {
            Ok(_) => Ok(()),
            Err(error) => model.read(index, before, Err(error)),
        },
        88..92 => {
            let deleted = living + random.below(DELETED);
            model.change(deleted, |known| known.delete_started = true);
            let result = backend.delete(model.ids[deleted]).await;
            result.or_else(|error: Error| failed(format!("a delete failed: {}", chain(&error))))
        }
        92..96 => {
            let known: Vec<_> = (0..IDS).map(|index| model.known(index)).collect();
            let listed = list(&**backend).await?;
            for (index, id) in model.ids.iter().enumerate() {
                let times = listed.iter().filter(|listed| *listed == id).count();
                ensure!(times <= 1, "list shows one id {times} times");
                let must_be_listed =
                    known[index].winner.is_some() && !model.known(index).delete_started;
                ensure!(
                    times == 1 || !must_be_listed,
                    "list does not show an acknowledged blob"
                );
            }
            Ok(())
        }
        _ => match backend.sweep(Duration::ZERO).await {
            Ok(_) => Ok(()),
            Err(error) => failed(format!("a sweep failed: {}", chain(&error))),
        },
    }
}

async fn run_tasks(context: &Context, handles: &[Backend]) -> Outcome {
    let seed = context.seed;
    let model = Arc::new(Model {
        ids: (0..IDS).map(|_| ArtifactId::mint()).collect(),
        known: (0..IDS).map(|_| Mutex::default()).collect(),
    });
    for index in IDS - DELETED..IDS {
        let result = handles[0].store(model.ids[index], blob(index as u64)).await;
        model.created(index, index as u64, Some(result))?;
    }
    let start = Arc::new(Barrier::new(
        usize::try_from(TASKS).expect("16 fits a usize"),
    ));
    let tasks: Vec<_> = (0..TASKS)
        .zip(handles.iter().cycle().cloned())
        .map(|(task, backend)| {
            let model = Arc::clone(&model);
            let start = Arc::clone(&start);
            tokio::spawn(async move {
                let mut random = SplitMix64::new(seed ^ (task << 32));
                start.wait().await;
                for number in 0..STEPS {
                    // Every creator has its own number.
                    let creator = 1_000 + task * 1_000 + number as u64;
                    step(&backend, &model, &mut random, creator).await?;
                }
                Ok(())
            })
        })
        .collect();
    // Awaits every task even after a failure, so that no task runs on during another case.
    let mut outcome = Ok(());
    for task in tasks {
        let ended = task.await.map_err(|error| Stop::Failed(panic_text(error)));
        outcome = outcome.and(ended.and_then(|ended| ended));
    }
    outcome?;
    for index in 0..IDS {
        let known = model.known(index);
        let id = model.ids[index];
        for backend in handles {
            match known.winner {
                _ if known.delete_started => check_absent(&**backend, id, "a deleted blob").await?,
                Some(winner) => {
                    check_present(&**backend, id, &blob(winner), "the blob of the winner").await?;
                }
                None if known.unknown => {
                    let result = backend.load(id).await;
                    model.read(index, known, result)?;
                }
                None => check_absent(&**backend, id, "an id that was never created").await?,
            }
        }
    }
    Ok(())
}

/// Adds the seed to a failure.
fn seeded(outcome: Outcome, seed: u64) -> Outcome {
    outcome.map_err(|stop| match stop {
        Stop::Failed(reason) => Stop::Failed(format!("with_seed({seed:#x}): {reason}")),
        skipped @ Stop::Skipped(_) => skipped,
    })
}

async fn random_operations_agree_with_a_model(context: Context) -> Outcome {
    let storage = context.fresh().await?;
    let outcome = run_tasks(&context, &[storage.backend()]).await;
    seeded(outcome, context.seed)
}

async fn random_operations_through_two_handles_agree_with_a_model(context: Context) -> Outcome {
    let storage = context.fresh_reopenable().await?;
    let handles = [storage.backend(), storage.second_handle().await?];
    let outcome = run_tasks(&context, &handles).await;
    seeded(outcome, context.seed)
}

//! Runs callers for a while and counts what they did.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use artifact_backend::ArtifactId;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::try_join_all;
use tokio::runtime::Handle;

use crate::subject::Subject;

/// What a caller repeats.
#[derive(Clone)]
pub enum Work {
    Store(Bytes),
    /// Loads of these blobs, which have this size.
    Load(Arc<[ArtifactId]>, usize),
}

/// Returns bytes that do not compress.
pub fn noise(size: usize) -> Bytes {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes.into()
}

async fn repeat(
    subject: Subject,
    work: Work,
    mut turn: u64,
    step: u64,
    end: Instant,
) -> Result<u64> {
    let mut done = 0;
    while Instant::now() < end {
        match &work {
            Work::Store(bytes) => subject.store(ArtifactId::mint(), bytes.clone()).await?,
            Work::Load(ids, size) => {
                let at = turn % ids.len() as u64;
                subject.load(ids[usize::try_from(at)?], at, *size).await?;
            }
        }
        turn += step;
        done += 1;
    }
    Ok(done)
}

/// Returns the operations a second of all callers together. Callers are tasks of the runtime, or threads for blocking calls.
pub async fn rate(subject: &Subject, work: &Work, callers: u64, window: Duration) -> Result<f64> {
    let began = Instant::now();
    let end = began + window;
    // Callers begin at different blobs.
    let caller = |number: u64| {
        let (subject, work) = (subject.clone(), work.clone());
        repeat(subject, work, number * 7, callers, end)
    };
    let mut done = 0;
    if subject.is_blocking() {
        let threads: Vec<_> = (0..callers)
            .map(|number| {
                let caller = caller(number);
                std::thread::spawn(move || {
                    caller.now_or_never().expect("blocking calls never wait")
                })
            })
            .collect();
        for thread in threads {
            done += thread.join().expect("a caller does not panic")?;
        }
    } else {
        let tasks: Vec<_> = (0..callers)
            .map(|number| tokio::spawn(caller(number)))
            .collect();
        for task in tasks {
            done += task.await??;
        }
    }
    Ok(done as f64 / began.elapsed().as_secs_f64())
}

/// Stores `count` blobs, up to `callers` at the same time, and returns their ids.
pub async fn fill(
    subject: &Subject,
    count: usize,
    callers: usize,
    bytes: &Bytes,
) -> Result<Arc<[ArtifactId]>> {
    if subject.is_blocking() {
        let mut ids = Vec::with_capacity(count);
        for _ in 0..count {
            let id = ArtifactId::mint();
            subject.store(id, bytes.clone()).await?;
            ids.push(id);
        }
        return Ok(ids.into());
    }
    let each = count.div_ceil(callers);
    let tasks = (0..callers).map(|caller| {
        let (subject, bytes) = (subject.clone(), bytes.clone());
        let mine = each.min(count.saturating_sub(caller * each));
        Handle::current().spawn(async move {
            let mut ids = Vec::with_capacity(mine);
            for _ in 0..mine {
                let id = ArtifactId::mint();
                subject.store(id, bytes.clone()).await?;
                ids.push(id);
            }
            Ok::<_, anyhow::Error>(ids)
        })
    });
    let mut ids = Vec::with_capacity(count);
    for stored in try_join_all(tasks).await? {
        ids.extend(stored?);
    }
    Ok(ids.into())
}

//! One cell of the table: a kind of work, a size and a number of callers, measured on one subject.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use artifact_backend::ArtifactId;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::runtime::Runtime;

use crate::host;
use crate::stall::Stall;
use crate::subject::Subject;

/// The chunk size of streams, in bytes.
pub const CHUNK: usize = 256 * 1024;
/// The most bytes that are stored in preparation for loads.
const LOAD_SET: usize = 256 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    Store,
    Load,
    ColdLoad,
    Upload,
    /// Upload with SHA-256 of the same chunks on another thread, as artifact-store does it.
    UploadHashed,
    Download,
    /// 4 KiB loads while nothing else runs.
    Quiet,
    /// 4 KiB loads while a large upload and a large download run.
    Mixed,
}

#[derive(Debug, Clone, Copy)]
pub struct Cell {
    pub work: Work,
    pub size: usize,
    pub callers: usize,
}

/// The result of one run of a cell.
#[derive(Debug, Clone, Copy, Default)]
pub struct Outcome {
    /// Operations per second.
    pub rate: f64,
    pub p50: Duration,
    pub p99: Duration,
    /// CPU time of the whole process per operation.
    pub cpu: Duration,
    /// How late a 2 ms timer of the same runtime fired: 99th percentile and worst.
    pub stall_p99: Duration,
    pub stall_max: Duration,
}

pub fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or_default()
}

/// Returns incompressible bytes, the same in each call.
fn noise(size: usize) -> Bytes {
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

impl Cell {
    pub fn run(&self, subject: &Subject, window: Duration) -> Result<Outcome> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        let bytes = noise(self.size.min(16 << 20));
        match self.work {
            Work::Store => self.repeat(subject, &runtime, window, move |subject, _| {
                let (subject, bytes) = (subject.clone(), bytes.clone());
                async move { subject.store(ArtifactId::mint(), bytes).await }
            }),
            Work::Load | Work::ColdLoad | Work::Quiet => {
                let ids = self.prepare(subject, &runtime, &bytes)?;
                let size = self.size;
                if self.work == Work::ColdLoad {
                    return self.cold(subject, &runtime, ids);
                }
                self.repeat(subject, &runtime, window, move |subject, turn| {
                    let (subject, id) = (subject.clone(), ids[turn % ids.len()]);
                    async move {
                        ensure!(
                            subject.load(id).await? == size,
                            "a load returned the wrong size"
                        );
                        Ok(())
                    }
                })
            }
            Work::Upload | Work::UploadHashed => {
                let chunks = self.chunks();
                let hashed = self.work == Work::UploadHashed;
                self.once(&runtime, || async {
                    let hash = hashed.then(|| {
                        let chunks = chunks.clone();
                        tokio::task::spawn_blocking(move || {
                            let mut hasher = Sha256::new();
                            chunks.iter().for_each(|chunk| hasher.update(chunk));
                            hasher.finalize()
                        })
                    });
                    subject.upload(ArtifactId::mint(), &chunks).await?;
                    if let Some(hash) = hash {
                        hash.await?;
                    }
                    Ok(())
                })
            }
            Work::Download => {
                let id = ArtifactId::mint();
                runtime.block_on(subject.upload(id, &self.chunks()))?;
                runtime.block_on(subject.download(id))?;
                self.once(&runtime, || async {
                    ensure!(
                        subject.download(id).await? == self.size as u64,
                        "a download was too short"
                    );
                    Ok(())
                })
            }
            Work::Mixed => {
                let ids = self.prepare(subject, &runtime, &bytes)?;
                let large = Self {
                    size: 256 << 20,
                    ..*self
                };
                let stop = Arc::new(AtomicBool::new(false));
                let background = runtime.spawn({
                    let (subject, stop) = (subject.clone(), Arc::clone(&stop));
                    async move {
                        let chunks = large.chunks();
                        while !stop.load(Ordering::Relaxed) {
                            let id = ArtifactId::mint();
                            subject.upload(id, &chunks).await?;
                            subject.download(id).await?;
                        }
                        anyhow::Ok(())
                    }
                });
                let outcome = self.repeat(subject, &runtime, window * 3, move |subject, turn| {
                    let (subject, id) = (subject.clone(), ids[turn % ids.len()]);
                    async move {
                        subject.load(id).await?;
                        Ok(())
                    }
                });
                stop.store(true, Ordering::Relaxed);
                runtime.block_on(background)??;
                outcome
            }
        }
    }

    /// Returns the stream as chunks that share one buffer, so that only the subject's memory counts.
    fn chunks(&self) -> Vec<Bytes> {
        let chunk = noise(CHUNK);
        let mut chunks = vec![chunk.clone(); self.size / CHUNK];
        if !self.size.is_multiple_of(CHUNK) {
            chunks.push(chunk.slice(..self.size % CHUNK));
        }
        chunks
    }

    /// Stores the blobs for the loads.
    fn prepare(
        &self,
        subject: &Subject,
        runtime: &Runtime,
        bytes: &Bytes,
    ) -> Result<Arc<[ArtifactId]>> {
        let count = (LOAD_SET / self.size.max(1)).clamp(self.callers, 1_000);
        let ids: Vec<_> = (0..count).map(|_| ArtifactId::mint()).collect();
        runtime.block_on(async {
            for id in &ids {
                subject.store(*id, bytes.clone()).await?;
                subject.load(*id).await?;
            }
            anyhow::Ok(())
        })?;
        Ok(ids.into())
    }

    /// Drops all caches, then loads each blob once.
    fn cold(
        &self,
        subject: &Subject,
        runtime: &Runtime,
        ids: Arc<[ArtifactId]>,
    ) -> Result<Outcome> {
        host::drop_caches()?;
        let next = Arc::new(AtomicUsize::new(0));
        self.drive(subject, runtime, move |subject| {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let (subject, id) = (subject.clone(), ids.get(at).copied());
            async move {
                match id {
                    Some(id) => subject.load(id).await.map(|_| true),
                    None => Ok(false),
                }
            }
        })
    }

    /// Repeats the operation until the window is over.
    fn repeat<F, R>(
        &self,
        subject: &Subject,
        runtime: &Runtime,
        window: Duration,
        operation: F,
    ) -> Result<Outcome>
    where
        F: Fn(&Subject, usize) -> R + Send + Sync + 'static,
        R: Future<Output = Result<()>> + Send + 'static,
    {
        let end = Instant::now() + window;
        let turn = AtomicUsize::new(0);
        self.drive(subject, runtime, move |subject| {
            let more = Instant::now() < end;
            let run = more.then(|| operation(subject, turn.fetch_add(1, Ordering::Relaxed)));
            async move {
                match run {
                    Some(run) => run.await.map(|()| true),
                    None => Ok(false),
                }
            }
        })
    }

    /// Runs the callers: tasks of one runtime, or plain threads for the raw calls. Each repeats the operation until it
    /// returns `false`.
    fn drive<F, R>(&self, subject: &Subject, runtime: &Runtime, operation: F) -> Result<Outcome>
    where
        F: Fn(&Subject) -> R + Send + Sync + 'static,
        R: Future<Output = Result<bool>> + Send + 'static,
    {
        let operation = Arc::new(operation);
        let plain = matches!(subject, Subject::Raw(_));
        let caller = |subject: Subject| {
            let operation = Arc::clone(&operation);
            async move {
                let mut latencies = Vec::new();
                loop {
                    let before = Instant::now();
                    if !operation(&subject).await? {
                        return anyhow::Ok(latencies);
                    }
                    latencies.push(before.elapsed());
                }
            }
        };
        let stall = runtime.block_on(async { Stall::start() });
        let (began, cpu) = (Instant::now(), host::cpu_time());
        let mut latencies = Vec::new();
        if plain {
            let threads: Vec<_> = (0..self.callers)
                .map(|_| {
                    let caller = caller(subject.clone());
                    // The raw calls never wait for a runtime, so polling once completes the future.
                    std::thread::spawn(move || futures_util::FutureExt::now_or_never(caller))
                })
                .collect();
            for thread in threads {
                let done = thread.join().expect("a raw caller does not panic");
                latencies.extend(done.expect("raw calls never wait")?);
            }
        } else {
            let tasks: Vec<_> = (0..self.callers)
                .map(|_| runtime.spawn(caller(subject.clone())))
                .collect();
            for task in tasks {
                latencies.extend(runtime.block_on(task)??);
            }
        }
        let (elapsed, cpu) = (began.elapsed(), host::cpu_time() - cpu);
        let (stall_p99, stall_max) = runtime.block_on(stall.stop());
        latencies.sort_unstable();
        let count = u32::try_from(latencies.len().max(1))?;
        Ok(Outcome {
            rate: f64::from(count) / elapsed.as_secs_f64(),
            p50: percentile(&latencies, 50),
            p99: percentile(&latencies, 99),
            cpu: cpu / count,
            stall_p99,
            stall_max,
        })
    }

    /// Measures one large transfer; the rate is in transfers per second.
    fn once<F, R>(&self, runtime: &Runtime, transfer: F) -> Result<Outcome>
    where
        F: FnOnce() -> R,
        R: Future<Output = Result<()>>,
    {
        let stall = runtime.block_on(async { Stall::start() });
        let (began, cpu) = (Instant::now(), host::cpu_time());
        runtime.block_on(transfer())?;
        let (elapsed, cpu) = (began.elapsed(), host::cpu_time() - cpu);
        let (stall_p99, stall_max) = runtime.block_on(stall.stop());
        let rate = 1.0 / elapsed.as_secs_f64();
        Ok(Outcome {
            rate,
            p50: elapsed,
            p99: elapsed,
            cpu,
            stall_p99,
            stall_max,
        })
    }
}

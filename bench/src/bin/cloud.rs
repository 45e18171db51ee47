//! Measures what exactness costs on an object store: our backend beside the bare `object_store` client of the same server, in
//! turns in one run. Reports ratios; docs/measurements/bucket.md has the results.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use artifact_backend::{ArtifactBackend, ArtifactId};
use artifact_backend_s3::{ObjectStoreBackend, S3Config};
use artifact_cloud_test::SeaweedFs;
use bytes::Bytes;
use clap::Parser;
use futures_util::future::try_join_all;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use object_store::aws::AmazonS3;
use object_store::path::Path;
use object_store::{MultipartUpload as _, ObjectStore as _, ObjectStoreExt as _, PutMode};

const BUCKET: &str = "bench";
/// Our default, used for both.
const PART: usize = 8 << 20;
const PARALLEL: usize = 4;

/// Measures stores, uploads and loads on one node of SeaweedFS; ours and the bare client take turns.
#[derive(Debug, Parser)]
struct Options {
    /// Seconds per subject and round.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Number of rounds. The median round of each subject is reported.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Store,
    Upload,
    Load,
}

#[derive(Debug, Clone, Copy)]
struct Cell {
    work: Work,
    bytes: usize,
    callers: usize,
}

const CELLS: [Cell; 10] = [
    Cell::new(Work::Store, 4 << 10, 1),
    Cell::new(Work::Store, 4 << 10, 16),
    Cell::new(Work::Store, 1 << 20, 1),
    Cell::new(Work::Store, 1 << 20, 16),
    Cell::new(Work::Upload, 64 << 20, 1),
    Cell::new(Work::Load, 4 << 10, 1),
    Cell::new(Work::Load, 4 << 10, 16),
    Cell::new(Work::Load, 1 << 20, 1),
    Cell::new(Work::Load, 1 << 20, 16),
    Cell::new(Work::Load, 64 << 20, 1),
];

#[derive(Debug, Clone)]
enum Subject {
    Ours(ObjectStoreBackend),
    Bare(Arc<AmazonS3>),
}

#[tokio::main]
async fn main() -> Result<()> {
    let Options { seconds, rounds } = Options::parse();
    ensure!(rounds > 0, "--rounds must be at least 1");
    let window = Duration::from_secs_f64(seconds);
    let server = SeaweedFs::start().await?;
    server.endpoint().create_bucket(BUCKET).await?;
    let builder = || server.endpoint().builder(BUCKET);
    let config = S3Config::default()
        .with_part_bytes(PART as u64)
        .with_parallel_parts(PARALLEL);
    let subjects = [
        Subject::Ours(ObjectStoreBackend::s3(builder(), "ours", config)?),
        Subject::Bare(Arc::new(builder().build()?)),
    ];
    println!(
        "{rounds} rounds of {seconds:.1} s per subject, in turns; the median round is shown.\n"
    );
    println!("| work | size | callers | ours, ops/s | bare, ops/s | ours, MiB/s | ours : bare |");
    println!("|---|---|---|---|---|---|---|");
    for cell in CELLS {
        let mut rates = [Vec::new(), Vec::new()];
        for round in 0..rounds {
            // The order alternates with each round.
            for turn in 0..2 {
                let which = (round + turn) % 2;
                let rate = cell.run(&subjects[which], window).await?;
                rates[which].push(rate);
            }
        }
        let [ours, bare] = rates.map(median);
        let mib = ours * cell.bytes as f64 / f64::from(1 << 20);
        println!(
            "| {cell} | {ours:.1} | {bare:.1} | {mib:.1} | {:.2} |",
            ours / bare
        );
    }
    Ok(())
}

impl Cell {
    const fn new(work: Work, bytes: usize, callers: usize) -> Self {
        Self {
            work,
            bytes,
            callers,
        }
    }

    /// Returns the operations per second. An operation that starts inside the window is counted when it ends.
    async fn run(self, subject: &Subject, window: Duration) -> Result<f64> {
        let bytes = Bytes::from(vec![0x5a; self.bytes]);
        let there = ArtifactId::mint();
        if self.work == Work::Load {
            subject.store(there, bytes.clone()).await?;
        }
        let began = Instant::now();
        let callers = (0..self.callers).map(|_| {
            let (subject, bytes) = (subject.clone(), bytes.clone());
            tokio::spawn(async move {
                let mut done = 0_u32;
                while began.elapsed() < window {
                    let fresh = ArtifactId::mint();
                    match self.work {
                        Work::Store => subject.store(fresh, bytes.clone()).await?,
                        Work::Upload => subject.upload(fresh, bytes.clone()).await?,
                        Work::Load => {
                            let loaded = subject.load(there).await?;
                            ensure!(loaded.len() == bytes.len(), "a load returned too few bytes");
                        }
                    }
                    done += 1;
                }
                Ok::<_, anyhow::Error>(done)
            })
        });
        let mut done = 0;
        for caller in try_join_all(callers).await? {
            done += caller?;
        }
        Ok(f64::from(done) / began.elapsed().as_secs_f64())
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let work = match self.work {
            Work::Store => "store",
            Work::Upload => "upload in parts",
            Work::Load => "load",
        };
        let size = match self.bytes {
            bytes if bytes >= 1 << 20 => format!("{} MiB", bytes >> 20),
            bytes => format!("{} KiB", bytes >> 10),
        };
        write!(f, "{work} | {size} | {}", self.callers)
    }
}

impl Subject {
    async fn store(&self, id: ArtifactId, bytes: Bytes) -> Result<()> {
        match self {
            Self::Ours(backend) if bytes.len() > PART => self.upload_ours(backend, id, bytes).await,
            Self::Ours(backend) => Ok(backend.store(id, bytes).await?),
            Self::Bare(store) => {
                let create = PutMode::Create.into();
                store.put_opts(&key(id), bytes.into(), create).await?;
                Ok(())
            }
        }
    }

    async fn upload(&self, id: ArtifactId, bytes: Bytes) -> Result<()> {
        match self {
            Self::Ours(backend) => self.upload_ours(backend, id, bytes).await,
            Self::Bare(store) => {
                let mut upload = store.put_multipart(&key(id)).await?;
                let parts = (0..bytes.len()).step_by(PART).map(|at| {
                    let part = bytes.slice(at..(at + PART).min(bytes.len()));
                    upload.put_part(part.into())
                });
                let parts = stream::iter(parts).buffer_unordered(PARALLEL);
                parts.try_collect::<()>().await?;
                upload.complete().await?;
                Ok(())
            }
        }
    }

    async fn upload_ours(
        &self,
        backend: &ObjectStoreBackend,
        id: ArtifactId,
        bytes: Bytes,
    ) -> Result<()> {
        let mut upload = backend.upload(id).await?;
        upload.expect_size(bytes.len() as u64);
        for at in (0..bytes.len()).step_by(256 << 10) {
            let end = (at + (256 << 10)).min(bytes.len());
            upload.write(bytes.slice(at..end)).await?;
        }
        Ok(upload.commit().await?)
    }

    async fn load(&self, id: ArtifactId) -> Result<Bytes> {
        match self {
            Self::Ours(backend) => Ok(backend.load(id).await?),
            Self::Bare(store) => {
                let found = store.get(&key(id)).await?;
                found.bytes().await.context("cannot read the body")
            }
        }
    }
}

fn key(id: ArtifactId) -> Path {
    Path::from(format!("bare/{id}"))
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

//! Measures how many blobs per second the backend stores, for comparison with deposits in `bench/http`.
//!
//!     cargo run --release -p artifact-backend-fs --example store_rate -- FOLDER SIZE CALLERS SECONDS
//!
//! Prints one number. The blobs stay in the folder.

#![expect(clippy::print_stdout, reason = "the output is the result")]

use std::time::Duration;

use artifact_backend::{ArtifactBackend, ArtifactId};
use artifact_backend_fs::{FsBackend, FsConfig};
use bytes::Bytes;
use tokio::task::JoinSet;
use tokio::time::Instant;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [folder, size, callers, seconds] = &arguments[..] else {
        return Err("usage: store_rate FOLDER SIZE CALLERS SECONDS".into());
    };
    let backend = FsBackend::open(folder, FsConfig::default()).await?;
    let bytes = Bytes::from(vec![b'x'; size.parse()?]);
    let callers: usize = callers.parse()?;
    let window = Duration::from_secs(seconds.parse()?);
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let (backend, bytes) = (backend.clone(), bytes.clone());
        tasks.spawn(async move {
            let mut stored = 0_u32;
            while began.elapsed() < window {
                backend.store(ArtifactId::mint(), bytes.clone()).await?;
                stored += 1;
            }
            Ok::<_, artifact_backend::Error>(stored)
        });
    }
    let mut stored = 0_u32;
    while let Some(done) = tasks.join_next().await {
        stored += done??;
    }
    println!("{:.1}", f64::from(stored) / began.elapsed().as_secs_f64());
    Ok(())
}

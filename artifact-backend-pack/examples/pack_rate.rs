//! Measures blobs of 4 KiB side by side: this backend and `artifact-backend-fs`, stores by several callers and hot loads. The two take turns,
//! so that a load from outside meets both.
//!
//!     cargo run --release -p artifact-backend-pack --example pack_rate -- FOLDER [ROUNDS [SECONDS [BYTES]]]
//!
//! Prints the median of the rates and of the ratios of each round. The blobs stay in the folder.

#![expect(clippy::print_stdout, reason = "the output is the result")]

#[cfg(target_os = "linux")]
mod linux {
    use std::error::Error;
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Duration;

    use artifact_backend::{ArtifactId, ArtifactInventory};
    use artifact_backend_fs::{FsBackend, FsConfig};
    use artifact_backend_pack::{PackBackend, PackConfig};
    use bytes::Bytes;
    use tokio::task::JoinSet;
    use tokio::time::Instant;

    type Backend = Arc<dyn ArtifactInventory>;
    type Done<T> = Result<T, Box<dyn Error + Send + Sync>>;

    /// Returns how many operations a second all callers did together.
    async fn rate<F, Fut>(callers: u64, window: Duration, operation: F) -> Done<f64>
    where
        F: Fn(u64) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = artifact_backend::Result<()>> + Send,
    {
        let began = Instant::now();
        let mut tasks = JoinSet::new();
        for caller in 0..callers {
            let operation = operation.clone();
            tasks.spawn(async move {
                let mut number = caller;
                let mut done = 0_u32;
                while began.elapsed() < window {
                    operation(number).await?;
                    number += callers;
                    done += 1;
                }
                Ok::<_, artifact_backend::Error>(done)
            });
        }
        let mut done = 0_u32;
        while let Some(task) = tasks.join_next().await {
            done += task??;
        }
        Ok(f64::from(done) / began.elapsed().as_secs_f64())
    }

    async fn stores(backend: Backend, callers: u64, window: Duration, bytes: Bytes) -> Done<f64> {
        let operation = move |_| {
            let (backend, bytes) = (Arc::clone(&backend), bytes.clone());
            async move { backend.store(ArtifactId::mint(), bytes).await }
        };
        rate(callers, window, operation).await
    }

    async fn loads(backend: Backend, ids: Arc<Vec<ArtifactId>>, window: Duration) -> Done<f64> {
        let operation = move |number: u64| {
            let (backend, ids) = (Arc::clone(&backend), Arc::clone(&ids));
            let at = usize::try_from(number).unwrap_or(0) % ids.len();
            async move { backend.load(ids[at]).await.map(drop) }
        };
        rate(1, window, operation).await
    }

    fn median(mut values: Vec<f64>) -> f64 {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    }

    async fn compare<F, Fut>(label: &str, rounds: usize, pair: [&Backend; 2], work: F) -> Done<()>
    where
        F: Fn(Backend) -> Fut,
        Fut: Future<Output = Done<f64>>,
    {
        let (mut first, mut second, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..rounds {
            let mut rates = [0.0; 2];
            for turn in [round % 2, (round + 1) % 2] {
                rates[turn] = work(Arc::clone(pair[turn])).await?;
            }
            first.push(rates[0]);
            second.push(rates[1]);
            ratios.push(rates[0] / rates[1]);
        }
        println!(
            "{label:<28} {:>10.0} {:>10.0} {:>6.2}",
            median(first),
            median(second),
            median(ratios)
        );
        Ok(())
    }

    /// Stores blobs and returns their ids. The segments of the first ones are full, if there are enough.
    async fn fill(backend: &Backend, blobs: u32, bytes: &Bytes) -> Done<Arc<Vec<ArtifactId>>> {
        let mut tasks = JoinSet::new();
        for _ in 0..64 {
            let (backend, bytes) = (Arc::clone(backend), bytes.clone());
            tasks.spawn(async move {
                let mut ids = Vec::new();
                for _ in 0..blobs / 64 {
                    let id = ArtifactId::mint();
                    backend.store(id, bytes.clone()).await?;
                    ids.push(id);
                }
                Ok::<_, artifact_backend::Error>(ids)
            });
        }
        let mut ids = Vec::new();
        while let Some(task) = tasks.join_next().await {
            ids.extend(task??);
        }
        Ok(Arc::new(ids))
    }

    pub(super) async fn main() -> Done<()> {
        let arguments: Vec<_> = std::env::args().skip(1).collect();
        let Some(folder) = arguments.first() else {
            return Err("usage: pack_rate FOLDER [ROUNDS [SECONDS [BYTES]]]".into());
        };
        let number = |at: usize, default: u64| -> Done<u64> {
            Ok(arguments.get(at).map_or(Ok(default), |text| text.parse())?)
        };
        let rounds = usize::try_from(number(1, 5)?)?;
        let window = Duration::from_secs(number(2, 2)?);
        let bytes = Bytes::from(vec![b'x'; usize::try_from(number(3, 4096)?)?]);
        let folder = Path::new(folder);
        // Small segments, so that the loads meet full ones too.
        let config = PackConfig::default().with_segment_bytes(64 << 20);
        let pack: Backend = Arc::new(PackBackend::open(folder.join("pack"), config).await?);
        let file: Backend =
            Arc::new(FsBackend::open(folder.join("file"), FsConfig::default()).await?);
        let pair = [&pack, &file];
        println!(
            "{:<28} {:>10} {:>10} {:>6}",
            "per second", "pack", "file", "ratio"
        );
        for callers in [1, 16, 64, 256] {
            let label = format!("stores, {callers} callers");
            compare(&label, rounds, pair, |backend| {
                stores(backend, callers, window, bytes.clone())
            })
            .await?;
        }
        let packed = fill(&pack, 32_000, &bytes).await?;
        let files = fill(&file, 2_000, &bytes).await?;
        let oldest = Arc::new(packed[..2_000].to_vec());
        let newest = fill(&pack, 640, &bytes).await?;
        for (label, ids) in [("full segments", oldest), ("last segment", newest)] {
            let label = format!("hot loads, {label}");
            let is_pack = |backend: &Backend| Arc::ptr_eq(backend, &pack);
            compare(&label, rounds, pair, |backend| {
                let ids = if is_pack(&backend) { &ids } else { &files };
                loads(backend, Arc::clone(ids), window)
            })
            .await?;
        }
        Ok(())
    }
}

#[cfg(target_os = "linux")]
#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    linux::main().await
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("artifact-backend-pack works on Linux only");
}

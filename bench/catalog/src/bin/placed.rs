//! Measures deposits and fetches of a store that follows its placement beside one that does not.
//!
//!     cargo run --release --manifest-path bench/catalog/Cargo.toml --bin placed -- FOLDER
//!
//! Artifacts of 4 KiB, rows in memory; blobs in memory, and in folders below `FOLDER`. The subjects take turns in each
//! round; the ratio is that of the median rounds.

#![expect(clippy::print_stdout, reason = "the output is the result")]

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result};
use artifact_backend::{ArtifactInventory, async_trait};
use artifact_store::{
    ArtifactId, ArtifactStore, Backend, ByteRange, Database, Experiment, MemoryDatabase,
    NewArtifact, OpenBackend, PlacedBackend, Principal, StoreConfig, authorize,
};
use bytes::Bytes;
use tokio::task::JoinSet;

const BYTES: usize = 4 << 10;
const ROUNDS: usize = 11;

/// Opens nothing: the blobs are never moved.
#[derive(Debug)]
struct Open;

#[async_trait]
impl OpenBackend for Open {
    async fn open(&self, url: &str) -> artifact_backend::Result<Arc<dyn ArtifactInventory>> {
        Ok(Backend::from_url(url).await?.inventory())
    }
}

/// Returns a store on a new backend.
async fn store(url: &str, follows: bool) -> Result<ArtifactStore> {
    let database = Database::new(MemoryDatabase::new());
    let new = Experiment::new("exp".parse()?, artifact_store::Timestamp::UNIX_EPOCH);
    database.catalog.create_experiment(&new).await?;
    let backend = Backend::from_url(url).await?;
    let config = StoreConfig::default();
    if !follows {
        return Ok(ArtifactStore::new(
            backend.inventory(),
            database.catalog,
            config,
        ));
    }
    let placed =
        PlacedBackend::open(database.placement, Arc::new(Open), url, backend.inventory()).await?;
    Ok(ArtifactStore::placed(placed, database.catalog, config))
}

async fn deposit(store: &ArtifactStore) -> Result<ArtifactId> {
    let new = NewArtifact::new("exp".parse()?, &Principal::admin());
    let mut deposit = store.deposit(new.with_size_hint(BYTES as u64));
    deposit.write(Bytes::from_static(&[7; BYTES])).await?;
    Ok(deposit.finish().await?.id)
}

async fn fetch(store: &ArtifactStore, id: ArtifactId) -> Result<()> {
    let row = store.row(&"exp".parse()?, id).await?;
    let grant = authorize(&Principal::admin(), row)?;
    let download = store.read(&grant, ByteRange::Full).await?;
    let bytes = download.into_bytes().await?;
    anyhow::ensure!(bytes.len() == BYTES);
    Ok(())
}

/// What is measured.
#[derive(Debug, Clone, Copy)]
enum Work {
    Deposit,
    Fetch,
}

/// Returns microseconds for each operation.
async fn measure(
    store: &ArtifactStore,
    ids: &Arc<[ArtifactId]>,
    work: Work,
    callers: usize,
    operations: usize,
) -> Result<f64> {
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for caller in 0..callers {
        let (store, ids) = (store.clone(), Arc::clone(ids));
        tasks.spawn(async move {
            for n in 0..operations / callers {
                match work {
                    Work::Deposit => drop(deposit(&store).await?),
                    Work::Fetch => fetch(&store, ids[(n * 7 + caller) % ids.len()]).await?,
                }
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    #[expect(clippy::cast_precision_loss, reason = "a figure to be read")]
    Ok(began.elapsed().as_secs_f64() * 1e6 / operations as f64)
}

async fn compare(name: &str, urls: [String; 2], deposits: usize, fetches: usize) -> Result<()> {
    let stores = [store(&urls[0], false).await?, store(&urls[1], true).await?];
    let mut ids: Vec<Arc<[ArtifactId]>> = Vec::new();
    for store in &stores {
        let mut of_store = Vec::new();
        for _ in 0..256 {
            of_store.push(deposit(store).await?);
        }
        ids.push(of_store.into());
    }
    for (work, operations) in [(Work::Fetch, fetches), (Work::Deposit, deposits)] {
        for callers in [1, 16] {
            let mut rounds = [Vec::new(), Vec::new()];
            for round in 0..ROUNDS {
                for turn in [round % 2, 1 - round % 2] {
                    let (store, ids) = (&stores[turn], &ids[turn]);
                    rounds[turn].push(measure(store, ids, work, callers, operations).await?);
                }
            }
            let [plain, placed] = rounds.map(|mut times| {
                times.sort_by(f64::total_cmp);
                (times[ROUNDS / 2], times[0], times[ROUNDS - 1])
            });
            println!(
                "{name}, {work:?}, {callers} callers: plain {:.2} us ({:.2} to {:.2}), placed {:.2} us ({:.2} to {:.2}), ratio {:.3}",
                plain.0,
                plain.1,
                plain.2,
                placed.0,
                placed.1,
                placed.2,
                placed.0 / plain.0
            );
        }
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<()> {
    let folder = std::env::args().nth(1).context("give a folder")?;
    compare("memory", ["mem:", "mem:"].map(Into::into), 40_000, 100_000).await?;
    let folders = ["plain", "placed"].map(|name| {
        let path = Path::new(&folder).join(name);
        format!("file://{}", path.display())
    });
    compare("folder", folders, 800, 40_000).await
}

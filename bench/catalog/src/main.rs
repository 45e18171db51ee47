//! Measures maintenance of a large catalog: the time and the peak memory of pages, usage, a collection and a scrub.
//!
//! The rows are in a real SQLite file or PostgreSQL database. The blobs take no space: their bytes follow from their ids. Run it
//! once for each number of rows, each time as a new process, and compare the peaks.

mod blobs;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use artifact_backend::ArtifactInventory;
use artifact_store::{
    CatalogInventory, CollectOptions, Collector, Database, DumpRecord, Experiment, ExperimentId,
    PrincipalId, Row, RowFilter, RowPosition, ScrubOptions, Scrubber, Sha256Digest, StoreConfig,
    StoreId, Timestamp,
};
use clap::Parser;
use sha2::{Digest as _, Sha256};

use self::blobs::{SIZE, SparseBlobs};

#[derive(Debug, Parser)]
#[command(about = "Pages, usage, collection and scrub of a large catalog")]
struct Arguments {
    /// How many rows and blobs
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// How many experiments the rows belong to, and how many depositors each one has
    #[arg(long, default_value_t = 4)]
    experiments: u64,
    #[arg(long, default_value_t = 25)]
    depositors: u64,
    /// The URL of an empty database, or the path of an SQLite file; one with these rows is used again
    #[arg(long)]
    database: PathBuf,
    /// How many pages are read at the beginning and from the middle on
    #[arg(long, default_value_t = 100)]
    pages: u32,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let url = arguments
        .database
        .to_str()
        .context("the database is not UTF-8")?;
    let database = Database::from_url(url).await?;
    let blobs = Arc::new(SparseBlobs::new(
        arguments.rows,
        StoreId::from_bytes([7; 16]),
    ));
    if database.store_id.store_id().await?.is_none() {
        let began = Instant::now();
        fill(&database, &blobs, &arguments).await?;
        report("fill", began, arguments.rows)?;
    }
    forget_peak()?;
    println!(
        "{} rows; before: {} MiB",
        arguments.rows,
        memory("VmRSS")? >> 20
    );
    let catalog = Arc::clone(&database.inventory);
    let experiment = experiment(0)?;
    for (name, start) in [("first", 0), ("middle", arguments.rows / 2)] {
        let began = Instant::now();
        let filter = RowFilter::of_experiment(experiment.clone());
        let mut after = RowPosition::from_number(start);
        let mut rows = 0;
        for _ in 0..arguments.pages {
            let page = catalog.scan(&filter, after, 100).await?;
            rows += page.rows.len() as u64;
            let Some(next) = page.next else { break };
            after = next;
        }
        report(&format!("{name} pages of 100"), began, rows)?;
    }
    let began = Instant::now();
    let usage = catalog.usage(&experiment, None).await?;
    let counted = usage.iter().map(|usage| usage.artifacts).sum();
    report("usage of an experiment", began, counted)?;
    let began = Instant::now();
    let own = catalog
        .usage(&experiment, Some(&usage[0].created_by))
        .await?;
    report("usage of a depositor", began, own[0].artifacts)?;
    maintain(catalog, blobs, arguments.rows).await
}

async fn maintain(
    catalog: Arc<dyn CatalogInventory>,
    blobs: Arc<dyn ArtifactInventory>,
    rows: u64,
) -> Result<()> {
    let config = StoreConfig::default();
    let began = Instant::now();
    let options = CollectOptions::new(&config);
    let collector = Collector::new(Arc::clone(&catalog), Arc::clone(&blobs), options);
    let found = collector.run(|_| ()).await;
    ensure!(found.unfinished.is_empty(), "{found:?}");
    ensure!(
        (found.rows, found.blobs, found.orphans, found.missing) == (rows, rows, 0, 0),
        "{found:?}"
    );
    report("collection", began, found.rows)?;
    let began = Instant::now();
    let options = ScrubOptions::new(&config).with_bytes_per_second(None);
    let scrubber = Scrubber::new(catalog, blobs, options);
    let found = scrubber.run(RowPosition::START, |_| ()).await;
    ensure!(found.is_complete() && found.findings() == 0, "{found:?}");
    ensure!(
        (found.artifacts, found.bytes) == (rows, rows * SIZE),
        "{found:?}"
    );
    report("scrub", began, found.artifacts)
}

/// Writes all rows in one transaction, in an order that is not that of the ids.
async fn fill(database: &Database, blobs: &SparseBlobs, arguments: &Arguments) -> Result<()> {
    let Arguments {
        rows,
        experiments,
        depositors,
        ..
    } = *arguments;
    let mut load = database.portable()?.begin_load().await?;
    let created = |number| {
        Ok::<_, anyhow::Error>(DumpRecord::Experiment {
            experiment: Experiment::new(experiment(number)?, Timestamp::UNIX_EPOCH),
            keep: None,
        })
    };
    load.write((0..experiments).map(created).collect::<Result<_>>()?)
        .await?;
    // A prime that divides no reasonable number of rows.
    const STRIDE: u64 = 2_654_435_761;
    let mut records = Vec::new();
    for position in 0..rows {
        let number = (u128::from(position) * u128::from(STRIDE) % u128::from(rows)) as u64;
        let bytes = SparseBlobs::bytes(number);
        let sha256 = Sha256Digest::from_bytes(Sha256::digest(bytes).into());
        let depositor = (number / experiments) % depositors;
        let by: PrincipalId = format!("depositor-{depositor:022}").parse()?;
        let at = Timestamp::from_microsecond(i64::try_from(position)?)?;
        let row = Row::new(
            blobs.id(number),
            experiment(number % experiments)?,
            by,
            SIZE,
            sha256,
            at,
        );
        let position = RowPosition::from_number(position + 1);
        records.push(DumpRecord::Artifact { position, row });
        if records.len() == 1_000 {
            load.write(std::mem::take(&mut records)).await?;
        }
    }
    load.write(records).await?;
    Ok(load.commit(Some(StoreId::from_bytes([7; 16]))).await?)
}

fn experiment(number: u64) -> Result<ExperimentId> {
    Ok(format!("experiment-{number}").parse()?)
}

/// Prints the time since the beginning, the rows, and the peak of the memory since the last report.
fn report(what: &str, began: Instant, rows: u64) -> Result<()> {
    let took: Duration = began.elapsed();
    let peak = memory("VmHWM")? >> 20;
    let each = took.as_secs_f64() * 1e6 / rows.max(1) as f64;
    println!(
        "| {what} | {rows} | {:.2} s | {each:.1} us | {peak} MiB |",
        took.as_secs_f64()
    );
    forget_peak()
}

/// Returns bytes of /proc/self/status.
fn memory(field: &str) -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with(field));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(kilobytes.context("no such field")?.parse::<u64>()? << 10)
}

/// Resets the peak to the current size (proc(5), clear_refs).
fn forget_peak() -> Result<()> {
    Ok(std::fs::write("/proc/self/clear_refs", "5")?)
}

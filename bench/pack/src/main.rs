//! Measures `artifact-backend-pack` beside `artifact-backend-fs`, bare system calls, redb, fjall and SQLite, in one run. Prints Markdown.
//!
//!     cargo run --release --manifest-path bench/pack/Cargo.toml -- FOLDER
//!
//! The folders stay until the end: ext4 without a journal does not use the inodes of deleted files again for a while, and files created
//! meanwhile are slow.
//!
//! The subjects take turns in each round; a figure is the median of the rounds, a ratio the median of the ratios of the rounds. Callers of
//! the backends are tasks of one runtime, those of the others are threads.

mod drive;
#[expect(dead_code, reason = "the other programs use the rest")]
#[path = "../../src/host.rs"]
mod host;
mod subject;
mod table;
mod upkeep;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use artifact_backend::ArtifactId;
use artifact_backend_pack::PackConfig;
use clap::{Parser, ValueEnum};

use crate::drive::{Work, fill, noise, rate};
use crate::subject::Subject;
use crate::table::{Goals, Rates};

const KIB: usize = 1 << 10;
/// The blobs that hot loads read.
const HOT: usize = 2_000;

/// Measures stores, loads, opening, scrub and space of small blobs.
#[derive(Debug, Parser)]
struct Options {
    /// Folder to work in. A new subfolder is created and removed at the end.
    folder: PathBuf,
    /// Parts to measure [default: all].
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Seconds for each subject and round.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Numbers of blobs in the roots that are opened.
    #[arg(long, value_delimiter = ',', default_value = "100000,1000000,8000000")]
    opened: Vec<usize>,
    /// Begin with the memory as it is, instead of filling the page cache first.
    #[arg(long)]
    keep_free_memory: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Stores,
    Loads,
    Sizes,
    Opening,
    Scrub,
    Space,
}

type Subjects = Vec<(&'static str, Subject, Work)>;

/// Lets the subjects take turns. The order rotates with each round.
async fn measure(
    subjects: &Subjects,
    callers: u64,
    window: Duration,
    rounds: usize,
) -> Result<Rates> {
    let mut rates = Vec::new();
    for round in 0..rounds {
        let mut row = vec![0.0; subjects.len()];
        for turn in 0..subjects.len() {
            let at = (turn + round) % subjects.len();
            let (_, subject, work) = &subjects[at];
            row[at] = rate(subject, work, callers, window).await?;
        }
        rates.push(row);
    }
    let names = subjects.iter().map(|(name, ..)| *name).collect();
    Ok(Rates {
        names,
        rounds: rates,
    })
}

/// Prints the head of a table with a column for each subject.
fn head(title: &str, label: &'static str, subjects: &Subjects) {
    let names = subjects.iter().map(|(name, ..)| *name);
    table::head(
        title,
        &std::iter::once(label).chain(names).collect::<Vec<_>>(),
    );
}

async fn stores(options: &Options, scratch: &host::Scratch, goals: &mut Goals) -> Result<()> {
    let root = scratch.fresh()?;
    let bytes = noise(4 * KIB);
    let pack = Subject::pack(&root, PackConfig::default()).await?;
    let all = [
        ("pack", pack.clone()),
        ("file", Subject::file(&root).await?),
        ("append", Subject::append(&root)?),
        ("redb", Subject::redb(&root)?),
        ("fjall", Subject::fjall(&root)?),
        ("sqlite", Subject::sqlite(&root)?),
    ];
    let subjects: Subjects = all
        .into_iter()
        .map(|(name, subject)| (name, subject, Work::Store(bytes.clone())))
        .collect();
    head(
        "Durable stores of 4 KiB a second (ratio of pack to it)",
        "callers",
        &subjects,
    );
    let window = Duration::from_secs_f64(options.seconds);
    let mut flushes = Vec::new();
    for (callers, to_file, to_append) in [(1, 2.0, 0.8), (16, 5.0, 0.9), (64, 15.0, 1.5)] {
        let rates = measure(&subjects, callers, window, options.rounds).await?;
        rates.print(&callers.to_string());
        let name = |other| format!("store 4 KiB, {callers} callers, against {other}");
        goals.at_least(&name("file"), to_file, rates.ratio("pack", "file"));
        goals.at_least(&name("append"), to_append, rates.ratio("pack", "append"));
        if callers == 1 {
            goals.at_least(&name("redb"), 1.3, rates.ratio("pack", "redb"));
            goals.at_least(&name("sqlite"), 1.3, rates.ratio("pack", "sqlite"));
        }
        // Apart from the rates, so that nothing else is counted.
        let before = stats(&pack);
        rate(&pack, &Work::Store(bytes.clone()), callers, window).await?;
        let after = stats(&pack);
        let syncs = (after.0 - before.0) as f64 / (after.1 - before.1).max(1) as f64;
        flushes.push(format!("{callers} callers: {syncs:.3}"));
        if callers == 64 {
            goals.below("flushes for each store, 64 callers", 0.05, syncs);
        }
    }
    println!("\nFlushes of pack for each store: {}.", flushes.join(", "));
    Ok(())
}

/// Returns the number of syncs and of records so far.
fn stats(subject: &Subject) -> (u64, u64) {
    let Subject::Pack(backend) = subject else {
        return (0, 0);
    };
    let stats = backend.stats();
    (stats.syncs, stats.records)
}

async fn loads(options: &Options, scratch: &host::Scratch, goals: &mut Goals) -> Result<()> {
    let root = scratch.fresh()?;
    let size = 4 * KIB;
    let bytes = noise(size);
    let config = || PackConfig::default().with_segment_bytes(32 << 20);
    let (full, uncached, last) = (root.join("full"), root.join("uncached"), root.join("last"));
    for folder in [&full, &uncached, &last] {
        std::fs::create_dir(folder)?;
    }
    let mut subjects = Subjects::new();
    for (name, subject, more) in [
        (
            "pack, full segment",
            Subject::pack(&full, config()).await?,
            8_000,
        ),
        (
            "pack, full segment, no cached entries",
            Subject::pack(&uncached, config().with_cached_entries(0)).await?,
            8_000,
        ),
        (
            "pack, last segment",
            Subject::pack(&last, config()).await?,
            0,
        ),
        ("file", Subject::file(&root).await?, 0),
        ("pread", Subject::pread(&root, HOT as u64)?, 0),
        ("redb", Subject::redb(&root)?, 0),
        ("fjall", Subject::fjall(&root)?, 0),
        ("sqlite", Subject::sqlite(&root)?, 0),
    ] {
        let ids: Arc<[ArtifactId]> = if matches!(subject, Subject::Pread(_)) {
            vec![ArtifactId::mint(); HOT].into()
        } else {
            fill(&subject, HOT, 64, &bytes).await?
        };
        // Fills the segment of the first blobs.
        fill(&subject, more, 64, &bytes).await?;
        subjects.push((name, subject, Work::Load(ids, size)));
    }
    head(
        "Hot loads of 4 KiB a second (ratio of pack to it)",
        "callers",
        &subjects,
    );
    let window = Duration::from_secs_f64(options.seconds);
    for (callers, to_file) in [(1, 3.0), (16, 2.0)] {
        let rates = measure(&subjects, callers, window, options.rounds).await?;
        rates.print(&callers.to_string());
        for ours in [
            "pack, full segment",
            "pack, full segment, no cached entries",
        ] {
            let name =
                |other| format!("hot load 4 KiB, {ours}, {callers} callers, against {other}");
            goals.at_least(&name("file"), to_file, rates.ratio(ours, "file"));
            goals.at_least(&name("pread"), 0.8, rates.ratio(ours, "pread"));
        }
    }
    Ok(())
}

async fn sizes(options: &Options, scratch: &host::Scratch, goals: &mut Goals) -> Result<()> {
    let window = Duration::from_secs_f64(options.seconds / 2.5);
    let columns = [
        "size",
        "callers",
        "work",
        "packed up to 1 MiB",
        "pack, default",
        "file",
    ];
    table::head(
        "Sizes: operations a second (ratio of the first subject to it)",
        &columns,
    );
    for size in [
        4 * KIB,
        16 * KIB,
        64 * KIB,
        128 * KIB,
        256 * KIB,
        1024 * KIB,
        16 << 20,
    ] {
        let root = scratch.fresh()?;
        let (packed, default) = (root.join("packed"), root.join("default"));
        std::fs::create_dir(&packed)?;
        std::fs::create_dir(&default)?;
        let most = PackConfig::default().with_max_packed_bytes(PackConfig::MAX_PACKED_BYTES);
        let all = [
            ("packed", Subject::pack(&packed, most).await?),
            (
                "default",
                Subject::pack(&default, PackConfig::default()).await?,
            ),
            ("file", Subject::file(&root).await?),
        ];
        let bytes = noise(size);
        for callers in if size > 1 << 20 { vec![1] } else { vec![1, 16] } {
            let store = |(name, subject): &(&'static str, Subject)| {
                (*name, subject.clone(), Work::Store(bytes.clone()))
            };
            let subjects: Subjects = all.iter().map(store).collect();
            let stored = measure(&subjects, callers, window, options.rounds).await?;
            stored.print(&format!("{} KiB | {callers} | store", size / KIB));
            let mut subjects = Subjects::new();
            for (name, subject) in &all {
                let ids = fill(subject, 16, 16, &bytes).await?;
                subjects.push((name, subject.clone(), Work::Load(ids, size)));
            }
            let loaded = measure(&subjects, callers, window / 2, options.rounds).await?;
            loaded.print(&format!("{} KiB | {callers} | load", size / KIB));
            if size >= 1 << 20 {
                let name =
                    |work| format!("{work} {} MiB, {callers} callers, against file", size >> 20);
                goals.at_least(&name("store"), 1.0, stored.ratio("default", "file"));
                goals.at_least(&name("load"), 1.0, loaded.ratio("default", "file"));
            }
        }
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let wants = |part| options.only.is_empty() || options.only.contains(&part);
    println!("{}", host::describe(&options.folder)?);
    println!(
        "\n{} rounds of {} s for each subject, in turns.",
        options.rounds, options.seconds
    );
    let scratch = host::Scratch::new(&options.folder)?;
    let _cached = match options.keep_free_memory {
        false => Some(scratch.fill_page_cache()?),
        true => None,
    };
    let mut goals = Goals::default();
    if wants(Part::Stores) {
        stores(&options, &scratch, &mut goals).await?;
    }
    if wants(Part::Loads) {
        loads(&options, &scratch, &mut goals).await?;
    }
    if wants(Part::Sizes) {
        sizes(&options, &scratch, &mut goals).await?;
    }
    if wants(Part::Scrub) {
        upkeep::scrub(&scratch, &mut goals).await?;
    }
    if wants(Part::Space) {
        upkeep::space(&scratch).await?;
    }
    if wants(Part::Opening) {
        upkeep::opening(&scratch, &options.opened, &mut goals).await?;
    }
    goals.print();
    Ok(())
}

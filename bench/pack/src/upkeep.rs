//! Opening, scrub, and the space after half of the blobs were deleted.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use artifact_backend::{ArtifactId, ArtifactInventory};
use artifact_backend_pack::{PackBackend, PackConfig};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::drive::{fill, noise};
use crate::host;
use crate::subject::Subject;
use crate::table::{self, Goals};

/// Measures how long a root with many blobs takes to open.
pub async fn opening(scratch: &host::Scratch, counts: &[usize], goals: &mut Goals) -> Result<()> {
    let columns = [
        "blobs of 16 bytes",
        "stores a second",
        "opened, hot",
        "opened, caches dropped",
        "segments",
    ];
    table::head("Opening", &columns);
    for count in counts {
        let root = scratch.fresh()?;
        let subject = Subject::pack(&root, PackConfig::default()).await?;
        let began = Instant::now();
        fill(&subject, *count, 4096, &noise(16)).await?;
        let rate = *count as f64 / began.elapsed().as_secs_f64();
        drop(subject);
        let hot = open(&root).await?;
        let cold = match host::drop_caches() {
            Ok(()) => Some(open(&root).await?),
            Err(_) => None,
        };
        let segments = std::fs::read_dir(root.join("pack/segments"))?.count() - 1;
        let text = cold.map_or("not measured".to_owned(), |cold| format!("{cold:.3} s"));
        println!("| {count} | {rate:.0} | {hot:.3} s | {text} | {segments} |");
        goals.below(
            &format!("opening {count} blobs, seconds"),
            5.0,
            cold.unwrap_or(hot),
        );
    }
    Ok(())
}

async fn open(root: &Path) -> Result<f64> {
    let began = Instant::now();
    let backend = PackBackend::open(root.join("pack"), PackConfig::default()).await?;
    let seconds = began.elapsed().as_secs_f64();
    drop(backend);
    Ok(seconds)
}

/// Compares the scrub of segments with loads of all files.
pub async fn scrub(scratch: &host::Scratch, goals: &mut Goals) -> Result<()> {
    const SIZE: usize = 4096;
    table::head(
        "Scrub of blobs of 4 KiB, in MB a second",
        &["subject", "hot", "caches dropped"],
    );
    let root = scratch.fresh()?;
    let config = PackConfig::default().with_segment_bytes(64 << 20);
    let Subject::Pack(pack) = Subject::pack(&root, config).await? else {
        bail!("it is a folder of segments");
    };
    let file = Subject::file(&root).await?;
    fill(&Subject::Pack(pack.clone()), 120_000, 1024, &noise(SIZE)).await?;
    let ids = fill(&file, 20_000, 64, &noise(SIZE)).await?;
    let mut rates = [[0.0; 2]; 3];
    for cold in [false, true] {
        for (number, callers) in [(0, 0), (1, 1), (2, 16)] {
            if cold && host::drop_caches().is_err() {
                continue;
            }
            let began = Instant::now();
            let bytes = if number == 0 {
                pack.scrub().await?.blob_bytes
            } else {
                let loads = ids.iter().map(|id| file.load(*id, 0, SIZE));
                stream::iter(loads)
                    .buffer_unordered(callers)
                    .try_collect::<Vec<_>>()
                    .await?;
                (ids.len() * SIZE) as u64
            };
            rates[number][usize::from(cold)] = bytes as f64 / 1e6 / began.elapsed().as_secs_f64();
        }
    }
    for (name, rates) in [
        "segments",
        "files, one after the other",
        "files, 16 at a time",
    ]
    .iter()
    .zip(rates)
    {
        println!("| {name} | {:.0} | {:.0} |", rates[0], rates[1]);
    }
    goals.at_least(
        "scrub, MB/s against files, hot",
        5.0,
        rates[0][0] / rates[1][0],
    );
    goals.at_least(
        "scrub, MB/s against files, caches dropped",
        5.0,
        rates[0][1] / rates[1][1],
    );
    Ok(())
}

/// Compares the space before and after half of the blobs were deleted.
pub async fn space(scratch: &host::Scratch) -> Result<()> {
    let columns = [
        "bytes of a blob",
        "subject",
        "stored",
        "half deleted",
        "after the sweep",
    ];
    table::head("Space on the disk for each byte that is stored", &columns);
    for (size, count) in [(4096, 64_000), (32 << 10, 8_000)] {
        let root = scratch.fresh()?;
        let config = PackConfig::default().with_segment_bytes(16 << 20);
        for (name, subject) in [
            ("pack", Subject::pack(&root, config).await?),
            ("file", Subject::file(&root).await?),
        ] {
            let ids = fill(&subject, count, 64, &noise(size)).await?;
            let folder = root.join(name);
            let stored = used(&folder)? as f64 / (count * size) as f64;
            delete_half(&subject, &ids).await?;
            let live = (count / 2 * size) as f64;
            let deleted = used(&folder)? as f64 / live;
            inventory(&subject)?.sweep(Duration::ZERO).await?;
            let swept = used(&folder)? as f64 / live;
            println!("| {size} | {name} | {stored:.2} | {deleted:.2} | {swept:.2} |");
        }
    }
    Ok(())
}

fn inventory(subject: &Subject) -> Result<&dyn ArtifactInventory> {
    match subject {
        Subject::Pack(backend) => Ok(backend),
        Subject::File(backend) => Ok(backend),
        _ => bail!("only the backends have an inventory"),
    }
}

/// Deletes every other blob in the order of the ids, which are random.
async fn delete_half(subject: &Subject, ids: &[ArtifactId]) -> Result<()> {
    let inventory = inventory(subject)?;
    let mut sorted = ids.to_vec();
    sorted.sort_unstable();
    let deletes = sorted.iter().step_by(2).map(|id| inventory.delete(*id));
    stream::iter(deletes)
        .buffer_unordered(64)
        .try_collect::<Vec<_>>()
        .await?;
    let gone = inventory.load(sorted[0]).await;
    anyhow::ensure!(gone.is_err(), "a deleted blob was loaded");
    Ok(())
}

/// Returns the bytes that the files of a folder take.
fn used(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() {
            used(&entry.path())?
        } else {
            metadata.blocks() * 512
        };
    }
    Ok(bytes)
}

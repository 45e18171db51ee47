//! Measurements of `artifact-backend-fs` against its peers and against the same system calls made by
//! plain threads, side by side in one run. What is reported are ratios; see README.md for the method.

mod cell;
mod host;
mod report;
mod stall;
mod subject;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use crate::cell::{Cell, Work};
use crate::subject::{Kind, Subject};

/// Measures stores and loads of one folder, ours and its peers' by turns.
#[derive(Debug, Parser)]
struct Options {
    /// The folder to work in; a new one is made inside it, and removed at the end.
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// What to measure; all of it by default.
    #[arg(long, value_enum, value_delimiter = ',')]
    work: Vec<WorkName>,
    /// Sizes of a blob, in bytes.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "0,4096,65536,262144,1048576,16777216"
    )]
    sizes: Vec<usize>,
    /// Callers at once.
    #[arg(long, value_delimiter = ',', default_value = "1,16,64")]
    callers: Vec<usize>,
    /// Subjects; all by default.
    #[arg(long, value_enum, value_delimiter = ',')]
    subjects: Vec<Kind>,
    /// Seconds a subject is measured in a round.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Rounds; the subjects take turns in each, and the median round of each is reported.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Bytes of a streamed blob.
    #[arg(long, default_value_t = 1 << 30)]
    stream_bytes: u64,
    /// Whether the raw calls sync the file a second time after the link: as ours does on this file
    /// system, which `auto` finds out as ours does.
    #[arg(long, value_enum, default_value_t = SecondSync::Yes)]
    second_sync: SecondSync,
    /// Blobs that lie in the folder before loads and stores are measured, for growth. They are laid
    /// down without a sync each, and synced once; a subject keeps its folder for the whole run then.
    #[arg(long, default_value_t = 0)]
    blobs: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum WorkName {
    Store,
    Load,
    ColdLoad,
    Upload,
    Download,
    Mixed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SecondSync {
    Yes,
    No,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let all = options.work.is_empty();
    let wants = |name| all || options.work.contains(&name);
    let kinds = if options.subjects.is_empty() {
        Kind::value_variants().to_vec()
    } else {
        options.subjects.clone()
    };
    let window = Duration::from_secs_f64(options.seconds);
    println!("{}", host::describe(&options.dir)?);
    println!(
        "\n{} rounds of {:.1} s a subject, by turns; the median round is shown.\n",
        options.rounds, options.seconds
    );

    let folder = host::Scratch::new(&options.dir)?;
    let raw_second_sync = options.second_sync == SecondSync::Yes;
    let mut cells = Vec::new();
    for &size in &options.sizes {
        for &callers in &options.callers {
            // 64 callers of 16 MiB would measure the machine's memory.
            if (size as u64) * (callers as u64) > 512 << 20 {
                continue;
            }
            if wants(WorkName::Store) {
                cells.push(Cell {
                    work: Work::Store,
                    size,
                    callers,
                });
            }
            if wants(WorkName::Load) {
                cells.push(Cell {
                    work: Work::Load,
                    size,
                    callers,
                });
            }
            if wants(WorkName::ColdLoad) && size > 0 {
                cells.push(Cell {
                    work: Work::ColdLoad,
                    size,
                    callers,
                });
            }
        }
    }
    let stream = usize::try_from(options.stream_bytes)?;
    if wants(WorkName::Upload) {
        cells.push(Cell {
            work: Work::Upload,
            size: stream,
            callers: 1,
        });
        cells.push(Cell {
            work: Work::UploadHashed,
            size: stream,
            callers: 1,
        });
    }
    if wants(WorkName::Download) {
        cells.push(Cell {
            work: Work::Download,
            size: stream,
            callers: 1,
        });
    }
    if wants(WorkName::Mixed) {
        cells.push(Cell {
            work: Work::Quiet,
            size: 4096,
            callers: 1,
        });
        cells.push(Cell {
            work: Work::Mixed,
            size: 4096,
            callers: 1,
        });
    }

    // A million blobs take minutes to lay down and to remove, so each subject keeps its folder then.
    let grown = |kind: Kind| -> anyhow::Result<PathBuf> {
        let root = folder.fresh()?;
        drop(Subject::open(kind, &root, raw_second_sync)?);
        kind.grow(&root, options.blobs)?;
        Ok(root)
    };
    let keep = options.blobs > 0;
    let kept = kinds.iter().filter(|_| keep).map(|kind| grown(*kind));
    let kept = kept.collect::<anyhow::Result<Vec<_>>>()?;

    let mut printed = None;
    for cell in cells {
        let mut rounds = vec![Vec::new(); kinds.len()];
        for round in 0..options.rounds {
            // The order turns with the round, so that no subject always follows the same other.
            for at in 0..kinds.len() {
                let at = (at + round) % kinds.len();
                let root = match kept.get(at) {
                    Some(root) => root.clone(),
                    None => folder.fresh()?,
                };
                let subject = Subject::open(kinds[at], &root, raw_second_sync)?;
                if !subject.does(cell.work) {
                    continue;
                }
                let outcome = cell.run(&subject, window)?;
                rounds[at].push(outcome);
                drop(subject);
                if !keep {
                    host::remove(&root)?;
                }
            }
        }
        if printed != Some(cell.work) {
            println!("{}", report::head(cell.work));
            printed = Some(cell.work);
        }
        print!("{}", report::rows(&cell, &kinds, rounds));
    }
    println!(
        "\npeak memory of the whole run: {} MiB",
        host::peak_memory_mib()
    );
    Ok(())
}

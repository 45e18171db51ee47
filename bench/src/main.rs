//! Measures `artifact-backend-fs` beside its peers and beside the same system calls on plain threads, in one run. Reports
//! ratios; README.md describes the method.

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

/// Measures stores and loads in one folder; the subjects take turns.
#[derive(Debug, Parser)]
struct Options {
    /// Folder to work in. A new subfolder is created and removed at the end.
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// Kinds of work to measure [default: all].
    #[arg(long, value_enum, value_delimiter = ',')]
    work: Vec<WorkName>,
    /// Sizes of a blob, in bytes.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "0,4096,65536,262144,1048576,16777216"
    )]
    sizes: Vec<usize>,
    /// Numbers of concurrent callers.
    #[arg(long, value_delimiter = ',', default_value = "1,16,64")]
    callers: Vec<usize>,
    /// Subjects to measure [default: all].
    #[arg(long, value_enum, value_delimiter = ',')]
    subjects: Vec<Kind>,
    /// Seconds per subject and round.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Number of rounds. The median round of each subject is reported.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Size of a streamed blob, in bytes.
    #[arg(long, default_value_t = 1 << 30)]
    stream_bytes: u64,
    /// Whether the raw calls sync the file a second time after the link, as ours does on ext4 without a journal.
    #[arg(long, value_enum, default_value_t = SecondSync::Yes)]
    second_sync: SecondSync,
    /// Number of blobs in the folder before the measurement starts. They are created without a sync each and synced
    /// once. If not zero, a subject keeps its folder for the whole run.
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
        "\n{} rounds of {:.1} s per subject, in turns; the median round is shown.\n",
        options.rounds, options.seconds
    );

    let folder = host::Scratch::new(&options.dir)?;
    let raw_second_sync = options.second_sync == SecondSync::Yes;
    let mut cells = Vec::new();
    for &size in &options.sizes {
        for &callers in &options.callers {
            // 64 callers with 16 MiB each would measure the machine's memory.
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

    // A million blobs take minutes to create and to remove, so each subject keeps its folder.
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
            // The order rotates with each round, so that no subject always follows the same other one.
            for at in 0..kinds.len() {
                let at = (at + round) % kinds.len();
                let root = match kept.get(at) {
                    Some(root) => root.clone(),
                    None => folder.fresh()?,
                };
                let subject = Subject::open(kinds[at], &root, raw_second_sync)?;
                if !subject.supports(cell.work) {
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

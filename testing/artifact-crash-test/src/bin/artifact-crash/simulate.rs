//! The commands `fuse`, `block` and `syscalls`, each of which prints a report on one subject.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use artifact_crash_test::block::{self, BlockExploration, BlockOptions, FileSystem};
use artifact_crash_test::strict::{self, Exploration, Options, SweepOptions};
use artifact_crash_test::{Checker, Layout, Random, Report, Subject, syscalls};

/// The subject, and how its root is checked.
#[derive(Debug, clap::Args)]
struct SubjectArgs {
    /// A pattern of the paths of blobs below the root, such as `blobs/{hex32}`. May be repeated. Without
    /// any pattern, `CMD check ROOT` reads the root.
    #[arg(long = "blob", value_name = "PATTERN")]
    blobs: Vec<String>,
    /// A pattern of the paths of leftovers and the store's own files, such as `staging/*`. May be repeated.
    #[arg(long = "scratch", value_name = "PATTERN", requires = "blobs")]
    scratch: Vec<String>,
    /// The number of runs. Each run covers another timing of the threads.
    #[arg(long, default_value_t = 1)]
    runs: u64,
    /// The seed of all random choices.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The duration of a sync in milliseconds.
    #[arg(long, default_value_t = 1)]
    sync_ms: u64,
    /// The time limit of one run or check in seconds.
    #[arg(long, default_value_t = 60)]
    time_limit: u64,
    /// The subject: a program and its arguments.
    #[arg(last = true, required = true, value_name = "CMD")]
    subject: Vec<OsString>,
}

impl SubjectArgs {
    fn subject(&self) -> Subject {
        let (program, arguments) = self
            .subject
            .split_first()
            .expect("clap requires the program");
        let subject = Subject::new(program).with_time_limit(Duration::from_secs(self.time_limit));
        arguments.iter().fold(subject, Subject::with_arg)
    }

    fn checker(&self) -> anyhow::Result<Checker> {
        if self.blobs.is_empty() {
            return Ok(self.subject().into());
        }
        let blobs = self.blobs.iter().map(String::as_str);
        Ok(Layout::new(blobs, self.scratch.iter().map(String::as_str))?.into())
    }

    fn sync_time(&self) -> Duration {
        Duration::from_millis(self.sync_ms)
    }

    fn print(report: &Report) -> anyhow::Result<bool> {
        write!(std::io::stdout(), "{report}")?;
        Ok(report.is_clean())
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Fuse {
    #[command(flatten)]
    args: SubjectArgs,
    /// The number of random survivals at each crash point.
    #[arg(long, default_value_t = 8)]
    trials: u64,
    /// The approximate maximum number of states per run.
    #[arg(long)]
    states: Option<u64>,
    /// Also runs the subject once per operation and error, with that error injected.
    #[arg(long)]
    faults: bool,
    /// The maximum number of such runs, chosen by the seed.
    #[arg(long, requires = "faults")]
    fault_runs: Option<usize>,
}

impl Fuse {
    pub(crate) fn run(&self) -> anyhow::Result<bool> {
        let Self {
            args,
            trials,
            states,
            faults,
            fault_runs,
        } = self;
        let (subject, checker) = (args.subject(), args.checker()?);
        let options = Options::default().with_sync_time(args.sync_time());
        let mut report = Report::default();
        for run in 0..args.runs {
            let recording = strict::record(&subject, options.clone())?;
            let mut exploration = Exploration::default()
                .with_trials(*trials)
                .with_seed(args.seed + run);
            exploration.max_states = *states;
            report.merge(strict::explore(&recording, &checker, &exploration)?);
        }
        if *faults {
            let mut sweep = SweepOptions::default()
                .with_run(options)
                .with_seed(args.seed);
            sweep.max_runs = *fault_runs;
            report.merge(strict::sweep(&subject, &checker, &sweep)?);
        }
        SubjectArgs::print(&report)
    }
}

/// A subject of the fault of the inode table must make clearly more writes to it than this.
const MAX_WRITES_BEFORE_FAULT: usize = 60;

#[derive(Debug, clap::Args)]
pub(crate) struct Block {
    #[command(flatten)]
    args: SubjectArgs,
    /// The file system: ext4, ext4-nojournal, xfs or btrfs.
    #[arg(long = "fs")]
    file_system: FileSystem,
    /// The approximate number of states per run.
    #[arg(long, default_value_t = 200)]
    states: usize,
    /// Lets this number of writes to the inode table of ext4 fail. Each run begins the fault elsewhere.
    #[arg(long, value_name = "WRITES")]
    inode_table_fault: Option<usize>,
}

impl Block {
    pub(crate) fn run(&self) -> anyhow::Result<bool> {
        let Self {
            args,
            file_system,
            states,
            inode_table_fault,
        } = self;
        let (subject, checker) = (args.subject(), args.checker()?);
        let options = BlockOptions::default().with_sync_time(args.sync_time());
        let mut report = Report::default();
        for run in 0..args.runs {
            let mut options = options.clone();
            if let Some(writes) = inode_table_fault {
                let succeed = Random::of(args.seed, run, 0).below(MAX_WRITES_BEFORE_FAULT);
                options = options.with_inode_table_fault(10 + succeed, *writes);
            }
            let recording = block::record(&subject, *file_system, &options)?;
            let exploration = BlockExploration::default()
                .with_states(*states)
                .with_seed(args.seed + run);
            report.merge(block::explore(&recording, &checker, &exploration)?);
        }
        SubjectArgs::print(&report)
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Syscalls {
    #[command(flatten)]
    args: SubjectArgs,
    /// The parent of the folders that the subject runs on. By default the folder for temporary files.
    #[arg(long = "in", value_name = "FOLDER")]
    parent: Option<PathBuf>,
    /// Prints the system calls of the run without a fault.
    #[arg(long)]
    calls: bool,
}

impl Syscalls {
    pub(crate) fn run(&self) -> anyhow::Result<bool> {
        let Self {
            args,
            parent,
            calls,
        } = self;
        let parent = match parent {
            Some(parent) => tempfile::tempdir_in(parent),
            None => tempfile::tempdir(),
        }?;
        let mut report = Report::default();
        for _ in 0..args.runs {
            let checkers = [args.checker()?];
            let swept = syscalls::sweep(&args.subject(), parent.path(), &checkers)?;
            if *calls {
                for call in &swept.calls {
                    writeln!(std::io::stdout(), "{call}")?;
                }
            }
            report.merge(swept.report);
        }
        SubjectArgs::print(&report)
    }
}

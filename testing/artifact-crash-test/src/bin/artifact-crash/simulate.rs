//! `artifact-crash fuse` and `artifact-crash block`: one subject, one report.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use artifact_crash_test::block::{self, BlockExploration, BlockOptions, FileSystem};
use artifact_crash_test::strict::{self, Exploration, Options, SweepOptions};
use artifact_crash_test::{Checker, Layout, Report, Subject, syscalls};

/// The subject, and how what it left is read.
#[derive(Debug, clap::Args)]
struct Tested {
    /// Where blobs lie below the root, as a pattern such as `blobs/{hex32}`; may be repeated. Without
    /// any, `CMD check ROOT` is asked.
    #[arg(long = "blob", value_name = "PATTERN")]
    blobs: Vec<String>,
    /// Where leftovers and the store's own files may lie, as a pattern such as `staging/*`.
    #[arg(long = "scratch", value_name = "PATTERN", requires = "blobs")]
    scratch: Vec<String>,
    /// How many times the subject is run: threads are never timed twice alike.
    #[arg(long, default_value_t = 1)]
    runs: u64,
    /// What random choices are made from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long a sync takes, in milliseconds.
    #[arg(long, default_value_t = 1)]
    sync_ms: u64,
    /// How long one run or check may take, in seconds.
    #[arg(long, default_value_t = 60)]
    time_limit: u64,
    /// The subject: a program and its arguments.
    #[arg(last = true, required = true, value_name = "CMD")]
    subject: Vec<OsString>,
}

impl Tested {
    fn subject(&self) -> Subject {
        let (program, arguments) = self.subject.split_first().expect("the option is required");
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
    tested: Tested,
    /// Random survivals at each crash point.
    #[arg(long, default_value_t = 8)]
    trials: u64,
    /// At most about this many states a run.
    #[arg(long)]
    states: Option<u64>,
    /// Also run the subject with one error injected at each operation in turn.
    #[arg(long)]
    faults: bool,
    /// At most this many such runs, chosen by the seed.
    #[arg(long, requires = "faults")]
    fault_runs: Option<usize>,
}

impl Fuse {
    pub(crate) fn run(&self) -> anyhow::Result<bool> {
        let Self {
            tested,
            trials,
            states,
            faults,
            fault_runs,
        } = self;
        let (subject, checker) = (tested.subject(), tested.checker()?);
        let options = Options::default().with_sync_time(tested.sync_time());
        let mut report = Report::default();
        for run in 0..tested.runs {
            let recording = strict::record(&subject, options.clone())?;
            let mut exploration = Exploration::default()
                .with_trials(*trials)
                .with_seed(tested.seed + run);
            exploration.max_states = *states;
            report.merge(strict::explore(&recording, &checker, &exploration)?);
        }
        if *faults {
            let mut sweep = SweepOptions::default()
                .with_run(options)
                .with_seed(tested.seed);
            sweep.max_runs = *fault_runs;
            report.merge(strict::sweep(&subject, &checker, &sweep)?);
        }
        Tested::print(&report)
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Block {
    #[command(flatten)]
    tested: Tested,
    /// The file system: ext4, ext4-nojournal, xfs or btrfs.
    #[arg(long = "fs")]
    file_system: FileSystem,
    /// About how many states a run.
    #[arg(long, default_value_t = 200)]
    states: usize,
}

impl Block {
    pub(crate) fn run(&self) -> anyhow::Result<bool> {
        let Self {
            tested,
            file_system,
            states,
        } = self;
        let (subject, checker) = (tested.subject(), tested.checker()?);
        let options = BlockOptions::default().with_sync_time(tested.sync_time());
        let mut report = Report::default();
        for run in 0..tested.runs {
            let recording = block::record(&subject, *file_system, &options)?;
            let exploration = BlockExploration::default()
                .with_states(*states)
                .with_seed(tested.seed + run);
            report.merge(block::explore(&recording, &checker, &exploration)?);
        }
        Tested::print(&report)
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Syscalls {
    #[command(flatten)]
    tested: Tested,
    /// Where the folders are made that the subject is run on; by default where temporary files are.
    #[arg(long = "in", value_name = "FOLDER")]
    parent: Option<PathBuf>,
    /// Print the system calls that were swept.
    #[arg(long)]
    calls: bool,
}

impl Syscalls {
    pub(crate) fn run(&self) -> anyhow::Result<bool> {
        let Self {
            tested,
            parent,
            calls,
        } = self;
        let parent = match parent {
            Some(parent) => tempfile::tempdir_in(parent),
            None => tempfile::tempdir(),
        }?;
        let mut report = Report::default();
        for _ in 0..tested.runs {
            let checkers = [tested.checker()?];
            let swept = syscalls::sweep(&tested.subject(), parent.path(), &checkers)?;
            if *calls {
                for call in &swept.calls {
                    writeln!(std::io::stdout(), "{call}")?;
                }
            }
            report.merge(swept.report);
        }
        Tested::print(&report)
    }
}

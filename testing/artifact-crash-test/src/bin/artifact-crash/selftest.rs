//! `artifact-crash selftest`: who watches the simulator. Every wrong store must be caught by at least
//! one model, and no right store accused by any. What is only watched is shown, and decides nothing.

use std::collections::BTreeMap;
use std::io::Write as _;

use artifact_crash_test::block::{self, BlockExploration, BlockOptions, FileSystem};
use artifact_crash_test::strict::{self, Exploration, OpKind, Options, Survival, SweepOptions};
use artifact_crash_test::{Checker, Report, Subject};

use crate::store::Recipe;

#[derive(Debug, clap::Args)]
pub(crate) struct Selftest {
    /// Many more runs, states and faults: an hour rather than minutes.
    #[arg(long)]
    long: bool,
    /// What random choices are made from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only the strict file system: no block devices.
    #[arg(long)]
    no_block: bool,
    /// Only these stores.
    stores: Vec<String>,
}

/// What is known of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Wrong,
    Right,
    Watched,
}

/// One store's reports by model.
type Row = BTreeMap<String, Report>;

impl Selftest {
    pub(crate) fn run(&self) -> anyhow::Result<bool> {
        let mut out = std::io::stdout();
        let models = self.models();
        writeln!(out, "| store | {} |", models.join(" | "))?;
        writeln!(out, "|---|{}", "---|".repeat(models.len()))?;
        let mut total = BTreeMap::<String, Report>::new();
        let (mut missed, mut accused, mut unusable) = (Vec::new(), Vec::new(), Vec::new());
        for (name, class) in self.stores() {
            let row = self.row(name, class)?;
            let cells: Vec<_> = models.iter().map(|model| row[model].cell()).collect();
            let name = match class {
                Class::Wrong => name.to_owned(),
                Class::Right => format!("**{name}** (right)"),
                Class::Watched => format!("*{name}* (watched)"),
            };
            writeln!(out, "| {name} | {} |", cells.join(" | "))?;
            // Nothing that a store does may make a file system unusable, or end a plain run badly:
            // whatever this is, it is not that a flaw was caught.
            for report in row
                .values()
                .filter(|report| report.counts.contains_key("unusable"))
            {
                writeln!(out, "\n{report}")?;
                unusable.push(name.clone());
            }
            let clean = row.values().all(Report::is_clean);
            if class == Class::Wrong && clean {
                missed.push(name);
            } else if class == Class::Right && !clean {
                for report in row.values().filter(|report| !report.is_clean()) {
                    writeln!(out, "\n{report}")?;
                }
                accused.push(name);
            }
            for (model, report) in row {
                total.entry(model).or_default().merge(report);
            }
        }
        writeln!(
            out,
            "\n| model | states | distinct | runs with a fault | seconds |\n|---|---|---|---|---|"
        )?;
        for (model, report) in &total {
            let Report {
                states,
                distinct,
                faults,
                elapsed,
                ..
            } = report;
            let seconds = elapsed.as_secs_f64();
            writeln!(
                out,
                "| {model} | {states} | {distinct} | {faults} | {seconds:.1} |"
            )?;
        }
        writeln!(
            out,
            "\nwrong stores missed: {missed:?}; right stores accused: {accused:?}"
        )?;
        writeln!(out, "file systems that became unusable under: {unusable:?}")?;
        Ok(missed.is_empty() && accused.is_empty() && unusable.is_empty())
    }

    fn stores(&self) -> Vec<(&'static str, Class)> {
        let wrong = Recipe::WRONG.iter().map(|(name, _)| (*name, Class::Wrong));
        let watched = Recipe::WATCHED
            .iter()
            .map(|(name, _)| (*name, Class::Watched));
        let right = Recipe::RIGHT.iter().map(|(name, _)| (*name, Class::Right));
        wrong
            .chain(watched)
            .chain(right)
            .filter(|(name, _)| {
                self.stores.is_empty() || self.stores.iter().any(|only| only == name)
            })
            .collect()
    }

    fn models(&self) -> Vec<String> {
        let strict = Survival::ALL
            .iter()
            .map(|survival| survival.as_str().to_owned());
        let faults = std::iter::once("faults".to_owned());
        let real = FileSystem::ALL
            .iter()
            .map(ToString::to_string)
            .filter(|_| !self.no_block);
        strict.chain(faults).chain(real).collect()
    }

    fn row(&self, name: &str, class: Class) -> anyhow::Result<Row> {
        let subject = |rounds: &str| {
            Ok::<_, std::io::Error>(
                Subject::new(std::env::current_exe()?)
                    .with_arg("store")
                    .with_arg(name)
                    .with_arg("--rounds")
                    .with_arg(rounds),
            )
        };
        let checker = Checker::from(Recipe::layout());
        let mut row = Row::new();

        for run in 0..if self.long { 6 } else { 2 } {
            let recording = strict::record(&subject("12")?, Options::default())?;
            for survival in Survival::ALL {
                let exploration = Exploration::default()
                    .with_survivals([survival])
                    .with_trials(if self.long { 20 } else { 4 })
                    .with_seed(self.seed + run);
                let report = strict::explore(&recording, &checker, &exploration)?;
                row.entry(survival.as_str().to_owned())
                    .or_default()
                    .merge(report);
            }
        }

        let mut sweep = SweepOptions::default()
            .with_seed(self.seed)
            .with_max_states(400);
        if !self.long {
            let kinds = [OpKind::Write, OpKind::Fsync, OpKind::FsyncDir, OpKind::Link];
            sweep = sweep.with_kinds(kinds).with_max_runs(40);
        }
        let faults = strict::sweep(&subject("4")?, &checker, &sweep)?;
        row.insert("faults".to_owned(), faults);

        // Threads are never timed twice alike, so several runs tell more than many states of one.
        let runs = if self.long || class == Class::Watched {
            4
        } else {
            1
        };
        for file_system in FileSystem::ALL.into_iter().filter(|_| !self.no_block) {
            let report = row.entry(file_system.to_string()).or_default();
            for run in 0..runs {
                let options = BlockOptions::default();
                let recording = block::record(&subject("12")?, file_system, &options)?;
                let mut exploration = BlockExploration::default()
                    .with_states(if self.long { 300 } else { 80 })
                    .with_seed(self.seed + run);
                if class == Class::Wrong {
                    // One finding is enough to have caught it.
                    exploration = exploration.with_stop_at_first();
                }
                report.merge(block::explore(&recording, &checker, &exploration)?);
                if class == Class::Wrong && !report.is_clean() {
                    break;
                }
            }
        }
        Ok(row)
    }
}

//! `artifact-crash selftest` tests the simulator itself. At least one model must find a flaw in every broken
//! store, and no model may find one in a correct store. Undecided stores are shown but do not count.

use std::collections::BTreeMap;
use std::io::Write as _;

use artifact_crash_test::block::{self, BlockExploration, BlockOptions, FileSystem};
use artifact_crash_test::strict::{self, Exploration, OpKind, Options, Survival, SweepOptions};
use artifact_crash_test::{Checker, Report, Subject};

use crate::store::Recipe;

#[derive(Debug, clap::Args)]
pub(crate) struct Selftest {
    /// Runs many more runs, states and faults, which takes up to an hour.
    #[arg(long)]
    long: bool,
    /// The seed of all random choices.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Skips the block devices and tests only the strict file system.
    #[arg(long)]
    no_block: bool,
    /// The stores to test. By default all.
    stores: Vec<String>,
}

/// Whether a store is known to be broken or correct.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StoreClass {
    Broken,
    Correct,
    Undecided,
}

/// The reports of one store by model.
type Row = BTreeMap<String, Report>;

impl Selftest {
    pub(crate) fn run(&self) -> anyhow::Result<bool> {
        let mut out = std::io::stdout();
        let models = self.models();
        writeln!(out, "| store | {} |", models.join(" | "))?;
        writeln!(out, "|---|{}", "---|".repeat(models.len()))?;
        let mut total = BTreeMap::<String, Report>::new();
        let (mut missed, mut false_alarms, mut unusable) = (Vec::new(), Vec::new(), Vec::new());
        for (name, class) in self.stores() {
            let row = self.row(name, class)?;
            let cells: Vec<_> = models.iter().map(|model| row[model].cell()).collect();
            let name = match class {
                StoreClass::Broken => name.to_owned(),
                StoreClass::Correct => format!("**{name}** (correct)"),
                StoreClass::Undecided => format!("*{name}* (undecided)"),
            };
            writeln!(out, "| {name} | {} |", cells.join(" | "))?;
            // No store should make a file system unusable or fail a run without faults. Such a finding
            // does not count as a detected flaw.
            for report in row
                .values()
                .filter(|report| report.counts.contains_key("unusable"))
            {
                writeln!(out, "\n{report}")?;
                unusable.push(name.clone());
            }
            let clean = row.values().all(Report::is_clean);
            if class == StoreClass::Broken && clean {
                missed.push(name);
            } else if class == StoreClass::Correct && !clean {
                for report in row.values().filter(|report| !report.is_clean()) {
                    writeln!(out, "\n{report}")?;
                }
                false_alarms.push(name);
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
            "\nbroken stores without a finding: {missed:?}; correct stores with a finding: {false_alarms:?}"
        )?;
        writeln!(
            out,
            "stores with an unusable file system or a failed run: {unusable:?}"
        )?;
        Ok(missed.is_empty() && false_alarms.is_empty() && unusable.is_empty())
    }

    fn stores(&self) -> Vec<(&'static str, StoreClass)> {
        let broken = Recipe::BROKEN
            .iter()
            .map(|(name, _)| (*name, StoreClass::Broken));
        let undecided = Recipe::UNDECIDED
            .iter()
            .map(|(name, _)| (*name, StoreClass::Undecided));
        let correct = Recipe::CORRECT
            .iter()
            .map(|(name, _)| (*name, StoreClass::Correct));
        broken
            .chain(undecided)
            .chain(correct)
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

    fn row(&self, name: &str, class: StoreClass) -> anyhow::Result<Row> {
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

        // Thread timings differ between runs, so several runs find more than many states of one run.
        let runs = if self.long || class == StoreClass::Undecided {
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
                if class == StoreClass::Broken {
                    // One finding is enough to detect the flaw.
                    exploration = exploration.with_stop_at_first();
                }
                report.merge(block::explore(&recording, &checker, &exploration)?);
                if class == StoreClass::Broken && !report.is_clean() {
                    break;
                }
            }
        }
        Ok(row)
    }
}

//! `artifact doctor`: looks at everything that a server needs, and says what each finding means and what to do.
//!
//! It changes nothing in a store, and runs beside servers. It writes a few small things that it removes again: a file in each
//! folder, and objects in a bucket.

mod finding;
#[cfg(feature = "fs")]
mod folders;
mod machine;
mod store;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use self::finding::{Finding, Status};
use crate::failure::{chain, ended_with};
use crate::output;
use crate::serve::plan::{ServePlan, StorePlan};
use crate::settings::{Loaded, ServeSettings};

/// The exit code if there is a problem.
const FOUND: u8 = 1;

/// How `doctor` prints.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct DoctorArguments {
    /// Write JSON to standard output: a line for each finding, then a line with the totals
    #[arg(long)]
    json: bool,
}

/// Examines once, and prints all findings in the end of each step.
pub(crate) async fn doctor(
    loaded: &Loaded,
    no_color: bool,
    arguments: DoctorArguments,
) -> Result<()> {
    let settings: ServeSettings = loaded.settings()?;
    let mut printer = Printer {
        json: arguments.json,
        findings: 0,
        warnings: 0,
        problems: 0,
    };
    printer.print([
        check_settings(&settings, loaded),
        machine::open_files(&settings),
    ])?;
    let Ok(plan) = StorePlan::new(&settings, &loaded.sources) else {
        // The first finding says why.
        printer.print([machine::clock(None)])?;
        return printer.finish();
    };
    #[cfg(feature = "fs")]
    printer.print(folders::check(&plan))?;
    let mut findings = vec![];
    let database = store::database(&plan, &mut findings).await;
    findings.push(machine::clock(database.as_ref()));
    printer.print(findings)?;
    let mut findings = vec![];
    store::backend(&plan, database.as_ref(), no_color, &mut findings).await;
    printer.print(findings)?;
    printer.finish()
}

/// Checks what `artifact serve --check` checks.
fn check_settings(settings: &ServeSettings, loaded: &Loaded) -> Finding {
    const CHECK: &str = "settings";
    let checked = ServePlan::new(settings, &loaded.sources).and_then(|plan| plan.open_tls());
    match checked {
        Ok(tls) => {
            let tls = if tls.is_some() { ", with TLS" } else { "" };
            Finding::ok(
                CHECK,
                format!("a server can read them, and what they name{tls}"),
                "the same as artifact serve --check",
            )
        }
        Err(error) => Finding::new(
            Status::Problem,
            CHECK,
            chain(error.as_ref()),
            "the server does not start",
            "do what the text says; run the doctor as the user of the server and with its settings",
        ),
    }
}

struct Printer {
    json: bool,
    findings: u64,
    warnings: u64,
    problems: u64,
}

impl Printer {
    fn print(&mut self, findings: impl IntoIterator<Item = Finding>) -> Result<()> {
        for finding in findings {
            finding.print(self.json)?;
            self.findings += 1;
            self.warnings += u64::from(finding.is_warning());
            self.problems += u64::from(finding.is_problem());
        }
        Ok(())
    }

    fn finish(self) -> Result<()> {
        let Self {
            json,
            findings,
            warnings,
            problems,
        } = self;
        if json {
            output::data(
                json!({"findings": findings, "warnings": warnings, "problems": problems}),
            )?;
        } else {
            output::note(format_args!(
                "findings: {findings}, problems: {problems}, warnings: {warnings}"
            ));
        }
        if problems == 0 {
            Ok(())
        } else {
            Err(ended_with(FOUND))
        }
    }
}

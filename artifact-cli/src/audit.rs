//! `artifact audit`: checks audit logs.

use std::path::PathBuf;

use anyhow::Result;
use artifact_audit::{ChainReport, Damage, DamageKind, LineHash, verify_files};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::failure::{ended_with, setup, setup_from};
use crate::output;

/// The commands on audit logs.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Find lines of audit logs that were changed, removed, moved or inserted
    #[command(after_long_help = "\
The chain does not show that lines at the end were cut off: give --head with a hash that was noted before.
Exit codes: 0 nothing is wrong, 1 something is wrong that the output names, 2 a file cannot be read.")]
    Verify(VerifyAuditArguments),
}

/// What `audit verify` checks.
#[derive(Debug, Args)]
pub(crate) struct VerifyAuditArguments {
    /// Files of one or more audit logs, in any order
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    /// Hash of a line that must be there, such as the last one that the server has logged. The flag may repeat
    #[arg(long = "head", value_name = "HASH")]
    heads: Vec<LineHash>,

    /// Write one line of JSON for each damage and each chain
    #[arg(long)]
    json: bool,
}

/// Runs a command.
pub(crate) fn run(command: &AuditCommand) -> Result<()> {
    let AuditCommand::Verify(arguments) = command;
    let report = verify_files(&arguments.files, &arguments.heads);
    let report = report.map_err(|error| setup_from(error, "cannot check the files"))?;
    for path in &report.skipped {
        let path = path.display();
        output::note(format_args!(
            "skipped {path}: it is not a file of a log, but one beside it, without lines"
        ));
    }
    if report.skipped.len() == arguments.files.len() {
        return Err(setup(
            "no file of an audit log was given; name the files of the log, such as audit.log*",
        ));
    }
    for damage in &report.damages {
        if arguments.json {
            output::data(damage_json(damage))?;
        } else {
            output::data(damage)?;
        }
    }
    for chain in &report.chains {
        if arguments.json {
            output::data(chain_json(chain))?;
        } else {
            output::data(sentence(chain))?;
        }
    }
    if report.is_good() {
        Ok(())
    } else {
        Err(ended_with(1))
    }
}

fn damage_json(damage: &Damage) -> Value {
    let head = match damage.kind {
        DamageKind::HeadNotFound(head) => Some(head.to_string()),
        _ => None,
    };
    json!({
        "file": damage.file,
        "line": damage.line,
        "damage": damage.kind.as_str(),
        "head": head,
        "message": damage.kind.to_string(),
    })
}

fn chain_json(chain: &ChainReport) -> Value {
    json!({
        "chain": chain.chain,
        "files": chain.files,
        "lines": chain.lines,
        "first": chain.first,
        "last": chain.last,
        "head": chain.head.map(|head| head.to_string()),
    })
}

fn sentence(report: &ChainReport) -> String {
    let ChainReport {
        chain,
        files,
        lines,
        ..
    } = report;
    let mut text = format!("chain {chain}: {lines} lines in {files} files");
    if let (Some(first), Some(last)) = (report.first, report.last) {
        text = format!("{text}, from number {first} to {last}");
    }
    if report.first.is_some_and(|first| first > 0) {
        text += "; earlier files were not given";
    }
    if let Some(head) = report.head {
        text = format!("{text}; head {head}");
    }
    text
}

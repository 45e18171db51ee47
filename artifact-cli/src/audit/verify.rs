//! `artifact audit verify`: checks audit logs.

use std::path::PathBuf;

use anyhow::Result;
use artifact_audit::{ChainReport, Damage, DamageKind, LineHash, verify_files};
use clap::Args;
use serde_json::{Value, json};

use super::check_skipped;
use crate::failure::{ended_with, setup_from};
use crate::output::{self, number_of};

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

/// Checks the files.
pub(super) fn verify(arguments: &VerifyAuditArguments) -> Result<()> {
    let report = verify_files(&arguments.files, &arguments.heads);
    let report = report.map_err(|error| setup_from(error, "cannot check the files"))?;
    check_skipped(&arguments.files, &report.skipped)?;
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
    let (lines, files) = (number_of(*lines, "line"), number_of(*files, "file"));
    let mut text = format!("chain {chain}: {lines} in {files}");
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

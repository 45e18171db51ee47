//! `artifact usage`.

use std::fmt::Write as _;

use anyhow::Result;
use artifact_client::Usage;

use crate::cli::Json;
use crate::connect::{ClientContext, until_interrupted};
use crate::output::{self, printable};

pub(crate) async fn usage(context: &ClientContext, Json { json }: Json) -> Result<()> {
    let usage = until_interrupted(async {
        let usage = context.client.usage().await;
        usage.map_err(|error| context.explain(error))
    });
    let usage = usage.await?;
    if json {
        return output::json(&usage);
    }
    output::raw(&text(&usage, output::stdout_is_terminal()))
}

/// Returns a line for each depositor, and one with the sums.
fn text(usage: &Usage, is_table: bool) -> String {
    let mut text = String::new();
    let mut line = |by: &str, artifacts: &str, bytes: &str| {
        let _ = if is_table {
            writeln!(text, "{by:<30}  {artifacts:>10}  {bytes:>16}")
        } else {
            writeln!(text, "{by}\t{artifacts}\t{bytes}")
        };
    };
    if is_table {
        line("BY", "ARTIFACTS", "BYTES");
    }
    for usage in &usage.principals {
        let by = printable(&usage.created_by);
        line(&by, &usage.artifacts.to_string(), &usage.bytes.to_string());
    }
    line(
        "total",
        &usage.artifacts.to_string(),
        &usage.bytes.to_string(),
    );
    text
}

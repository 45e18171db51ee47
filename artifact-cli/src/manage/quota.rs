//! `artifact quota`.

use std::fmt::Write as _;

use anyhow::Result;
use artifact_client::{Quota, QuotaStatus};
use serde_json::json;

use super::QuotaCommand;
use crate::connect::{ClientContext, until_interrupted};
use crate::output::{self, printable};

pub(crate) async fn quota(context: &ClientContext, command: QuotaCommand) -> Result<()> {
    until_interrupted(run(context, command)).await
}

async fn run(context: &ClientContext, command: QuotaCommand) -> Result<()> {
    let client = &context.client;
    let explain = |error| context.explain(error);
    match command {
        QuotaCommand::Set { of, limits } => {
            let quota = Quota::default()
                .with_max_bytes(limits.bytes.map(|bytes| bytes.0))
                .with_max_artifacts(limits.artifacts)
                .with_max_in_flight(limits.in_flight);
            let worker = of.worker.as_deref();
            client.set_quota(worker, &quota).await.map_err(explain)?;
            output::note(format_args!("set the quota of {}", whose(worker)));
            Ok(())
        }
        QuotaCommand::Show { of, json } => {
            let worker = of.worker.as_deref();
            let quota = client.quota(worker).await.map_err(explain)?;
            if json.json {
                return output::json(&json!({ "quota": quota }));
            }
            match quota {
                Some(status) => output::data(text(&status).trim_end()),
                None => output::data("no quota"),
            }
        }
        QuotaCommand::List { json } => {
            let mut all = Vec::new();
            let mut after = None;
            loop {
                let page = client.list_quotas(after.as_deref()).await;
                let page = page.map_err(explain)?;
                all.extend(page.quotas);
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            if json.json {
                return output::json(&json!({ "quotas": all }));
            }
            all.iter().try_for_each(|status| output::data(line(status)))
        }
        QuotaCommand::Delete { of } => {
            let worker = of.worker.as_deref();
            client.remove_quota(worker).await.map_err(explain)?;
            output::note(format_args!("deleted the quota of {}", whose(worker)));
            Ok(())
        }
    }
}

fn whose(worker: Option<&str>) -> String {
    worker.map_or_else(|| "the experiment".to_owned(), printable)
}

fn limit(limit: Option<u64>) -> String {
    limit.map_or_else(|| "-".to_owned(), |limit| limit.to_string())
}

/// Returns one limit per line, with what is used of it.
fn text(status: &QuotaStatus) -> String {
    let quota = &status.quota;
    let mut text = String::new();
    let mut line = |what: &str, used: u64, reserved: u64, max: Option<u64>| {
        let _ = write!(text, "{what} {used} of {}", limit(max));
        if reserved > 0 {
            let _ = write!(text, ", and {reserved} reserved by deposits in progress");
        }
        text.push('\n');
    };
    line(
        "bytes",
        status.bytes,
        status.reserved_bytes,
        quota.max_bytes,
    );
    line("artifacts", status.artifacts, 0, quota.max_artifacts);
    line("in-flight", status.in_flight, 0, quota.max_in_flight);
    text
}

/// Returns a line: whose quota, and what is used and allowed of bytes, artifacts and deposits at the same time, `-` without a limit.
fn line(status: &QuotaStatus) -> String {
    let whose = status.principal.as_deref().unwrap_or("experiment");
    let quota = &status.quota;
    format!(
        "{}\t{}\t{}\t{}\t{}\t{}\t{}",
        printable(whose),
        status.bytes,
        limit(quota.max_bytes),
        status.artifacts,
        limit(quota.max_artifacts),
        status.in_flight,
        limit(quota.max_in_flight)
    )
}

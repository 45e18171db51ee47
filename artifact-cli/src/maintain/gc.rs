//! `artifact gc`: removes what no artifact needs any more.

use std::sync::Arc;

use anyhow::Result;
use artifact_audit::AuditLog;
use artifact_store::{CollectEvent, CollectOptions, CollectReport, Collector};
use indicatif::BinaryBytes;
use serde_json::{Map, Value, json};

use super::OpenStore;
use super::command::GcArguments;
use super::lines::Lines;
use super::{DELETE_ORPHAN, EXPIRE, record_removal};
use crate::failure::{chain, ended_with, interrupted};
use crate::signals::Signals;

/// Collects once. A signal stops it, which leaves no row without its blob.
pub(crate) async fn gc(
    store: OpenStore,
    arguments: GcArguments,
    audit: Option<AuditLog>,
) -> Result<()> {
    let options = CollectOptions::new(&store.config)
        .with_dry_run(arguments.dry_run)
        .with_many_orphans(arguments.many_orphans)
        .with_removals_per_second(arguments.rate);
    let catalog = Arc::clone(&store.database.inventory);
    let collector = Collector::new(catalog, store.backend.inventory(), options)
        .with_sharing(Arc::clone(&store.database.sharing));
    let mut signals = Signals::new()?;
    let mut lines = Lines::new(arguments.json.json);
    let report = tokio::select! {
        report = collector.run(|event| {
            record(&event, audit.as_ref());
            print(&mut lines, event);
        }) => report,
        end = signals.next() => return Err(interrupted(end)),
    };
    for (step, error) in &report.unfinished {
        lines.note(&format!("error: {}: {}", step.as_str(), chain(error)));
    }
    lines.finish(
        totals(&report, arguments.dry_run),
        &sentence(&report, arguments.dry_run),
    )?;
    store.database.close().await?;
    if report.is_good() {
        return Ok(());
    }
    Err(ended_with(1))
}

fn record(event: &CollectEvent, audit: Option<&AuditLog>) {
    match event {
        CollectEvent::Expired { id } => record_removal(audit, EXPIRE, *id),
        CollectEvent::Orphan { id, .. } => record_removal(audit, DELETE_ORPHAN, *id),
        _ => {}
    }
}

fn print(lines: &mut Lines, event: CollectEvent) {
    match event {
        CollectEvent::Started(step) => lines.progress(|| step.as_str().to_owned()),
        CollectEvent::Listed { blobs } => lines.progress(|| format!("orphans: {blobs} blobs")),
        CollectEvent::Compared { rows } => lines.progress(|| format!("missing blobs: {rows} rows")),
        CollectEvent::Expired { id } => lines.found("expired", id, None),
        CollectEvent::Orphan { id, size } => lines.found("orphan", id, Some(size)),
        CollectEvent::MissingBlob { id } => lines.found("missing", id, None),
        CollectEvent::Damaged { id, error } => lines.failed("damaged", id, &error),
        CollectEvent::Failed { id, error } => lines.failed("failed", id, &error),
        _ => {}
    }
}

fn totals(report: &CollectReport, dry_run: bool) -> Map<String, Value> {
    let leftovers = report.leftovers.unwrap_or_default();
    let unfinished = report.unfinished.iter();
    let unfinished: Vec<_> = unfinished.map(|(step, _)| step.as_str()).collect();
    let totals = json!({
        "dry_run": dry_run,
        "expired": report.expired,
        "held": report.held,
        "blobs": report.blobs,
        "orphans": report.orphans,
        "orphan_bytes": report.orphan_bytes,
        "orphans_left": report.orphans_left,
        "damaged": report.damaged,
        "leftovers": leftovers.removed,
        "leftover_bytes": leftovers.removed_bytes,
        "rows": report.rows,
        "missing": report.missing,
        "failed": report.failed,
        "keys": report.keys,
        "shares": report.shares,
        "uploads": report.uploads,
        "unfinished": unfinished,
    });
    match totals {
        Value::Object(totals) => totals,
        _ => unreachable!("it is an object above"),
    }
}

fn sentence(report: &CollectReport, dry_run: bool) -> String {
    let verb = if dry_run { "would remove" } else { "removed" };
    let mut text = format!(
        "{verb} {} expired artifacts and {} orphans ({})",
        report.expired,
        report.orphans,
        BinaryBytes(report.orphan_bytes)
    );
    if let Some(swept) = report.leftovers {
        text = format!(
            "{text}, and {} leftovers ({})",
            swept.removed,
            BinaryBytes(swept.removed_bytes)
        );
    }
    text = format!(
        "{text}; looked at {} blobs and {} rows",
        report.blobs, report.rows
    );
    for (number, what) in [
        (report.orphans_left, "orphans left"),
        (report.held, "expired artifacts held"),
        (report.missing, "blobs missing"),
        (report.damaged, "blobs damaged"),
        (report.failed, "ids failed"),
    ] {
        if number > 0 {
            text = format!("{text}; {number} {what}");
        }
    }
    text
}

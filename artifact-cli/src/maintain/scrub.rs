//! `artifact scrub`: reads every stored byte and compares it with what the database has recorded.

use std::sync::Arc;

use anyhow::Result;
use artifact_store::{RowPosition, ScrubEvent, ScrubFinding, ScrubOptions, ScrubReport, Scrubber};
use indicatif::BinaryBytes;
use serde_json::{Map, Value, json};

use super::OpenStore;
use super::command::ScrubArguments;
use super::lines::Lines;
use crate::failure::{chain, ended_with, interrupted};
use crate::output;
use crate::signals::Signals;

/// The exit code if something is wrong with an id.
const FOUND: u8 = 1;
/// The exit code if not everything could be read.
const UNFINISHED: u8 = 2;

/// Scrubs once. A signal stops it and prints the position to continue after.
pub(crate) async fn scrub(store: OpenStore, arguments: ScrubArguments) -> Result<()> {
    let rate = arguments.rate.map(|rate| rate.0);
    let options = ScrubOptions::new(&store.config)
        .with_bytes_per_second(rate)
        .with_added_chunk_digests(arguments.add_digests);
    let catalog = Arc::clone(&store.database.inventory);
    let scrubber = Scrubber::new(catalog, store.backend.inventory(), options);
    let mut signals = Signals::new()?;
    let mut lines = Lines::new(arguments.json.json);
    let mut reached = arguments.after;
    let observe = |event| {
        if let ScrubEvent::Reached(position) = event {
            reached = position.number();
        }
        print(&mut lines, event);
    };
    let after = RowPosition::from_number(arguments.after);
    let ended = tokio::select! {
        report = scrubber.run(after, observe) => Ok(report),
        end = signals.next() => Err(end),
    };
    let report = match ended {
        Ok(report) => report,
        Err(end) => {
            drop(lines);
            output::note(format_args!("stopped; continue with --after {reached}"));
            return Err(interrupted(end));
        }
    };
    if let Some(error) = &report.unfinished {
        lines.note(&format!("error: {}", chain(error)));
        lines.note(&format!("continue with --after {reached}"));
    }
    if arguments.after == 0
        && let Err(error) = scrubber.record(&report).await
    {
        lines.note(&format!(
            "the metrics of servers do not show this scrub: {}",
            chain(&error)
        ));
    }
    lines.finish(totals(&report), &sentence(&report))?;
    store.database.close().await?;
    match (report.findings(), report.is_complete()) {
        (0, true) => Ok(()),
        (0, false) => Err(ended_with(UNFINISHED)),
        _ => Err(ended_with(FOUND)),
    }
}

fn print(lines: &mut Lines, event: ScrubEvent) {
    match event {
        ScrubEvent::Found(ScrubFinding::Corrupt { id, error }) => {
            lines.failed("corrupt", id, &error);
        }
        ScrubEvent::Found(ScrubFinding::Orphaned { id, size }) => {
            lines.found("orphaned", id, Some(size));
        }
        ScrubEvent::Found(finding) => lines.found(finding.as_str(), finding.id(), None),
        ScrubEvent::Unchecked { id, error } => lines.failed("unchecked", id, &error),
        ScrubEvent::Progress { artifacts, bytes } => {
            lines.progress(|| format!("scrub: {artifacts} artifacts, {}", BinaryBytes(bytes)));
        }
        _ => {}
    }
}

fn totals(report: &ScrubReport) -> Map<String, Value> {
    let totals = json!({
        "artifacts": report.artifacts,
        "bytes": report.bytes,
        "corrupt": report.corrupt,
        "missing": report.missing,
        "orphaned": report.orphaned,
        "digests_added": report.chunk_digests_added,
        "unreadable_rows": report.unreadable_rows,
        "unchecked": report.unchecked,
        "complete": report.is_complete(),
        "reached": report.reached.number().to_string(),
    });
    match totals {
        Value::Object(totals) => totals,
        _ => unreachable!("it is an object above"),
    }
}

fn sentence(report: &ScrubReport) -> String {
    let mut text = format!(
        "read {} artifacts ({})",
        report.artifacts,
        BinaryBytes(report.bytes)
    );
    if report.chunk_digests_added > 0 {
        text = format!(
            "{text}; recorded the digests of {}",
            report.chunk_digests_added
        );
    }
    if report.findings() == 0 && report.is_complete() {
        return format!("{text}: all good");
    }
    for (number, what) in [
        (report.corrupt, "corrupt"),
        (report.missing, "missing"),
        (report.orphaned, "orphaned"),
        (report.unreadable_rows, "rows unreadable"),
        (report.unchecked, "not checked"),
    ] {
        if number > 0 {
            text = format!("{text}; {number} {what}");
        }
    }
    if report.unfinished.is_some() {
        text.push_str("; not finished");
    }
    text
}

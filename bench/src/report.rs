//! Formats the results as a Markdown table, with the ratio between ours and each other subject.

use std::fmt::Write as _;
use std::time::Duration;

use crate::cell::{Cell, Outcome, Work};
use crate::subject::Kind;

pub fn head(work: Work) -> String {
    let title = match work {
        Work::Store => "durable store",
        Work::Load => "load, hot cache",
        Work::ColdLoad => "load, caches dropped",
        Work::Upload => "streamed upload",
        Work::UploadHashed => "streamed upload with SHA-256",
        Work::Download => "streamed download, hot cache",
        Work::Quiet => "4 KiB loads, nothing else running",
        Work::Mixed => "4 KiB loads while 256 MiB uploads and downloads run",
    };
    format!(
        "\n### {title}\n\n| size | callers | subject | ops/s | MiB/s | p50 | p99 | CPU/op | timer p99 | timer \
         max | ours : it |\n|---|---|---|---|---|---|---|---|---|---|---|"
    )
}

fn time(duration: Duration) -> String {
    let micros = duration.as_secs_f64() * 1e6;
    match micros {
        m if m < 1_000.0 => format!("{m:.0} us"),
        m if m < 1_000_000.0 => format!("{:.1} ms", m / 1e3),
        m => format!("{:.2} s", m / 1e6),
    }
}

fn size(bytes: usize) -> String {
    match bytes {
        b if b >= 1 << 30 && b % (1 << 30) == 0 => format!("{} GiB", b >> 30),
        b if b >= 1 << 20 && b % (1 << 20) == 0 => format!("{} MiB", b >> 20),
        b if b >= 1 << 10 && b % (1 << 10) == 0 => format!("{} KiB", b >> 10),
        b => format!("{b} B"),
    }
}

/// Returns the round with the median rate.
fn median(mut rounds: Vec<Outcome>) -> Option<Outcome> {
    rounds.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    rounds.get(rounds.len() / 2).copied()
}

pub fn rows(cell: &Cell, kinds: &[Kind], rounds: Vec<Vec<Outcome>>) -> String {
    let medians: Vec<_> = rounds.into_iter().map(median).collect();
    let ours = kinds
        .iter()
        .position(|kind| *kind == Kind::Ours)
        .and_then(|at| medians[at]);
    let mut text = String::new();
    for (kind, outcome) in kinds.iter().zip(&medians) {
        let Some(outcome) = outcome else { continue };
        let ratio = match ours {
            Some(ours) if *kind != Kind::Ours => format!("{:.2}", ours.rate / outcome.rate),
            _ => String::new(),
        };
        let mib = outcome.rate * cell.size as f64 / f64::from(1 << 20);
        let _ = writeln!(
            text,
            "| {} | {} | {} | {:.0} | {mib:.0} | {} | {} | {} | {} | {} | {ratio} |",
            size(cell.size),
            cell.callers,
            kind.name(),
            outcome.rate,
            time(outcome.p50),
            time(outcome.p99),
            time(outcome.cpu),
            time(outcome.stall_p99),
            time(outcome.stall_max),
        );
    }
    text
}

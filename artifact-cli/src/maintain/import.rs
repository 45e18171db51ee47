//! `artifact import`: takes an archive into a store.

use std::sync::Arc;

use anyhow::Result;
use artifact_store::{ImportEvent, ImportOptions, ImportReport, Importer};
use indicatif::BinaryBytes;
use serde_json::{Map, Value, json};
use tokio::io::AsyncRead;

use super::OpenStore;
use super::command::ImportArguments;
use super::export::is_standard;
use super::lines::Lines;
use crate::failure::{ended_with, interrupted, setup_from};
use crate::files;
use crate::signals::Signals;

/// Imports once. A signal stops it, and then nothing is visible, or all of it.
pub(crate) async fn import(store: OpenStore, arguments: ImportArguments) -> Result<()> {
    let archive: Box<dyn AsyncRead + Unpin + Send> = if is_standard(&arguments.from) {
        Box::new(tokio::io::stdin())
    } else {
        let path = arguments.from.display();
        let file = files::open(&arguments.from);
        let file = file.map_err(|error| setup_from(error, format!("cannot read {path}")))?;
        Box::new(tokio::fs::File::from_std(file))
    };
    let experiment = arguments.into_experiment.as_deref().map(str::parse);
    let experiment = experiment.transpose();
    let experiment =
        experiment.map_err(|error| setup_from(error, "the name after --as is no id"))?;
    let options = ImportOptions::default()
        .with_bytes_per_second(arguments.rate.map(|rate| rate.0))
        .with_dry_run(arguments.dry_run)
        .with_skip_removed(arguments.skip_removed)
        .with_experiment(experiment);
    let catalog = Arc::clone(&store.database.inventory);
    let importer = Importer::placed(catalog, store.placed, options);
    let mut signals = Signals::new()?;
    let mut lines = Lines::new(arguments.json.json);
    let outcome = tokio::select! {
        outcome = importer.run(archive, |event| print(&mut lines, event)) => outcome,
        end = signals.next() => return Err(interrupted(end)),
    };
    let report = outcome?;
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

fn print(lines: &mut Lines, event: ImportEvent) {
    match event {
        ImportEvent::Refused { id, error } => lines.failed("refused", id, &error),
        ImportEvent::Skipped { id } => lines.found("skipped", id, None),
        ImportEvent::Progress { artifacts, bytes } => {
            lines.progress(|| format!("import: {artifacts} artifacts, {}", BinaryBytes(bytes)));
        }
        ImportEvent::Publishing { rows } => {
            lines.progress(|| format!("import: making {rows} artifacts visible"));
        }
        _ => {}
    }
}

fn totals(report: &ImportReport, dry_run: bool) -> Map<String, Value> {
    let totals = json!({
        "dry_run": dry_run,
        "experiment": report.experiment,
        "artifacts": report.artifacts,
        "bytes": report.bytes,
        "new": report.new,
        "already_here": report.already_here,
        "skipped": report.skipped,
        "refused": report.refused,
    });
    match totals {
        Value::Object(totals) => totals,
        _ => unreachable!("it is an object above"),
    }
}

fn sentence(report: &ImportReport, dry_run: bool) -> String {
    let (artifacts, bytes) = (report.artifacts, BinaryBytes(report.bytes));
    let experiment = &report.experiment;
    let mut text = match (report.is_good(), dry_run) {
        (false, _) => format!(
            "imported nothing: {} artifacts were refused",
            report.refused
        ),
        (true, true) => format!("would import {} artifacts into {experiment}", report.new),
        (true, false) => format!("imported {} artifacts into {experiment}", report.new),
    };
    text = format!("{text}; the archive has {artifacts} ({bytes})");
    for (number, what) in [
        (report.already_here, "were here already"),
        (report.skipped, "were removed from this store and left out"),
    ] {
        if number > 0 {
            text = format!("{text}; {number} {what}");
        }
    }
    text
}

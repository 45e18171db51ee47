//! `artifact export`: writes an experiment as one archive.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use artifact_store::{ErrorKind, ExportEvent, ExportOptions, ExportReport, Exporter};
use indicatif::BinaryBytes;
use serde_json::{Map, Value, json};
use tokio::io::AsyncWrite;

use super::OpenStore;
use super::command::ExportArguments;
use super::lines::Lines;
use crate::failure::{interrupted, setup, setup_from};
use crate::get::{check_target, temporary_beside};
use crate::signals::Signals;
use crate::{files, output, system};

/// Rejects a target that cannot be used, before the store is opened.
pub(crate) fn check_export(arguments: &ExportArguments) -> Result<()> {
    if !is_standard(&arguments.to) {
        return check_target(&arguments.to, arguments.force);
    }
    if arguments.json.json {
        return Err(setup(
            "standard output has the archive, so it cannot have the totals too; give --to FILE with --json",
        ));
    }
    if output::stdout_is_terminal() {
        return Err(setup(
            "standard output is a terminal, and an archive is binary; give --to FILE",
        ));
    }
    Ok(())
}

/// Exports once. A signal stops it. A file gets its name only when the archive is complete and synced.
pub(crate) async fn export(store: OpenStore, arguments: ExportArguments) -> Result<()> {
    let lines = Lines::new(arguments.json.json);
    let report = if is_standard(&arguments.to) {
        write(&store, &arguments, &lines, tokio::io::stdout())
            .await
            .context("discard what was written to standard output, it must not be used")?
    } else {
        let to = &arguments.to;
        let writing = || format!("cannot write {}", to.display());
        let temporary = temporary_beside(to, ".artifact-export-")?;
        let handle = temporary.as_file().try_clone().with_context(writing)?;
        let file =
            tokio::io::BufWriter::with_capacity(256 << 10, tokio::fs::File::from_std(handle));
        let report = write(&store, &arguments, &lines, file)
            .await
            .with_context(|| format!("{} was not created", to.display()))?;
        temporary.as_file().sync_all().with_context(writing)?;
        let named = if arguments.force {
            temporary.persist(to)
        } else {
            temporary.persist_noclobber(to)
        };
        named.map_err(|error| error.error).with_context(writing)?;
        system::sync_folder(files::parent(to)).with_context(writing)?;
        report
    };
    lines.finish(totals(&report), &sentence(&report))?;
    store.database.close().await?;
    Ok(())
}

async fn write(
    store: &OpenStore,
    arguments: &ExportArguments,
    lines: &Lines,
    archive: impl AsyncWrite + Unpin + Send,
) -> Result<ExportReport> {
    let rate = arguments.rate.map(|rate| rate.0);
    let options = ExportOptions::default().with_bytes_per_second(rate);
    let catalog = Arc::clone(&store.database.inventory);
    let exporter = Exporter::new(catalog, store.backend.inventory(), options);
    let experiment = arguments.experiment.parse();
    let experiment = experiment.map_err(|error| setup_from(error, "EXPERIMENT is no id"))?;
    let observe = |event| {
        if let ExportEvent::Progress { artifacts, bytes } = event {
            lines.progress(|| format!("export: {artifacts} artifacts, {}", BinaryBytes(bytes)));
        }
    };
    let mut signals = Signals::new()?;
    let outcome = tokio::select! {
        outcome = exporter.run(&experiment, archive, observe) => outcome,
        end = signals.next() => return Err(interrupted(end)),
    };
    outcome.map_err(|error| match (error.kind(), error.id()) {
        (ErrorKind::NotFound, None) => {
            setup(format!("there is no experiment {experiment} in this store"))
        }
        _ => error.into(),
    })
}

/// Returns whether a path stands for standard input or output.
pub(super) fn is_standard(path: &Path) -> bool {
    path == Path::new("-")
}

fn totals(report: &ExportReport) -> Map<String, Value> {
    let totals = json!({
        "artifacts": report.artifacts,
        "bytes": report.bytes,
        "removed": report.removed,
    });
    match totals {
        Value::Object(totals) => totals,
        _ => unreachable!("it is an object above"),
    }
}

fn sentence(report: &ExportReport) -> String {
    let (artifacts, bytes) = (report.artifacts, BinaryBytes(report.bytes));
    let text = format!("exported {artifacts} artifacts ({bytes})");
    match report.removed {
        0 => text,
        removed => format!("{text}; {removed} were removed meanwhile and left out"),
    }
}

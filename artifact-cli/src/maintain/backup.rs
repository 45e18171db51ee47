//! `artifact backup`: copies a store into a backup place, or reads the place back.

use anyhow::Result;
use artifact_store::{
    Backend, BackendUrl, Backup, BackupEvent, BackupOptions, BackupPlace, BackupReport,
};
use indicatif::BinaryBytes;
use serde_json::{Map, Value, json};

use super::OpenStore;
use super::audited::CommandLog;
use super::command::BackupArguments;
use super::lines::Lines;
use crate::failure::{chain, ended_with, interrupted, setup, setup_from};
use crate::serve::{bucket, logging};
use crate::settings::{BucketProbe, Loaded, ServeSettings};
use crate::signals::Signals;

/// The exit code if something is wrong with an id.
const FOUND: u8 = 1;
/// The exit code if it was refused or is not finished.
const UNFINISHED: u8 = 2;

/// Backs up once, or reads the place back. A signal stops it; the next backup continues.
pub(crate) async fn backup(
    loaded: &Loaded,
    no_color: bool,
    arguments: BackupArguments,
    audit: &CommandLog,
) -> Result<()> {
    let settings: ServeSettings = loaded.settings()?;
    let mut lines = Lines::new(arguments.json.json);
    let options = BackupOptions::default()
        .with_bytes_per_second(arguments.rate.map(|rate| rate.0))
        .with_keep(arguments.keep)
        .with_dry_run(arguments.dry_run);
    let mut signals = Signals::new()?;
    if arguments.verify {
        let _log = logging::init(&settings.log, settings.log_format, no_color);
        let place = existing_place(&arguments.to, &settings, "--to").await?;
        let place = BackupPlace::open(&place)
            .await
            .map_err(|error| setup_from(error, "--to cannot be used"))?;
        audit.open()?;
        let verify = place.verify(arguments.snapshot, &options, |event| {
            print(&mut lines, "check", event);
        });
        let report = tokio::select! {
            report = verify => report,
            end = signals.next() => return Err(interrupted(end)),
        };
        return finish(lines, &report, false, "read");
    }
    let store = super::open(loaded, no_color).await?;
    audit.open()?;
    let place = open_place(&arguments.to, &settings, "--to").await?;
    check_place(&place, &arguments.to, &settings).await?;
    let OpenStore {
        database, backend, ..
    } = &store;
    let backup = Backup::new(database, backend, &place, options);
    let report = tokio::select! {
        report = backup.run(|event| print(&mut lines, "backup", event)) => report,
        end = signals.next() => return Err(interrupted(end)),
    };
    store.database.close().await?;
    place.close().await;
    let verb = if arguments.dry_run {
        "would copy"
    } else {
        "copied"
    };
    finish(lines, &report, arguments.dry_run, verb)
}

/// Opens the place, and creates its folder if its parent exists.
async fn open_place(url: &BackendUrl, settings: &ServeSettings, name: &str) -> Result<Backend> {
    if url.is_memory() {
        return Err(setup(format!(
            "{name} cannot be memory, which ends with this command; give a folder or a bucket"
        )));
    }
    let opened = url.open_with(bucket::options(settings)).await;
    opened.map_err(|error| setup_from(error, format!("{name} cannot be used")))
}

/// Opens a place that has a backup.
pub(super) async fn existing_place(
    url: &BackendUrl,
    settings: &ServeSettings,
    name: &str,
) -> Result<Backend> {
    if let Some(path) = url.path()
        && !path.exists()
    {
        let path = path.display();
        return Err(setup(format!(
            "{name} cannot be used: {path} does not exist"
        )));
    }
    open_place(url, settings, name).await
}

async fn check_place(place: &Backend, url: &BackendUrl, settings: &ServeSettings) -> Result<()> {
    if url.path().is_none() && settings.bucket_probe == BucketProbe::Off {
        return Ok(());
    }
    let probed = place.probe().await;
    probed.map_err(|error| setup_from(error, "--to cannot be used"))
}

pub(super) fn print(lines: &mut Lines, what: &str, event: BackupEvent) {
    match event {
        BackupEvent::LeftOut {
            id,
            why,
            error: Some(error),
        } => lines.failed(why.as_str(), id, &error),
        BackupEvent::LeftOut { id, why, .. } => lines.found(why.as_str(), id, None),
        BackupEvent::Failed { id, error } => lines.failed("failed", id, &error),
        BackupEvent::Snapshot { number, counts } => {
            lines.progress(|| format!("{what}: snapshot {number}, {} artifacts", counts.artifacts));
        }
        BackupEvent::Progress { artifacts, bytes } => {
            lines.progress(|| format!("{what}: {artifacts} artifacts, {}", BinaryBytes(bytes)));
        }
        BackupEvent::Pruned { number } => {
            lines.progress(|| format!("{what}: removed snapshot {number}"));
        }
        _ => {}
    }
}

/// Prints the totals. The exit code says whether something is wrong.
pub(super) fn finish(lines: Lines, report: &BackupReport, dry_run: bool, verb: &str) -> Result<()> {
    if let Some(error) = &report.unfinished {
        lines.note(&format!("error: {}", chain(error)));
    }
    lines.finish(totals(report, dry_run), &sentence(report, dry_run, verb))?;
    if report.findings() > 0 {
        return Err(ended_with(FOUND));
    }
    if report.unfinished.is_some() || report.failed > 0 {
        return Err(ended_with(UNFINISHED));
    }
    Ok(())
}

fn totals(report: &BackupReport, dry_run: bool) -> Map<String, Value> {
    let totals = json!({
        "dry_run": dry_run,
        "snapshot": report.number,
        "artifacts": report.artifacts,
        "copied": report.copied,
        "copied_bytes": report.copied_bytes,
        "present": report.present,
        "removed": report.removed,
        "missing": report.missing,
        "corrupt": report.corrupt,
        "unreadable_records": report.counts.unreadable,
        "failed": report.failed,
        "pruned_snapshots": report.pruned_snapshots,
        "pruned_blobs": report.pruned_blobs,
        "complete": report.is_complete,
    });
    match totals {
        Value::Object(totals) => totals,
        _ => unreachable!("it is an object above"),
    }
}

fn sentence(report: &BackupReport, dry_run: bool, verb: &str) -> String {
    let mut text = String::new();
    if let Some(number) = report.number {
        text = format!("snapshot {number}: ");
    }
    text = format!(
        "{text}{verb} {} blobs ({})",
        report.copied,
        BinaryBytes(report.copied_bytes)
    );
    for (number, what) in [
        (report.present, "there before"),
        (report.removed, "removed meanwhile"),
        (report.missing, "missing"),
        (report.corrupt, "corrupt"),
        (report.counts.unreadable, "records unreadable"),
        (report.failed, "failed"),
        (report.pruned_snapshots, "older snapshots removed"),
        (report.pruned_blobs, "blobs removed with them"),
    ] {
        if number > 0 {
            text = format!("{text}; {number} {what}");
        }
    }
    if report.was_complete {
        text = format!("{text}; it was restored before");
    }
    if !report.is_complete && !dry_run {
        text.push_str("; not complete");
    }
    text
}

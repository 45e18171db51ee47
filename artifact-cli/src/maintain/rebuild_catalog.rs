//! `artifact rebuild-catalog`: makes a new database from the notes of the backend.

use anyhow::Result;
use artifact_store::{CatchUp, CatchUpReport, StoreHalves};
use serde_json::{Map, Value, json};

use super::audited::CommandLog;
use super::command::RebuildCatalogArguments;
use super::lines::Lines;
use crate::failure::{ended_with, interrupted, setup, setup_from};
use crate::serve::plan::{StorePlan, check_data_dir};
use crate::serve::{bucket, data_dir, logging};
use crate::settings::{Loaded, ServeSettings};
use crate::signals::Signals;

/// The rows that could not be restored, because their notes are damaged.
const DAMAGED: u8 = 1;

/// Fills a new database from the backend, whose server must be stopped. A signal stops it; the same command continues.
pub(crate) async fn rebuild_catalog(
    loaded: &Loaded,
    no_color: bool,
    arguments: RebuildCatalogArguments,
    audit: &CommandLog,
) -> Result<()> {
    let settings: ServeSettings = loaded.settings()?;
    let plan = StorePlan::new(&settings, &loaded.sources)?;
    super::check_lasts(&plan)?;
    let database_name = plan.sources.name("database");
    let Some(file) = plan.database.path() else {
        return Err(setup(format!(
            "{database_name} is not an SQLite file, and no other database is made from the notes of a backend"
        )));
    };
    super::check_path_exists(settings.backend.path(), "backend", plan.sources)?;
    let _log = logging::init(&settings.log, settings.log_format, no_color);
    check_data_dir(&settings.data_dir)?;
    // No server may use the folder.
    let (lock, created) = data_dir::lock(&settings.data_dir)?;
    created.keep();
    let opened = settings.backend.open_with(bucket::options(&settings)).await;
    let backend = opened.map_err(|error| {
        let name = plan.sources.name("backend");
        setup_from(error, format!("{name} cannot be used"))
    })?;
    let log = backend.inventory().note_log();
    if !log.is_some_and(|log| log.has_notes()) {
        return Err(setup(format!(
            "{} keeps no notes of rows, so a database cannot be made from it; restore the database from a backup",
            plan.sources.name("backend")
        )));
    }
    let database = data_dir::open_database(&plan).await?;
    if database.store_id.store_id().await?.is_some() {
        return Err(setup(format!(
            "the database {} is that of a store, and the server brings it up to date at its start; to make a new one, move it \
             away first, with its -wal and -shm files",
            file.display()
        )));
    }
    let Some(catch_up) = CatchUp::new(&database, &backend) else {
        return Err(setup(format!(
            "{database_name} cannot be made from the notes of a backend"
        )));
    };
    audit.open()?;
    let mut signals = Signals::new()?;
    let mut lines = Lines::new(arguments.json.json);
    lines.progress(|| "rebuild-catalog: reading the notes of all blobs".to_owned());
    let run = tokio::select! {
        run = catch_up.run() => run,
        end = signals.next() => return Err(interrupted(end)),
    };
    let (notes, report) = run.map_err(|error| setup_from(error, "the database was not made"))?;
    drop(notes);
    // Comes last: a server refuses a database that is not complete.
    let halves = StoreHalves::new(&database, &backend);
    let adopted = halves.adopt().await;
    adopted.map_err(|error| setup_from(error, "the database was not made"))?;
    database.close().await?;
    backend.close().await;
    drop(lock);
    for id in &report.unreadable {
        lines.found("unreadable-note", *id, None);
    }
    lines.finish(totals(&report), &sentence(&report))?;
    if report.unreadable.is_empty() && report.lost == 0 {
        return Ok(());
    }
    Err(ended_with(DAMAGED))
}

fn totals(report: &CatchUpReport) -> Map<String, Value> {
    let totals = json!({
        "artifacts": report.rows.saturating_sub(report.removed),
        "removed": report.removed,
        "experiments": report.experiments.len(),
        "without_note": report.without_note,
        "unreadable_notes": report.unreadable.len(),
        "lost_parts": report.lost,
    });
    match totals {
        Value::Object(totals) => totals,
        _ => unreachable!("it is an object above"),
    }
}

fn sentence(report: &CatchUpReport) -> String {
    let mut sentences = vec![format!(
        "made a database of {} artifacts in {} experiments. Only the lost one had the workers, groups, administrators, collections, \
         grants, links, holds, quotas and retention: make them again",
        report.rows.saturating_sub(report.removed),
        report.experiments.len()
    )];
    if report.without_note > 0 {
        sentences.push(format!(
            "{} blobs were stored without a note, so their rows are not in it, unless they were deleted",
            report.without_note
        ));
    }
    if !report.unreadable.is_empty() || report.lost > 0 {
        sentences.push(format!(
            "{} notes cannot be read, and {} parts of segments are damaged: rows may be missing",
            report.unreadable.len(),
            report.lost
        ));
    }
    sentences.join(". ")
}

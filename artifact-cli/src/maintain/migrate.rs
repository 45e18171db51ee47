//! `artifact migrate`: moves the blobs of a store to another backend, while servers run.

use std::path::Path;

use anyhow::Result;
use artifact_store::{
    Backend, BackendUrl, Database, MigrateEvent, MigrateFinding, MigrateOptions, MigrateReport,
    MigrateState, Migrator, NamedBackend, Placement, StoreHalves,
};
use indicatif::BinaryBytes;
use serde_json::{Map, Value, json};

use super::audited::CommandLog;
use super::command::MigrateArguments;
use super::lines::Lines;
use crate::failure::{chain, ended_with, interrupted, setup, setup_from};
use crate::serve::plan::StorePlan;
use crate::serve::{bucket, data_dir, logging, notes, placement};
use crate::settings::{Loaded, ServeSettings};
use crate::signals::Signals;
use crate::{files, output};

/// The exit code if a blob cannot be moved.
const FOUND: u8 = 1;
/// The exit code if the migration has not ended, and the same command goes on with it.
const UNFINISHED: u8 = 2;

/// Migrates, or shows how far a migration is. A signal stops it; the same command goes on with it.
pub(crate) async fn migrate(
    loaded: &Loaded,
    arguments: MigrateArguments,
    no_color: bool,
    audit: &CommandLog,
) -> Result<()> {
    let settings: ServeSettings = loaded.settings()?;
    let sources = &loaded.sources;
    let plan = StorePlan::new(&settings, sources)?;
    super::check_lasts(&plan)?;
    super::check_path_exists(plan.database.path(), "database", sources)?;
    let _log = logging::init(&settings.log, settings.log_format, no_color);
    let database = data_dir::open_database(&plan).await?;
    audit.open()?;
    let recorded = placement::read(&plan, &database).await?;
    let Some(to) = &arguments.to else {
        status(recorded.as_ref(), &settings.backend, arguments.json.json)?;
        return Ok(database.close().await?);
    };
    let from = match &arguments.from {
        Some(from) => from.clone(),
        None => default_from(recorded.as_ref(), &settings.backend, to)?,
    };
    check_apart(&from, to, &plan)?;
    let sides = Sides {
        from: open(&from, "--from", &settings, arguments.dry_run, true).await?,
        to: open(to, "--to", &settings, arguments.dry_run, false).await?,
    };
    if !arguments.dry_run {
        catch_up(&plan, &database, recorded.as_ref(), (&from, &sides.from)).await?;
    }
    let outcome = run(&sides, &database, (&from, to), &arguments).await;
    database.close().await?;
    sides.from.close().await;
    sides.to.close().await;
    outcome
}

/// Brings the database up to the notes of the backend that the store leaves, before the first blob is moved: afterwards they do not
/// count. A power cut may have taken rows away, and blobs without a row are not moved.
async fn catch_up(
    plan: &StorePlan<'_>,
    database: &Database,
    recorded: Option<&Placement>,
    (url, from): (&BackendUrl, &Backend),
) -> Result<()> {
    let is_left = recorded.is_some_and(|placement| placement.current != placement::name(url));
    // The migration refuses a backend of another store.
    let halves = StoreHalves::new(database, from);
    if !is_left && matches!(halves.check().await, Ok(Some(_))) {
        let _ = notes::catch_up(plan, database, from).await?;
    }
    Ok(())
}

struct Sides {
    from: Backend,
    to: Backend,
}

async fn run(
    sides: &Sides,
    database: &Database,
    (from, to): (&BackendUrl, &BackendUrl),
    arguments: &MigrateArguments,
) -> Result<()> {
    let options = MigrateOptions::default()
        .with_bytes_per_second(arguments.rate.map(|rate| rate.0))
        .with_dry_run(arguments.dry_run)
        .with_delete_source(arguments.delete_source);
    let side =
        |url, backend: &Backend| NamedBackend::new(placement::name(url), backend.inventory());
    let migrator = Migrator::new(
        database,
        side(from, &sides.from),
        side(to, &sides.to),
        options,
    );
    let mut signals = Signals::new()?;
    let mut lines = Lines::new(arguments.json.json);
    let report = tokio::select! {
        report = migrator.run(|event| print(&mut lines, event)) => report,
        end = signals.next() => {
            drop(lines);
            output::note("stopped; the same command goes on with it");
            return Err(interrupted(end));
        }
    };
    if let Some(error) = &report.unfinished {
        lines.note(&format!("error: {}", chain(error)));
    }
    lines.finish(
        totals(&report, arguments.dry_run),
        &sentence(&report, (from, to), arguments.dry_run),
    )?;
    match (report.findings(), report.is_good()) {
        (0, true) => Ok(()),
        (0, false) => Err(ended_with(UNFINISHED)),
        _ => Err(ended_with(FOUND)),
    }
}

fn print(lines: &mut Lines, event: MigrateEvent) {
    match event {
        MigrateEvent::Entered(MigrateState::Copying) => {
            lines.note("servers store in the new backend now, and read both");
        }
        MigrateEvent::Entered(MigrateState::Fenced) => {
            lines.note("all blobs are copied; no row leads to the old backend alone any more");
        }
        MigrateEvent::Found(MigrateFinding::Corrupt { id, error }) => {
            lines.failed("corrupt", id, &error);
        }
        MigrateEvent::Found(MigrateFinding::Missing { id }) => lines.found("missing", id, None),
        MigrateEvent::Failed { id, error } => lines.failed("failed", id, &error),
        MigrateEvent::Progress { artifacts, bytes } => {
            lines.progress(|| format!("migrate: {artifacts} artifacts, {}", BinaryBytes(bytes)));
        }
        _ => {}
    }
}

/// Returns where the blobs are copied from if the command does not say it.
fn default_from(
    recorded: Option<&Placement>,
    setting: &BackendUrl,
    to: &BackendUrl,
) -> Result<BackendUrl> {
    let Some(placement) = recorded else {
        return Ok(setting.clone());
    };
    let is_to = |url: &str| url == placement::name(to);
    let from = match (&placement.previous, &*placement.former) {
        (Some(previous), _) if is_to(&placement.current) => previous,
        (None, [.., former]) if is_to(&placement.current) && placement.former.len() == 1 => {
            &former.url
        }
        (None, _) if is_to(&placement.current) => {
            return Err(setup("the blobs are in --to already; give --from too"));
        }
        _ => &placement.current,
    };
    BackendUrl::parse(from).map_err(|error| setup_from(error, format!("{from} cannot be used")))
}

/// Checks that no folder of the two lies in the other, and that the database lies in none of them.
fn check_apart(from: &BackendUrl, to: &BackendUrl, plan: &StorePlan<'_>) -> Result<()> {
    let real = |path: &Path| {
        files::real_path(path).map_err(|error| {
            let path = path.display();
            setup_from(error, format!("cannot find out where {path} leads"))
        })
    };
    let Some(to) = to.path() else {
        return Ok(());
    };
    let real_to = real(to)?;
    let shown = to.display();
    if let Some(from) = from.path() {
        let real_from = real(from)?;
        if real_from.starts_with(&real_to) || real_to.starts_with(&real_from) {
            return Err(setup(format!(
                "the folders {shown} and {} are the same, or one lies in the other; choose another place with --to",
                from.display()
            )));
        }
    }
    for path in [plan.database.path(), Some(plan.settings.data_dir.as_path())] {
        if let Some(path) = path
            && real(path)?.starts_with(&real_to)
        {
            return Err(setup(format!(
                "{} lies in the folder {shown}; choose another place with --to",
                path.display()
            )));
        }
    }
    Ok(())
}

/// Opens one of the two backends.
async fn open(
    url: &BackendUrl,
    flag: &str,
    settings: &ServeSettings,
    dry_run: bool,
    must_exist: bool,
) -> Result<Backend> {
    if url.is_memory() {
        return Err(setup(format!(
            "{flag} is a backend in memory, which only its own process has"
        )));
    }
    let is_missing = url.path().is_some_and(|path| !path.exists());
    let cannot = |error| setup_from(error, format!("{flag} cannot be used"));
    if is_missing && must_exist {
        return Err(setup(format!(
            "{flag} cannot be used: {url} does not exist"
        )));
    }
    if is_missing && dry_run {
        // Creates nothing, and is as empty as the folder would be.
        return Backend::from_url("mem:").await.map_err(cannot);
    }
    let backend = url
        .open_with(bucket::options(settings))
        .await
        .map_err(cannot)?;
    if !must_exist && !dry_run {
        bucket::probe_of(&backend, url, settings, flag).await?;
    }
    Ok(backend)
}

fn status(recorded: Option<&Placement>, setting: &BackendUrl, json: bool) -> Result<()> {
    let setting = placement::name(setting);
    let Some(placement) = recorded else {
        return output::data(if json {
            json!({"state": "never moved", "current": setting}).to_string()
        } else {
            format!("never moved: the blobs are in the backend of the settings, {setting}")
        });
    };
    let state = match (placement.is_moving(), placement.is_fenced()) {
        (true, false) => MigrateState::Copying,
        (true, true) => MigrateState::Fenced,
        (false, _) => MigrateState::Done,
    };
    if json {
        let former = placement.former.iter();
        let former: Vec<_> = former
            .map(|former| json!({"backend": former.url, "emptied": former.is_emptied}))
            .collect();
        let line = json!({
            "state": state.as_str(),
            "current": placement.current,
            "previous": placement.previous,
            "former": former,
            "epoch": placement.epoch,
            "reached": placement.reached.number().to_string(),
        });
        return output::data(line);
    }
    let mut text = match &placement.previous {
        Some(previous) => format!(
            "{}: the blobs are being moved from {previous} to {}; `artifact migrate --to {}` goes on with it",
            state.as_str(),
            placement.current,
            placement.current
        ),
        None => format!("{}: the blobs are in {}", state.as_str(), placement.current),
    };
    for former in &placement.former {
        let what = if former.is_emptied { "emptied" } else { "left" };
        text = format!("{text}\n{what}: {}", former.url);
    }
    output::data(text)
}

fn totals(report: &MigrateReport, dry_run: bool) -> Map<String, Value> {
    let totals = json!({
        "state": report.state.as_str(),
        "dry_run": dry_run,
        "artifacts": report.artifacts,
        "copied": report.copied,
        "copied_bytes": report.copied_bytes,
        "present": report.present,
        "deleted": report.deleted,
        "deleted_bytes": report.deleted_bytes,
        "corrupt": report.corrupt,
        "missing": report.missing,
        "unreadable_rows": report.unreadable_rows,
        "failed": report.failed,
        "finished": report.is_good(),
    });
    match totals {
        Value::Object(totals) => totals,
        _ => unreachable!("it is an object above"),
    }
}

fn sentence(
    report: &MigrateReport,
    (from, to): (&BackendUrl, &BackendUrl),
    dry_run: bool,
) -> String {
    let verb = if dry_run { "would copy" } else { "copied" };
    let mut text = format!(
        "{verb} {} blobs ({}); {} were there already",
        report.copied,
        BinaryBytes(report.copied_bytes),
        report.present
    );
    if report.deleted > 0 {
        text = format!(
            "{text}; deleted {} blobs ({}) from the old backend",
            report.deleted,
            BinaryBytes(report.deleted_bytes)
        );
    }
    for (number, what) in [
        (report.corrupt, "corrupt"),
        (report.missing, "missing"),
        (report.unreadable_rows, "rows unreadable"),
        (report.failed, "failed"),
    ] {
        if number > 0 {
            text = format!("{text}; {number} {what}");
        }
    }
    let next = match report.state {
        _ if dry_run => String::new(),
        MigrateState::NotBegun => "\nnothing was changed".to_owned(),
        MigrateState::Copying | MigrateState::Fenced if report.findings() > 0 => format!(
            "\nnot finished: restore these blobs in {from}, or delete the artifacts, and give the same command again"
        ),
        MigrateState::Copying | MigrateState::Fenced => {
            "\nnot finished: give the same command again".to_owned()
        }
        _ => format!(
            "\ndone: servers use {to} alone. Set their backend to it before they are started again; {from} is not used any \
             more"
        ),
    };
    text + &next
}

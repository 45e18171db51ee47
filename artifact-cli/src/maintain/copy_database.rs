//! `artifact copy-database`: moves the rows and identities into another database.

use std::path::Path;

use anyhow::Result;
use artifact_store::{Database, copy_database as copy};
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value, json};

use super::audited::CommandLog;
use super::command::CopyDatabaseArguments;
use super::lines::Lines;
use crate::failure::{interrupted, setup, setup_from};
use crate::output;
use crate::serve::plan::{StorePlan, check_data_dir};
use crate::serve::{bucket, data_dir, halves, logging, notes, placement};
use crate::settings::{Loaded, Secret, ServeSettings};
use crate::signals::Signals;

/// Moves the contents of the database, whose servers must be stopped. A signal stops it; the same command continues.
pub(crate) async fn copy_database(
    loaded: &Loaded,
    no_color: bool,
    arguments: CopyDatabaseArguments,
    audit: &CommandLog,
) -> Result<()> {
    let settings: ServeSettings = loaded.settings()?;
    let plan = StorePlan::new(&settings, &loaded.sources)?;
    if !plan.database.outlives_the_process() {
        return Err(setup(
            "a database in memory ends with its server; there is nothing to copy",
        ));
    }
    super::check_path_exists(plan.database.path(), "database", &loaded.sources)?;
    let _log = logging::init(&settings.log, settings.log_format, no_color);
    // No server of this machine may run. Those of other machines get errors when they write.
    let _lock = if settings.data_dir.exists() {
        check_data_dir(&settings.data_dir)?;
        let (lock, created) = data_dir::lock(&settings.data_dir)?;
        created.keep();
        Some(lock)
    } else {
        None
    };
    let from = data_dir::open_database(&plan).await?;
    if !arguments.undo {
        catch_up(&plan, &from).await?;
    }
    audit.open()?;
    if arguments.undo {
        from.portable()?.clear_moved().await?;
        output::note("the database accepts writes again; do not use its copy any more");
        return Ok(from.close().await?);
    }
    let Some(url) = arguments.to.as_ref() else {
        return Err(setup("give the new database with --to"));
    };
    if !url.outlives_the_process() {
        return Err(setup("--to cannot be memory, which ends with this command"));
    }
    let name = url.to_string();
    let to = open_target(url, arguments.to_password_file.as_deref()).await?;
    let mut signals = Signals::new()?;
    let lines = Lines::new(arguments.json.json);
    let copying = copy(&from, &to, &name, |records| {
        lines.progress(|| format!("copy: {records} records"));
    });
    let report = tokio::select! {
        report = copying => report,
        end = signals.next() => return Err(interrupted(end)),
    };
    let report = report.map_err(|error| setup_from(error, "the database was not copied"))?;
    from.close().await?;
    to.close().await?;
    let totals = json!({
        "records": report.records,
        "artifacts": report.artifacts,
        "was_complete": report.was_complete,
    });
    let totals = match totals {
        Value::Object(totals) => totals,
        _ => Map::new(),
    };
    let sentence = if report.was_complete {
        format!("the copy was complete before; start the servers with --database {name}")
    } else {
        format!(
            "copied {} records, {} of them artifacts; start the servers with --database {name}",
            report.records, report.artifacts
        )
    };
    lines.finish(totals, &sentence)
}

/// Brings the database up to the notes of the backend, if a server has written rows there. A power cut may have taken some away.
async fn catch_up(plan: &StorePlan<'_>, database: &Database) -> Result<()> {
    let Some(replayed) = database.catalog.replayed() else {
        return Ok(());
    };
    if replayed.replayed_to().await?.is_none() {
        return Ok(());
    }
    // The notes of a backend that the store has left, or that of another store, say nothing about its rows.
    placement::check(plan, database).await?;
    let name = plan.sources.name("backend");
    super::check_path_exists(plan.settings.backend.path(), "backend", plan.sources)?;
    let opened = plan
        .settings
        .backend
        .open_with(bucket::options(plan.settings))
        .await;
    let backend = opened.map_err(|error| {
        setup_from(
            error,
            format!("{name} cannot be used, which may have rows that the database lacks"),
        )
    })?;
    halves::check(plan, database, &backend).await?;
    let _ = notes::catch_up(plan, database, &backend).await?;
    backend.close().await;
    Ok(())
}

async fn open_target(
    url: &artifact_store::DatabaseUrl,
    password_file: Option<&Path>,
) -> Result<Database> {
    let mut url = url.clone();
    if let Some(path) = password_file {
        let password = Secret::File(path).read("put the password of the new database into it")?;
        url = url.with_password(password.expose_secret());
    }
    let opened = url.open().await;
    opened.map_err(|error| setup_from(error, "--to cannot be used"))
}

//! `artifact restore`: makes a store from a backup.

use anyhow::Result;
use artifact_store::{Backend, BackupManifest, BackupOptions, BackupPlace, Database, Restore};
use indicatif::BinaryBytes;
use serde_json::json;

use super::audited::CommandLog;
use super::backup::{existing_place, finish, print};
use super::command::RestoreArguments;
use super::lines::Lines;
use crate::failure::{interrupted, setup, setup_from};
use crate::output;
use crate::serve::plan::{StorePlan, check_data_dir};
use crate::serve::{bucket, data_dir, logging};
use crate::settings::{Loaded, ServeSettings};
use crate::signals::Signals;

/// Restores a snapshot, or lists the snapshots. A signal stops it; the same command continues.
pub(crate) async fn restore(
    loaded: &Loaded,
    no_color: bool,
    arguments: RestoreArguments,
    audit: &CommandLog,
) -> Result<()> {
    let settings: ServeSettings = loaded.settings()?;
    let _log = logging::init(&settings.log, settings.log_format, no_color);
    let place = existing_place(&arguments.from, &settings, "--from").await?;
    let unusable = |error: artifact_store::Error| setup_from(error, "--from cannot be used");
    let place = BackupPlace::open(&place).await.map_err(unusable)?;
    if arguments.list {
        let snapshots = place.snapshots().await.map_err(unusable)?;
        return snapshots
            .iter()
            .try_for_each(|manifest| list(manifest, arguments.json.json));
    }
    let plan = StorePlan::new(&settings, &loaded.sources)?;
    if !plan.lasts() {
        return Err(setup(
            "a store in memory ends with this command; give the --database and the --backend of the new server",
        ));
    }
    check_data_dir(&settings.data_dir)?;
    // Nothing is created by a dry run, so what does not exist is an empty one in memory.
    let is_new = arguments.dry_run && !settings.data_dir.exists();
    let locked = if is_new {
        None
    } else {
        Some(data_dir::lock(&settings.data_dir)?)
    };
    let backend_name = loaded.sources.name("backend");
    let backend = match settings.backend.path() {
        Some(path) if arguments.dry_run && !path.exists() => Backend::from_url("mem:").await,
        _ => settings.backend.open_with(bucket::options(&settings)).await,
    };
    let backend =
        backend.map_err(|error| setup_from(error, format!("{backend_name} cannot be used")))?;
    if !arguments.dry_run {
        bucket::probe(&backend, &settings, &backend_name).await?;
    }
    let database = match plan.database.path() {
        Some(path) if arguments.dry_run && !path.exists() => Database::from_url("mem:").await?,
        _ => data_dir::open_database(&plan).await?,
    };
    let options = BackupOptions::default()
        .with_bytes_per_second(arguments.rate.map(|rate| rate.0))
        .with_dry_run(arguments.dry_run)
        .with_without_damaged(arguments.without_damaged);
    audit.open()?;
    let restore = Restore::new(&place, &database, &backend, options);
    let mut signals = Signals::new()?;
    let mut lines = Lines::new(arguments.json.json);
    let run = restore.run(arguments.snapshot, |event| {
        print(&mut lines, "restore", event);
    });
    let report = tokio::select! {
        report = run => report,
        end = signals.next() => return Err(interrupted(end)),
    };
    database.close().await?;
    backend.close().await;
    if let Some((lock, created)) = locked {
        created.keep();
        drop(lock);
    }
    let verb = if arguments.dry_run {
        "would copy"
    } else {
        "copied"
    };
    finish(lines, &report, arguments.dry_run, verb)
}

fn list(manifest: &BackupManifest, json: bool) -> Result<()> {
    let (counts, left_out) = (manifest.counts, manifest.left_out.len());
    if json {
        let line = json!({
            "snapshot": manifest.number,
            "store_id": manifest.store_id()?.to_string(),
            "taken_at": manifest.taken_at,
            "finished_at": manifest.finished_at,
            "artifacts": counts.artifacts,
            "bytes": counts.bytes,
            "left_out": left_out,
        });
        return output::data(line);
    }
    output::data(format_args!(
        "{} {} {} artifacts ({}), {left_out} left out",
        manifest.number,
        manifest.taken_at,
        counts.artifacts,
        BinaryBytes(counts.bytes)
    ))
}

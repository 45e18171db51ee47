//! The commands that work on a store without a server: `artifact gc`, `migrate`, `scrub`, `backup`, `restore`,
//! `rebuild-catalog`, `copy-database`, `export`, `import`, `verify`, `doctor` and `rotate-admin-token`.
//!
//! They need no lock: servers may run meanwhile, on this machine and on others.

mod audited;
mod backup;
mod command;
mod copy_database;
mod doctor;
mod export;
mod gc;
mod import;
mod lines;
mod migrate;
mod rebuild_catalog;
mod restore;
mod rotate_admin_token;
mod scrub;
mod verify;
#[cfg(feature = "fs")]
mod verify_files;

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use artifact_backend::ErrorKind;
use artifact_store::{Backend, Database, PlacedBackend, StoreConfig};

use crate::failure::{setup, setup_from};
use crate::files;
use crate::serve::plan::{StorePlan, check_data_dir};
use crate::serve::{bucket, data_dir, halves, logging, notes, placement};
use crate::settings::{Loaded, ServeSettings, Sources};

pub(crate) use audited::{
    DELETE_ORPHAN, EXPIRE, backup, copy_database, export, gc, import, migrate, rebuild_catalog,
    record_removal, restore, rotate_admin_token, verify,
};
pub(crate) use command::MaintenanceCommand;
pub(crate) use doctor::doctor;
pub(crate) use export::check_export;
pub(crate) use scrub::scrub;

/// The two halves of a store, open for maintenance.
#[derive(Debug)]
pub(crate) struct OpenStore {
    pub(crate) database: Database,
    /// Follows the blobs while they are moved: maintenance sees both backends then.
    pub(crate) backend: Backend,
    pub(crate) placed: PlacedBackend,
    pub(crate) config: StoreConfig,
}

/// Opens the halves that the settings name, and checks that they belong together. Creates nothing.
pub(crate) async fn open(loaded: &Loaded, no_color: bool) -> Result<OpenStore> {
    let settings: ServeSettings = loaded.settings()?;
    let plan = StorePlan::new(&settings, &loaded.sources)?;
    check_lasts(&plan)?;
    if settings.data_dir.exists() {
        check_data_dir(&settings.data_dir)?;
    }
    let (database, backend) = open_halves(&plan, no_color).await?;
    halves::check(&plan, &database, &backend).await?;
    // A row that is missing yet would make its blob an orphan.
    let _ = notes::catch_up(&plan, &database, &backend).await?;
    let placed = placement::follow(&plan, &database, &backend).await?;
    Ok(OpenStore {
        database,
        backend: Backend::new(Arc::new(placed.clone())),
        placed,
        config: StoreConfig::default().with_grace_period(settings.schedule.grace_period),
    })
}

/// Opens the halves, and lets them log. Creates nothing.
async fn open_halves(plan: &StorePlan<'_>, no_color: bool) -> Result<(Database, Backend)> {
    let settings = plan.settings;
    check_path_exists(plan.database.path(), "database", plan.sources)?;
    let _log = logging::init(&settings.log, settings.log_format, no_color);
    let database = data_dir::open_database(plan).await?;
    placement::check(plan, &database).await?;
    check_path_exists(settings.backend.path(), "backend", plan.sources)?;
    halves::check_backend_to_create(plan, &database).await?;
    if let Some(folder) = settings.backend.path()
        && files::is_empty_folder(folder)
    {
        // Opened, it would become a folder of blobs.
        let (name, folder) = (plan.sources.name("backend"), folder.display());
        return Err(setup(format!(
            "{name} cannot be used: {folder} is empty; start the server with it once, or mount its disk"
        )));
    }
    let opened = settings.backend.open_with(bucket::options(settings)).await;
    let backend = opened.map_err(|error| {
        let name = plan.sources.name("backend");
        if settings.backend.scheme() == "pack" && error.kind() == ErrorKind::Unavailable {
            return in_use(error, &name);
        }
        setup_from(error, format!("{name} cannot be used"))
    })?;
    Ok((database, backend))
}

/// Returns the error of a root of segments that another process has open. `name` is what the user knows it by.
fn in_use(error: artifact_backend::Error, name: &str) -> anyhow::Error {
    let sentence = "cannot be used while a server runs, because only one process can open a root of pack:; stop the server, \
                    then run this command again";
    setup_from(error, format!("{name} {sentence}"))
}

/// Refuses a store that only its server has.
fn check_lasts(plan: &StorePlan<'_>) -> Result<()> {
    if plan.lasts() {
        return Ok(());
    }
    Err(setup(
        "a store in memory ends with its server, so there is nothing to maintain; give the --database and the \
         --backend of the server",
    ))
}

/// Checks that what the server creates at its start is there.
fn check_path_exists(path: Option<&Path>, setting: &str, sources: &Sources) -> Result<()> {
    match path {
        Some(path) => {
            let (name, shown) = (sources.name(setting), path.display());
            match path.try_exists() {
                Ok(true) => Ok(()),
                Ok(false) => Err(setup(format!(
                    "{name} cannot be used: {shown} does not exist; give the --data-dir or the settings file of the server"
                ))),
                // Not missing, as far as this user can tell.
                Err(error) => Err(setup_from(
                    error,
                    format!(
                        "{name} cannot be used: cannot look at {shown}; run as the user of the server"
                    ),
                )),
            }
        }
        None => Ok(()),
    }
}

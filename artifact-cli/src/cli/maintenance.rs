//! The commands that work on a store without a server.

use anyhow::Result;

use super::{block_on, help, start_log_thread, warn_about_variables};
use crate::maintain::{self, MaintenanceCommand};
use crate::settings::{self, Environment, Loaded, ServeSettings};

/// Adds the settings and the end of the help.
pub(super) fn complete(command: clap::Command) -> clap::Command {
    let help = help::of_maintenance(command.get_name());
    let command = settings::with_headings(ServeSettings::augment_maintenance(command));
    let command = command.after_long_help(help);
    if command.get_name() == "rotate-admin-token" {
        return command.mut_arg("admin_token_file", |arg| arg.hide(false));
    }
    command
}

/// Runs a command.
pub(super) fn run(
    command: MaintenanceCommand,
    loaded: &Loaded,
    environment: &Environment,
) -> Result<()> {
    let settings: ServeSettings = loaded.settings()?;
    start_log_thread(settings.log_format)?;
    warn_about_variables(environment);
    // Before the store is opened.
    if let MaintenanceCommand::Export(arguments) = &command {
        maintain::check_export(arguments)?;
    }
    block_on(dispatch(command, loaded, environment.no_color()))
}

async fn dispatch(command: MaintenanceCommand, loaded: &Loaded, no_color: bool) -> Result<()> {
    match command {
        MaintenanceCommand::Gc(arguments) => maintain::gc(loaded, no_color, arguments).await,
        MaintenanceCommand::Scrub(arguments) => {
            maintain::scrub(maintain::open(loaded, no_color).await?, arguments).await
        }
        MaintenanceCommand::Export(arguments) => {
            maintain::export(loaded, no_color, arguments).await
        }
        MaintenanceCommand::Import(arguments) => {
            maintain::import(loaded, no_color, arguments).await
        }
        MaintenanceCommand::Migrate(arguments) => {
            maintain::migrate(loaded, arguments, no_color).await
        }
        MaintenanceCommand::Verify(arguments) => {
            maintain::verify(loaded, no_color, arguments).await
        }
        MaintenanceCommand::Doctor(arguments) => {
            maintain::doctor(loaded, no_color, arguments).await
        }
        MaintenanceCommand::Backup(arguments) => {
            maintain::backup(loaded, no_color, arguments).await
        }
        MaintenanceCommand::Restore(arguments) => {
            maintain::restore(loaded, no_color, arguments).await
        }
        MaintenanceCommand::RebuildCatalog(arguments) => {
            maintain::rebuild_catalog(loaded, no_color, arguments).await
        }
        MaintenanceCommand::CopyDatabase(arguments) => {
            maintain::copy_database(loaded, no_color, arguments).await
        }
        MaintenanceCommand::RotateAdminToken(arguments) => {
            maintain::rotate_admin_token(loaded, no_color, arguments).await
        }
    }
}

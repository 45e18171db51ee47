//! `artifact serve`, and what the commands that work on a store share with it.

use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Args;

use super::{block_on, help, load, start_log_thread, warn_about_variables};
use crate::settings::{self, Environment, Loaded, ServeSettings};
use crate::{allocator, output, serve};

/// What `serve` does besides serving.
#[derive(Debug, Args)]
pub(super) struct ServeArguments {
    /// Check the settings, print them with their sources, and exit
    #[arg(long)]
    print_config: bool,

    /// Check the settings and the files and folders that they name, and exit. Opens no socket, database or backend, and
    /// creates nothing
    #[arg(long, conflicts_with = "print_config")]
    check: bool,
}

/// Adds the settings and the end of the help.
pub(super) fn complete(command: clap::Command) -> clap::Command {
    settings::with_headings(ServeSettings::augment_args(command)).after_long_help(help::AFTER)
}

/// Prepares the process. Called before anything is written, because it would be written twice.
pub(super) fn prepare() -> Result<()> {
    if std::env::args_os()
        .nth(1)
        .is_some_and(|word| word == "serve")
    {
        allocator::fix_trim_threshold();
    }
    // Standard error may be a file that is as large as it may become.
    artifact_server::survive_file_size_limit().context("cannot catch signals")
}

/// Runs the server.
pub(super) fn run(
    arguments: &ServeArguments,
    loaded: Loaded,
    environment: &Environment,
) -> Result<()> {
    // First of all, while the process has one thread.
    let sockets = serve::InheritedSockets::take();
    let settings: ServeSettings = loaded.settings()?;
    start_log_thread(settings.log_format)?;
    warn_about_variables(environment);
    if arguments.print_config {
        settings.check(&loaded.sources)?;
        return output::data(settings::effective::<ServeSettings>(&loaded).trim_end());
    }
    if arguments.check {
        return serve::check(&loaded);
    }
    block_on(serve::run(
        Arc::new(loaded),
        sockets,
        environment.no_color(),
    ))
}

/// Gathers the settings of this process again. Flags and variables are those of its start.
pub(crate) fn load_settings() -> Result<Loaded> {
    load(&Environment::of_process())
}

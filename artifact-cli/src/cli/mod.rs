//! The command line, and the exit code of the process.

mod about;
mod client;
mod help;
#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
mod maintenance;
#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
mod server;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use tokio::runtime::Runtime;

use self::about::AboutCommand;
use self::client::ClientCommand;
#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
use self::server::ServeArguments;
#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
use crate::audit::{self, AuditCommand};
#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
use crate::failure::setup_from;
#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
use crate::maintain::MaintenanceCommand;
use crate::receipt::{self, ReceiptCommand};
#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
use crate::serve;
#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
use crate::settings::LogFormat;
use crate::settings::{self, Environment, Loaded};
use crate::{failure, output, threads};

pub(crate) use self::client::{GetArguments, Json, PutArguments};
#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
pub(crate) use self::server::load_settings;

/// A store for files that must not change: put in a file, get back an opaque URI
#[derive(Debug, Parser)]
#[command(name = "artifact", version, max_term_width = 100)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
    /// Serve artifacts over HTTP until SIGTERM or Ctrl-C
    Serve(ServeArguments),
    #[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
    #[command(flatten)]
    Maintenance(MaintenanceCommand),
    #[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
    /// Check audit logs, and find lines in them
    #[command(subcommand, disable_help_subcommand = true)]
    Audit(AuditCommand),
    #[command(flatten)]
    Client(ClientCommand),
    /// Fetch and verify signed receipts, and make the key that signs them
    #[command(subcommand, disable_help_subcommand = true)]
    Receipt(ReceiptCommand),
    #[command(flatten)]
    About(AboutCommand),
}

/// Returns the whole command line, with the settings of each command.
pub(crate) fn command() -> clap::Command {
    help::shorten(CommandLine::command().mut_subcommands(complete))
}

/// Adds to a command the settings that it takes.
fn complete(command: clap::Command) -> clap::Command {
    if about::NAMES.contains(&command.get_name()) {
        return command;
    }
    if command.get_name() == "receipt" {
        // The others take no settings.
        return command.mut_subcommand("get", |get| {
            client::complete(get).after_long_help(help::AFTER)
        });
    }
    #[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
    match command.get_name() {
        "serve" => return server::complete(command),
        // It takes no settings.
        "audit" => return command,
        _ => {}
    }
    #[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
    if MaintenanceCommand::has_subcommand(command.get_name()) {
        return maintenance::complete(command);
    }
    client::complete(command)
}

/// Runs the command that the command line names.
pub(crate) fn run() -> ExitCode {
    let code = match try_run() {
        Ok(()) => 0,
        Err(error) => report(&error),
    };
    output::flush();
    ExitCode::from(code)
}

/// Prints an error and returns the exit code, whether or not it could be printed.
fn report(error: &anyhow::Error) -> u8 {
    if let Some(error) = error.downcast_ref::<clap::Error>() {
        return match error.print() {
            // Help and version, which are data.
            Err(failed) if !error.use_stderr() => report(&failure::stdout_error(failed)),
            _ => u8::try_from(error.exit_code()).unwrap_or(2),
        };
    }
    if let Some(sentence) = failure::sentence(error) {
        output::note(format_args!("error: {sentence}"));
    }
    failure::exit_code(error)
}

fn try_run() -> Result<()> {
    #[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
    server::prepare()?;
    let environment = Environment::of_process();
    let loaded = load(&environment).inspect_err(|error| {
        // Help and an unusable command line come without warnings.
        if !error.is::<clap::Error>() {
            warn_about_variables(&environment);
        }
    })?;
    dispatch(loaded, &environment)
}

fn warn_about_variables(environment: &Environment) {
    for sentence in environment.unknown_variables() {
        output::warn(sentence);
    }
}

fn load(environment: &Environment) -> Result<Loaded> {
    settings::load(&command(), std::env::args_os(), environment)
}

fn dispatch(loaded: Loaded, environment: &Environment) -> Result<()> {
    match CommandLine::from_arg_matches(&loaded.matches)?.command {
        #[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
        Command::Serve(arguments) => server::run(&arguments, loaded, environment),
        #[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
        Command::Maintenance(command) => maintenance::run(command, &loaded, environment),
        #[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
        Command::Audit(command) => audit::run(&command),
        Command::Client(command) => {
            #[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
            start_log_thread(LogFormat::Text)?;
            warn_about_variables(environment);
            block_on(client::run(command, &loaded))
        }
        Command::Receipt(command) => {
            #[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
            start_log_thread(LogFormat::Text)?;
            warn_about_variables(environment);
            block_on(receipt::run(command, &loaded))
        }
        Command::About(command) => about::run(command, self::command()),
    }
}

#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
/// Starts the thread that writes to standard error.
fn start_log_thread(format: LogFormat) -> Result<()> {
    let lost = move |lines| serve::lost_lines(format, lines);
    output::start_log_thread(lost).map_err(|error| setup_from(error, threads::TOO_FEW))
}

fn block_on(work: impl Future<Output = Result<()>>) -> Result<()> {
    threads::check()?;
    let runtime = Runtime::new().context("cannot start the threads of this process")?;
    let done = runtime.block_on(work);
    // A pending read of standard input must not keep the process alive.
    runtime.shutdown_background();
    done
}

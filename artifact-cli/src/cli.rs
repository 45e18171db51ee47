//! The command line, and the exit code of the process.

#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
use std::num::NonZero;
use std::path::PathBuf;
use std::process::ExitCode;
#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
use std::sync::Arc;

use anyhow::{Context, Result};
#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
use artifact_store::{BackendUrl, DatabaseUrl};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use tokio::runtime::Runtime;

use crate::collection::{self, CollectionCommand};
use crate::connect::ClientContext;
#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
use crate::failure::setup_from;
use crate::identity::{self, AdministratorCommand, GroupCommand, WorkerCommand};
use crate::manage::{
    self, Artifacts, DeleteArguments, InfoArguments, ListArguments, RetentionArguments,
};
use crate::settings::{self, ClientSettings, Environment, Loaded, Period, text};
#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
use crate::settings::{ByteSize, LogFormat, ServeSettings};
use crate::share::{self, ShareArguments};
#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
use crate::{allocator, audit, maintain, serve};
use crate::{failure, get, output, put, threads};

const AFTER_HELP: &str = "\
Exit codes: 0 success, 1 failed while working, 2 refused before anything was done.
Settings also come from the environment and from a file: see docs/configuration.md.";

#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
const AFTER_HELP_OF_GC: &str = "\
Takes the settings of artifact serve; those that it does not use have no effect.
Exit codes: 0 all done, 1 an alarm or a failure, which the output names, 2 refused before anything was done.
Settings also come from the environment and from a file: see docs/configuration.md.";

#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
const AFTER_HELP_OF_ARCHIVE: &str = "\
Takes the settings of artifact serve; those that it does not use have no effect.
Exit codes: 0 all done, 1 a damaged artifact or archive, or an id that the output names, 2 refused before anything was done.
Settings also come from the environment and from a file: see docs/configuration.md.";

#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
const AFTER_HELP_OF_SCRUB: &str = "\
Takes the settings of artifact serve; those that it does not use have no effect.
Exit codes: 0 all is good, 1 something is wrong with an id that the output names, 2 refused or not finished.
Settings also come from the environment and from a file: see docs/configuration.md.";

#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
const AFTER_HELP_OF_VERIFY: &str = "\
Takes the settings of artifact serve; those that it does not use have no effect.
Exit codes: 0 all is good, also after a repair, 1 something is wrong that the output names, 2 refused.
Settings also come from the environment and from a file: see docs/configuration.md.";

#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
const AFTER_HELP_OF_BACKUP: &str = "\
Takes the settings of artifact serve; those that it does not use have no effect. Buckets share the bucket settings.
Exit codes: 0 all is good, 1 something is wrong with an id that the output names, 2 refused or not finished.
Settings also come from the environment and from a file: see docs/configuration.md.";

#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
const AFTER_HELP_OF_MIGRATE: &str = "\
Takes the settings of artifact serve; those that it does not use have no effect.
Exit codes: 0 all is moved, 1 a blob that the output names cannot be moved, 2 refused or not finished.
Settings also come from the environment and from a file: see docs/configuration.md.";

#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
const AFTER_HELP_OF_ROTATION: &str = "\
Takes the settings of artifact serve; those that it does not use have no effect.
The new token is in the file of the admin token. Servers whose settings name another token keep it.
Settings also come from the environment and from a file: see docs/configuration.md.";

/// A store for files that must not change: put in a file, get back an opaque URI
#[derive(Debug, Parser)]
#[command(
    name = "artifact",
    version,
    max_term_width = 100,
    disable_help_subcommand = true
)]
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
    /// Remove expired artifacts, blobs without a row, and leftovers, also while servers run
    Gc(GcArguments),
    #[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
    /// Move all blobs to another backend, also while servers run. Give the same command again to go on with it
    Migrate(MigrateArguments),
    #[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
    /// Read every stored byte and compare it with its row, also while servers run
    Scrub(ScrubArguments),
    #[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
    /// Check that the database and the blobs belong together, and the modes, owners and names of the files, also while
    /// servers run
    Verify(VerifyArguments),
    #[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
    /// Back up a store into a folder or a bucket, also while servers run
    Backup(BackupArguments),
    #[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
    /// Make a store from a backup
    Restore(RestoreArguments),
    #[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
    /// Move the rows, workers, groups and administrators into another database, such as from SQLite to PostgreSQL. Stop the servers first
    CopyDatabase(CopyDatabaseArguments),
    #[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
    /// Write an experiment as one archive that tar can read, also while servers run
    Export(ExportArguments),
    #[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
    /// Take the archive of an experiment into this store, all of it or nothing, also while servers run
    Import(ImportArguments),
    #[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
    /// Replace the admin token that the servers of a database share, also while servers run
    RotateAdminToken,
    #[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
    /// Check audit logs
    #[command(subcommand, disable_help_subcommand = true)]
    Audit(audit::AuditCommand),
    /// Deposit a file and print its URI
    Put(PutArguments),
    /// Fetch an artifact and verify its SHA-256
    Get(GetArguments),
    /// List artifacts
    Ls(ListArguments),
    /// Show what is recorded about an artifact
    Info(InfoArguments),
    /// Show how much is stored, in all and by each depositor
    Usage(Json),
    /// Delete artifacts. Allowed for their depositor and the admin
    Delete(DeleteArguments),
    /// Place a hold on artifacts, so that nothing removes them
    Hold(Artifacts),
    /// Release the hold on artifacts
    Release(Artifacts),
    /// Show or set how long artifacts are kept
    Retention(RetentionArguments),
    /// Let a worker, a group, or everyone who has a link read an artifact; list that, and revoke it. Allowed for the depositor
    /// and administrators
    Share(ShareArguments),
    /// Register workers, list them, give them new credentials
    #[command(subcommand, disable_help_subcommand = true)]
    Worker(WorkerCommand),
    /// Create and change groups; members of the group named admins may read every artifact
    #[command(subcommand, disable_help_subcommand = true)]
    Group(GroupCommand),
    /// Register named administrators, list them, give them new credentials
    #[command(subcommand, disable_help_subcommand = true)]
    Administrator(AdministratorCommand),
    /// Print the id of the worker or named administrator that the credential belongs to
    Whoami(Json),
    /// Deposit folders as collections: files under names that are given once
    #[command(subcommand, disable_help_subcommand = true)]
    Collection(CollectionCommand),
}

#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
#[derive(Debug, Args)]
struct ServeArguments {
    /// Check the settings, print them with their sources, and exit
    #[arg(long)]
    print_config: bool,
}

#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
/// What `gc` removes.
#[derive(Debug, Args)]
pub(crate) struct GcArguments {
    /// Report what would be removed, and remove nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Delete orphans even if they are more than half of all blobs, or more than 10 and more than a tenth. Check first
    /// that the database is complete: neither an old copy nor a new one
    #[arg(long)]
    pub(crate) many_orphans: bool,

    /// Remove at most N rows or blobs per second
    #[arg(long, value_name = "N")]
    pub(crate) rate: Option<u64>,

    #[command(flatten)]
    pub(crate) json: JsonLines,
}

#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
/// What `scrub` reads.
#[derive(Debug, Args)]
pub(crate) struct ScrubArguments {
    /// Read at most N bytes per second, for example 50MiB
    #[arg(long, value_name = "N")]
    pub(crate) rate: Option<ByteSize>,

    /// Continue after this position, which an earlier scrub printed
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) after: u64,

    /// Record the digests of the chunks of artifacts that older versions stored without them, once their bytes were
    /// verified, so that ranges of them are verified too
    #[arg(long)]
    pub(crate) add_digests: bool,

    #[command(flatten)]
    pub(crate) json: JsonLines,
}

#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
/// What `migrate` moves, and where.
#[derive(Debug, Args)]
pub(crate) struct MigrateArguments {
    /// Where the blobs are moved to, in the forms of --backend. It must be empty. All servers open it by this URL, with
    /// their own settings and credentials
    #[arg(long, value_name = "URL", value_parser = settings::backend, required_unless_present = "status")]
    pub(crate) to: Option<BackendUrl>,

    /// Where the blobs are [default: where the database says, at first the --backend of the settings]
    #[arg(long, value_name = "URL", value_parser = settings::backend)]
    pub(crate) from: Option<BackendUrl>,

    /// Read at most N bytes per second, for example 50MiB
    #[arg(long, value_name = "N")]
    pub(crate) rate: Option<ByteSize>,

    /// Count what would be copied, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// At the end, delete each blob from --from, once its copy was read back. The blobs cannot be moved back then
    #[arg(long)]
    pub(crate) delete_source: bool,

    /// Print where the blobs are and how far a migration is
    #[arg(long, conflicts_with_all = ["to", "from", "rate", "dry_run", "delete_source"])]
    pub(crate) status: bool,

    #[command(flatten)]
    pub(crate) json: JsonLines,
}

#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
/// What `verify` does.
#[derive(Debug, Args)]
pub(crate) struct VerifyArguments {
    /// Set the modes right, as after a restore by a program that does not keep them. Nothing else is changed
    #[arg(long)]
    pub(crate) repair: bool,

    #[command(flatten)]
    pub(crate) json: JsonLines,
}

#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
/// Where `backup` writes, and what.
#[derive(Debug, Args)]
pub(crate) struct BackupArguments {
    /// Where the backups of this store are: a folder or a bucket of its own, in the forms of --backend
    #[arg(long, value_name = "FOLDER|URL", value_parser = settings::backend)]
    pub(crate) to: BackendUrl,

    /// Keep the N newest snapshots, and remove the older ones with the blobs that only they need [default: keep all]
    #[arg(long, value_name = "N")]
    pub(crate) keep: Option<NonZero<usize>>,

    /// Write nothing. Read the backup back and compare every blob with its row
    #[arg(long, conflicts_with_all = ["keep", "dry_run"])]
    pub(crate) verify: bool,

    /// Verify this snapshot [default: all]
    #[arg(long, value_name = "N", requires = "verify")]
    pub(crate) snapshot: Option<u64>,

    /// Read at most N bytes per second, for example 50MiB
    #[arg(long, value_name = "N")]
    pub(crate) rate: Option<ByteSize>,

    /// Report what would be copied, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    #[command(flatten)]
    pub(crate) json: JsonLines,
}

#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
/// What `restore` reads.
#[derive(Debug, Args)]
pub(crate) struct RestoreArguments {
    /// Where the backup is: what backup had as --to
    #[arg(long, value_name = "FOLDER|URL", value_parser = settings::backend)]
    pub(crate) from: BackendUrl,

    /// List the snapshots, and restore nothing
    #[arg(long, conflicts_with_all = ["snapshot", "dry_run", "without_damaged"])]
    pub(crate) list: bool,

    /// Restore this snapshot [default: the newest]
    #[arg(long, value_name = "N")]
    pub(crate) snapshot: Option<u64>,

    /// Leave out artifacts whose blob is damaged in the backup. Their ids count as removed
    #[arg(long)]
    pub(crate) without_damaged: bool,

    /// Read at most N bytes per second, for example 50MiB
    #[arg(long, value_name = "N")]
    pub(crate) rate: Option<ByteSize>,

    /// Report what would be copied, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    #[command(flatten)]
    pub(crate) json: JsonLines,
}

#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
/// Where `copy-database` writes.
#[derive(Debug, Args)]
pub(crate) struct CopyDatabaseArguments {
    /// New database, which must be empty, in the forms of --database
    #[arg(long, value_name = "FILE|URL", value_parser = settings::database)]
    #[arg(required_unless_present = "undo")]
    pub(crate) to: Option<DatabaseUrl>,

    /// File with the password of the new database
    #[arg(long, value_name = "FILE", requires = "to")]
    pub(crate) to_password_file: Option<PathBuf>,

    /// Let the old database accept writes again, if the copy is not used
    #[arg(long, conflicts_with = "to")]
    pub(crate) undo: bool,

    #[command(flatten)]
    pub(crate) json: JsonLines,
}

#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
/// What `export` writes.
#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    /// Id of the experiment
    #[arg(value_name = "EXPERIMENT", value_parser = text)]
    pub(crate) experiment: String,

    /// File to create, or - for standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) to: PathBuf,

    /// Replace FILE if it already exists
    #[arg(long)]
    pub(crate) force: bool,

    /// Read at most N bytes per second, for example 50MiB
    #[arg(long, value_name = "N")]
    pub(crate) rate: Option<ByteSize>,

    #[command(flatten)]
    pub(crate) json: JsonLines,
}

#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
/// What `import` takes.
#[derive(Debug, Args)]
pub(crate) struct ImportArguments {
    /// Archive of artifact export, or - for standard input
    #[arg(value_name = "FILE")]
    pub(crate) from: PathBuf,

    /// Import into this experiment [default: that of the archive]
    #[arg(long = "as", value_name = "EXPERIMENT", value_parser = text)]
    pub(crate) into_experiment: Option<String>,

    /// Leave out the artifacts that were removed from this store, whose ids are never used again
    #[arg(long)]
    pub(crate) skip_removed: bool,

    /// Check the whole archive and the ids in it, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Read at most N bytes per second, for example 50MiB
    #[arg(long, value_name = "N")]
    pub(crate) rate: Option<ByteSize>,

    #[command(flatten)]
    pub(crate) json: JsonLines,
}

#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
/// The flag of the commands that print each of their findings.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct JsonLines {
    /// Write JSON to standard output: a line for each id, then a line with the totals
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `put` sends.
#[derive(Debug, Args)]
pub(crate) struct PutArguments {
    /// Files to deposit, each as an artifact of its own, or - for standard input
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,

    /// Content type to record [default: by the ending of the file name, else application/octet-stream]
    #[arg(long, value_name = "TYPE", value_parser = text)]
    pub(crate) content_type: Option<String>,

    /// File name to record [default: the name of FILE]
    #[arg(long, value_name = "NAME", value_parser = text)]
    pub(crate) file_name: Option<String>,

    /// How long the server keeps the artifact, such as 7d, 12h or 45min [default: as `artifact retention` says]
    #[arg(long, value_name = "TIME")]
    pub(crate) expires_in: Option<Period>,

    /// Key of the deposit: the same command with the same key, repeated within a day, prints the same URI. Only for one FILE
    /// [default: a random key for each command]
    #[arg(long, value_name = "KEY", value_parser = text)]
    pub(crate) idempotency_key: Option<String>,

    /// Go on with the upload of a large FILE that was interrupted. Its id was printed when it began. Only for one FILE
    #[arg(long, value_name = "UPLOAD", value_parser = text, conflicts_with = "idempotency_key")]
    pub(crate) resume: Option<String>,

    /// Deposit FILE again even if the response to the first try was lost, also on a server that knows no keys. It may then
    /// hold FILE twice, once under a URI that no client knows
    #[arg(long)]
    pub(crate) allow_orphans: bool,

    #[command(flatten)]
    pub(crate) json: Json,
}

/// The arguments of `get`.
#[derive(Debug, Args)]
pub(crate) struct GetArguments {
    /// URI that the deposit returned, or the URL of a link, which needs no credential
    #[arg(value_name = "URI", value_parser = text)]
    pub(crate) uri: String,

    /// File to create, or - for standard output [default: -, unless a terminal]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Create a file in the current folder with the name that was recorded at the deposit
    #[arg(short = 'O', long, conflicts_with = "output")]
    pub(crate) remote_name: bool,

    /// Replace FILE if it already exists
    #[arg(long)]
    pub(crate) force: bool,
}

/// The flag of every command whose output a program may want to read.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Json {
    /// Write one line of JSON to standard output
    #[arg(long)]
    pub(crate) json: bool,
}

/// Returns the whole command line, with the settings of each command.
pub(crate) fn command() -> clap::Command {
    CommandLine::command().mut_subcommands(|command| {
        #[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
        if command.get_name() == "serve" {
            return ServeSettings::augment_args(command).after_help(AFTER_HELP);
        }
        #[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
        if ["gc", "migrate", "scrub", "export", "import", "verify"].contains(&command.get_name()) {
            let help = match command.get_name() {
                "gc" => AFTER_HELP_OF_GC,
                "migrate" => AFTER_HELP_OF_MIGRATE,
                "export" | "import" => AFTER_HELP_OF_ARCHIVE,
                "verify" => AFTER_HELP_OF_VERIFY,
                _ => AFTER_HELP_OF_SCRUB,
            };
            return ServeSettings::augment_maintenance(command).after_help(help);
        }
        #[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
        if ["backup", "restore", "copy-database"].contains(&command.get_name()) {
            return ServeSettings::augment_maintenance(command).after_help(AFTER_HELP_OF_BACKUP);
        }
        #[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
        if command.get_name() == "rotate-admin-token" {
            let command = ServeSettings::augment_maintenance(command);
            let command = command.mut_arg("admin_token_file", |arg| arg.hide(false));
            return command.after_help(AFTER_HELP_OF_ROTATION);
        }
        #[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
        if command.get_name() == "audit" {
            return command;
        }
        with_client_settings(command)
    })
}

fn with_client_settings(command: clap::Command) -> clap::Command {
    if command.has_subcommands() {
        command.mut_subcommands(with_client_settings)
    } else {
        ClientSettings::augment_args(command).after_help(AFTER_HELP)
    }
}

/// Runs the command that the command line names.
pub(crate) fn run() -> ExitCode {
    #[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
    // Before anything is written, because it would be written twice.
    if std::env::args_os()
        .nth(1)
        .is_some_and(|word| word == "serve")
    {
        allocator::fix_trim_threshold();
    }
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
    // First of all, because standard error may be a file that is as large as it may become.
    artifact_server::survive_file_size_limit().context("cannot catch signals")?;
    let environment = Environment::of_process();
    let loaded = load(&environment).inspect_err(|error| {
        // Help and an unusable command line come without warnings.
        if !error.is::<clap::Error>() {
            warn_about_variables(&environment);
        }
    })?;
    #[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
    if let Command::Audit(command) = CommandLine::from_arg_matches(&loaded.matches)?.command {
        return audit::run(&command);
    }
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

#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
/// Gathers the settings of this process again. Flags and variables are those of its start.
pub(crate) fn load_settings() -> Result<Loaded> {
    load(&Environment::of_process())
}

#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
/// Starts the log of a command of maintenance.
fn start_maintenance(loaded: &Loaded, environment: &Environment) -> Result<()> {
    let settings: ServeSettings = loaded.settings()?;
    start_log_thread(settings.log_format)?;
    warn_about_variables(environment);
    Ok(())
}

fn dispatch(loaded: Loaded, environment: &Environment) -> Result<()> {
    let command = CommandLine::from_arg_matches(&loaded.matches)?.command;
    #[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
    if let Command::Serve(arguments) = &command {
        let settings: ServeSettings = loaded.settings()?;
        start_log_thread(settings.log_format)?;
        warn_about_variables(environment);
        if arguments.print_config {
            settings.check(&loaded.sources)?;
            return output::data(settings::effective::<ServeSettings>(&loaded).trim_end());
        }
        return block_on(serve::run(Arc::new(loaded), environment.no_color()));
    }
    #[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
    if let Command::Gc(_)
    | Command::Migrate(_)
    | Command::Scrub(_)
    | Command::Export(_)
    | Command::Import(_) = &command
    {
        start_maintenance(&loaded, environment)?;
        if let Command::Export(arguments) = &command {
            maintain::check_export(arguments)?;
        }
        if let Command::Migrate(arguments) = command {
            let no_color = environment.no_color();
            return block_on(maintain::migrate(&loaded, arguments, no_color));
        }
        let name = audited_name(&command);
        return block_on(maintain::audited(&loaded, name, |audit| async {
            let store = maintain::open(&loaded, environment.no_color()).await?;
            match command {
                Command::Gc(arguments) => maintain::gc(store, arguments, audit).await,
                Command::Scrub(arguments) => maintain::scrub(store, arguments).await,
                Command::Export(arguments) => maintain::export(store, arguments).await,
                Command::Import(arguments) => maintain::import(store, arguments).await,
                _ => Ok(()),
            }
        }));
    }
    #[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
    if let Command::Backup(_)
    | Command::Restore(_)
    | Command::CopyDatabase(_)
    | Command::RotateAdminToken
    | Command::Verify(_) = &command
    {
        start_maintenance(&loaded, environment)?;
        let no_color = environment.no_color();
        return block_on(async {
            match command {
                Command::Backup(arguments) => maintain::backup(&loaded, no_color, arguments).await,
                Command::Restore(arguments) => {
                    maintain::restore(&loaded, no_color, arguments).await
                }
                Command::CopyDatabase(arguments) => {
                    maintain::copy_database(&loaded, no_color, arguments).await
                }
                Command::Verify(arguments) => maintain::verify(&loaded, no_color, arguments).await,
                Command::RotateAdminToken => maintain::rotate_admin_token(&loaded, no_color).await,
                _ => Ok(()),
            }
        });
    }
    #[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
    start_log_thread(LogFormat::Text)?;
    warn_about_variables(environment);
    block_on(async {
        let client = client_of(&command, &loaded)?;
        match command {
            #[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
            Command::Serve(_)
            | Command::Gc(_)
            | Command::Migrate(_)
            | Command::Scrub(_)
            | Command::Verify(_)
            | Command::Backup(_)
            | Command::Restore(_)
            | Command::CopyDatabase(_)
            | Command::Export(_)
            | Command::Import(_)
            | Command::RotateAdminToken
            | Command::Audit(_) => unreachable!("they returned above"),
            Command::Put(arguments) => put::run(&client, arguments).await,
            Command::Get(arguments) => get::run(&client, arguments).await,
            Command::Ls(arguments) => manage::list(&client, arguments).await,
            Command::Info(arguments) => manage::info(&client, arguments).await,
            Command::Usage(json) => manage::usage(&client, json).await,
            Command::Delete(arguments) => manage::delete(&client, arguments).await,
            Command::Hold(artifacts) => manage::hold(&client, artifacts).await,
            Command::Release(artifacts) => manage::release(&client, artifacts).await,
            Command::Retention(arguments) => manage::retention(&client, arguments).await,
            Command::Share(arguments) => share::share(&client, arguments).await,
            Command::Worker(command) => identity::worker(&client, command).await,
            Command::Group(command) => identity::group(&client, command).await,
            Command::Administrator(command) => identity::administrator(&client, command).await,
            Command::Whoami(json) => identity::whoami(&client, json).await,
            Command::Collection(command) => collection::run(&client, command).await,
        }
    })
}

#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
/// Returns the name of a command on an open store in the audit log, or `None` for one that leaves no line.
fn audited_name(command: &Command) -> Option<&'static str> {
    match command {
        Command::Gc(arguments) if !arguments.dry_run => Some("gc"),
        Command::Export(_) => Some("export"),
        Command::Import(_) => Some("import"),
        _ => None,
    }
}

/// Makes the client of a command. A link needs no credential, and says which server it is on.
fn client_of(command: &Command, loaded: &Loaded) -> Result<ClientContext> {
    let (settings, sources) = (loaded.settings()?, &loaded.sources);
    match command {
        Command::Get(arguments) if get::is_link(&arguments.uri) => {
            ClientContext::of_link(&arguments.uri, &settings, sources)
        }
        _ => ClientContext::new(&settings, sources),
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

//! The client commands, and their arguments unless they have a module of their own.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};

use super::help;
use crate::collection::{self, CollectionCommand};
use crate::connect::ClientContext;
use crate::identity::{self, AdministratorCommand, GroupCommand, WorkerCommand};
use crate::manage::{
    self, Artifacts, DeleteArguments, InfoArguments, ListArguments, QuotaCommand,
    RetentionArguments,
};
use crate::settings::{ClientSettings, Loaded, Period, text};
use crate::share::{self, ShareArguments};
use crate::{get, put};

/// What works through a server.
#[derive(Debug, Subcommand)]
pub(super) enum ClientCommand {
    /// Deposit files, each under a URI that is printed, or a folder as a collection
    Put(PutArguments),
    /// Fetch an artifact, or all files of a collection, and verify their SHA-256
    Get(GetArguments),
    /// List artifacts, or the files of a collection like a folder
    Ls(ListArguments),
    /// Show what is recorded about an artifact or a collection
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
    /// Set how much the experiment or a worker may store, and show how much of it is used
    #[command(subcommand, disable_help_subcommand = true)]
    Quota(QuotaCommand),
    /// Create workers, list them, give them new credentials
    #[command(subcommand, disable_help_subcommand = true)]
    Worker(WorkerCommand),
    /// Create and change groups; members of the group named admins may read every artifact
    #[command(subcommand, disable_help_subcommand = true)]
    Group(GroupCommand),
    /// Create named administrators, list them, give them new credentials
    #[command(subcommand, disable_help_subcommand = true)]
    Administrator(AdministratorCommand),
    /// Print the id of the worker or named administrator that the credential belongs to
    Whoami(Json),
    /// Deposit folders as collections: files under names that are given once
    #[command(subcommand, disable_help_subcommand = true)]
    Collection(CollectionCommand),
}

/// What `put` sends.
#[derive(Debug, Args)]
pub(crate) struct PutArguments {
    /// Files to deposit, each as an artifact of its own, or - for standard input. Folders, and files with --collection, are
    /// deposited as a collection: their files get their paths below the folder as names. Symbolic links are left out.
    /// Files that the collection has already with the same bytes are left out too, so the command can be repeated until
    /// all are there
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,

    /// Deposit into this collection: its id or its title. If no own open collection has the title, a new one is made
    /// [default: the name of the folder, if there is only one]
    #[arg(long, value_name = "COLLECTION", value_parser = text)]
    pub(crate) collection: Option<String>,

    /// Seal the collection at the end, if it took all files
    #[arg(long)]
    pub(crate) seal: bool,

    /// Content type to record [default: by the ending of the file name, else application/octet-stream]
    #[arg(long, value_name = "TYPE", value_parser = text)]
    pub(crate) content_type: Option<String>,

    /// File name to record [default: the name of FILE]. Not with --resume: an upload has the name that it was begun with
    #[arg(long, value_name = "NAME", value_parser = text, conflicts_with = "resume")]
    pub(crate) file_name: Option<String>,

    /// How long the server keeps the artifact, such as 7d, 12h or 45min [default: as `artifact retention` says]
    #[arg(long, value_name = "TIME")]
    pub(crate) expires_in: Option<Period>,

    /// Key of the deposit: the same command with the same key, repeated within a day, prints the same URI. Only for one FILE
    /// [default: a random key for each command]
    #[arg(long, value_name = "KEY", value_parser = text)]
    pub(crate) idempotency_key: Option<String>,

    /// Go on with the upload of a large FILE that was interrupted. Its id was printed when it began. FILE must be the same. Only
    /// for one FILE
    #[arg(long, value_name = "UPLOAD", value_parser = text, conflicts_with = "idempotency_key")]
    pub(crate) resume: Option<String>,

    /// Deposit FILE again even if the response to the first try was lost, also on a server that knows no keys. It may then
    /// hold FILE twice, once under a URI that no client knows
    #[arg(long)]
    pub(crate) allow_orphans: bool,

    /// Write the signed receipt of the artifact, with the proof that the log of the server has it, to this file. If the proof cannot be
    /// read, the receipt is written without it. It replaces a file with this name. Only for one FILE
    #[arg(long, value_name = "RECEIPT")]
    pub(crate) receipt: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) json: Json,
}

/// The arguments of `get`.
#[derive(Debug, Args)]
pub(crate) struct GetArguments {
    /// URI that the deposit returned, or the URL of a link, which needs no credential. Or the id or the title of a collection,
    /// also with a slash and the name of a file in it
    #[arg(value_name = "URI", value_parser = text)]
    pub(crate) uri: String,

    /// File to create, or - for standard output [default: -, unless a terminal]. For a collection, the folder to write into;
    /// it is created if it does not exist [default: URI]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Create a file in the current folder with the name that was recorded at the deposit
    #[arg(short = 'O', long, conflicts_with = "output")]
    pub(crate) remote_name: bool,

    /// Replace FILE, or files in the folder, if they already exist
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

/// Adds the settings and the end of the help to a client command, or to its subcommands.
pub(super) fn complete(command: clap::Command) -> clap::Command {
    if command.has_subcommands() {
        return command.mut_subcommands(complete_nested);
    }
    let help = help::of_client(command.get_name());
    ClientSettings::augment_args(command).after_long_help(help)
}

/// As [`complete`], for a command such as `collection get`, whose name alone is that of another.
fn complete_nested(command: clap::Command) -> clap::Command {
    if command.has_subcommands() {
        return command.mut_subcommands(complete_nested);
    }
    ClientSettings::augment_args(command).after_long_help(help::AFTER)
}

/// Runs a client command.
pub(super) async fn run(command: ClientCommand, loaded: &Loaded) -> Result<()> {
    let client = client_of(&command, loaded)?;
    match command {
        ClientCommand::Put(arguments) => put::run(&client, arguments).await,
        ClientCommand::Get(arguments) => get::run(&client, arguments).await,
        ClientCommand::Ls(arguments) => manage::list(&client, arguments).await,
        ClientCommand::Info(arguments) => manage::info(&client, arguments).await,
        ClientCommand::Usage(json) => manage::usage(&client, json).await,
        ClientCommand::Delete(arguments) => manage::delete(&client, arguments).await,
        ClientCommand::Hold(artifacts) => manage::hold(&client, artifacts).await,
        ClientCommand::Release(artifacts) => manage::release(&client, artifacts).await,
        ClientCommand::Retention(arguments) => manage::retention(&client, arguments).await,
        ClientCommand::Share(arguments) => share::share(&client, arguments).await,
        ClientCommand::Quota(command) => manage::quota(&client, command).await,
        ClientCommand::Worker(command) => identity::worker(&client, command).await,
        ClientCommand::Group(command) => identity::group(&client, command).await,
        ClientCommand::Administrator(command) => identity::administrator(&client, command).await,
        ClientCommand::Whoami(json) => identity::whoami(&client, json).await,
        ClientCommand::Collection(command) => collection::run(&client, command).await,
    }
}

/// Makes the client of a command. A link needs no credential, and says which server it is on.
fn client_of(command: &ClientCommand, loaded: &Loaded) -> Result<ClientContext> {
    let (settings, sources) = (loaded.settings()?, &loaded.sources);
    match command {
        ClientCommand::Get(arguments) if get::is_link(&arguments.uri) => {
            ClientContext::of_link(&arguments.uri, &settings, sources)
        }
        _ => ClientContext::new(&settings, sources),
    }
}

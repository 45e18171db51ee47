//! The arguments of the commands.

use clap::{Args, Subcommand};

use crate::cli::Json;
use crate::settings::{ByteSize, Period, text, whole_number};

/// The arguments of `ls`.
#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// List this collection like a folder: its id or its title, perhaps with a slash and a folder in it. Prints the
    /// SHA-256, the bytes and the name of each file. Invisible characters in names are escaped, but not with --json
    #[arg(value_name = "COLLECTION[/PREFIX]", value_parser = text)]
    #[arg(conflicts_with_all = ["created_by", "older_than", "newer_than", "min_size", "max_size", "content_type", "name"])]
    pub(super) collection: Option<String>,
    /// List all files below, not only those of the folder
    #[arg(short, long, requires = "collection")]
    pub(super) recursive: bool,
    /// List only what this worker deposited; `admin` for the admin
    #[arg(long, value_name = "ID", value_parser = text)]
    pub(super) created_by: Option<String>,
    /// List only what was deposited longer ago than this, such as 30d, 12h or 45min
    #[arg(long, value_name = "TIME")]
    pub(super) older_than: Option<Period>,
    /// List only what was deposited more recently than this
    #[arg(long, value_name = "TIME")]
    pub(super) newer_than: Option<Period>,
    /// List only artifacts of at least this number of bytes, such as 1048576 or 1MiB
    #[arg(long, value_name = "BYTES")]
    pub(super) min_size: Option<ByteSize>,
    /// List only artifacts of at most this number of bytes
    #[arg(long, value_name = "BYTES")]
    pub(super) max_size: Option<ByteSize>,
    /// List only artifacts of this content type, such as text/plain or image/*
    #[arg(long = "type", value_name = "TYPE", value_parser = text)]
    pub(super) content_type: Option<String>,
    /// List only artifacts whose file name contains this text
    #[arg(long, value_name = "TEXT", value_parser = text)]
    pub(super) name: Option<String>,
    #[command(flatten)]
    pub(super) json: Json,
}

/// The arguments of `info`.
#[derive(Debug, Args)]
pub(crate) struct InfoArguments {
    /// URI that the deposit returned, or the id or the title of a collection, also with a slash and the name of a file in it
    #[arg(value_name = "URI", value_parser = text)]
    pub(super) uri: String,
    #[command(flatten)]
    pub(super) json: Json,
}

/// The artifacts of `hold` and `release`.
#[derive(Debug, Args)]
pub(crate) struct Artifacts {
    /// URIs that the deposits returned
    #[arg(value_name = "URI", value_parser = text, required = true)]
    pub(super) uris: Vec<String>,
}

/// The arguments of `delete`.
#[derive(Debug, Args)]
pub(crate) struct DeleteArguments {
    #[command(flatten)]
    pub(super) artifacts: Artifacts,
    /// Only say what would be deleted: the server checks that the artifact exists, that the credential
    /// may delete it and that no hold is on it
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// The arguments of `retention`.
#[derive(Debug, Args)]
pub(crate) struct RetentionArguments {
    /// Keep artifacts for this time after their deposit, such as 30d. Counts for artifacts that are there already,
    /// too, but not for those with a time of their own
    #[arg(long, value_name = "TIME", conflicts_with = "forever")]
    pub(super) set: Option<Period>,
    /// Keep artifacts for ever
    #[arg(long)]
    pub(super) forever: bool,
    #[command(flatten)]
    pub(super) json: Json,
}

/// `artifact quota`.
#[derive(Debug, Subcommand)]
pub(crate) enum QuotaCommand {
    /// Set the limits of the experiment or of a worker, in place of all that were set before. Nothing is deleted if they are lower
    /// than what is stored
    Set {
        #[command(flatten)]
        of: QuotaScope,
        #[command(flatten)]
        limits: Limits,
    },
    /// Show the limits of the experiment or of a worker, and how much of them is used
    Show {
        #[command(flatten)]
        of: QuotaScope,
        #[command(flatten)]
        json: Json,
    },
    /// List all quotas of the experiment
    List {
        #[command(flatten)]
        json: Json,
    },
    /// Delete the quota of the experiment or of a worker, so that nothing limits it
    #[command(alias = "remove")]
    Delete {
        #[command(flatten)]
        of: QuotaScope,
    },
}

/// Whose quota it is.
#[derive(Debug, Args)]
pub(crate) struct QuotaScope {
    /// Id of the worker [default: the whole experiment]
    #[arg(long, value_name = "WORKER", value_parser = text)]
    pub(super) worker: Option<String>,
}

/// The limits of a quota.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct Limits {
    /// The greatest number of bytes of all artifacts together, such as 10GiB
    #[arg(long, value_name = "BYTES")]
    pub(super) bytes: Option<ByteSize>,
    /// The greatest number of artifacts
    #[arg(long, value_name = "NUMBER", value_parser = whole_number)]
    pub(super) artifacts: Option<u64>,
    /// The greatest number of deposits at the same time, on all servers together
    #[arg(long, value_name = "NUMBER", value_parser = whole_number)]
    pub(super) in_flight: Option<u64>,
}

//! The arguments of `artifact worker`, `artifact group` and `artifact administrator`.
//!
//! Every subject has the same verbs: `create`, `list`, `show`, `delete`, and `reissue` and `revoke` for credentials. Verbs of earlier
//! versions are hidden aliases.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::Json;
use crate::settings::{Period, text};

#[derive(Debug, Subcommand)]
pub(crate) enum WorkerCommand {
    /// Create a worker and print its credential, which is shown only now
    #[command(alias = "add")]
    Create {
        /// Name for people; several workers may have the same name
        #[arg(long, value_name = "NAME", value_parser = text)]
        name: Option<String>,
        /// Further information about the worker; may repeat
        #[arg(long = "label", value_name = "KEY=VALUE", value_parser = text)]
        labels: Vec<String>,
        /// How long the credential is valid, such as 90d or 12h [default: for ever]
        #[arg(long, value_name = "TIME")]
        expires_in: Option<Period>,
        #[command(flatten)]
        output: CredentialOutput,
    },
    /// List the workers, one per line: id, tab, name
    List {
        /// List only workers with exactly this name
        #[arg(long, value_name = "NAME", value_parser = text)]
        name: Option<String>,
        #[command(flatten)]
        json: Json,
    },
    /// Show a worker
    Show {
        /// Id of the worker
        #[arg(value_name = "WORKER", value_parser = text)]
        worker: String,
        #[command(flatten)]
        json: Json,
    },
    /// Give a worker a new credential and print it; the old one becomes invalid at once
    Reissue {
        /// Id of the worker
        #[arg(value_name = "WORKER", value_parser = text)]
        worker: String,
        /// How long the new credential is valid, such as 90d or 12h [default: for ever]
        #[arg(long, value_name = "TIME")]
        expires_in: Option<Period>,
        #[command(flatten)]
        output: CredentialOutput,
    },
    /// Make the credential of a worker invalid at once; `artifact worker reissue` gives it a new one
    Revoke {
        /// Id of the worker
        #[arg(value_name = "WORKER", value_parser = text)]
        worker: String,
    },
    /// Delete a worker; its credential becomes invalid at once, its artifacts stay
    Delete {
        /// Id of the worker
        #[arg(value_name = "WORKER", value_parser = text)]
        worker: String,
    },
}

/// Where a new credential goes.
#[derive(Debug, Args)]
pub(crate) struct CredentialOutput {
    /// File to create with mode 0600 for the credential, in the format of --credential-file. Standard output
    /// then gets only the id
    #[arg(long, value_name = "FILE")]
    pub(super) token_file: Option<PathBuf>,
    #[command(flatten)]
    pub(super) json: Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum GroupCommand {
    /// Create a group and print its id
    #[command(alias = "add")]
    Create {
        /// Name for people; several groups may have the same name
        #[arg(long, value_name = "NAME", value_parser = text)]
        name: Option<String>,
        /// First member, a worker or a group; may repeat
        #[arg(long = "member", value_name = "ID", value_parser = text)]
        members: Vec<String>,
        #[command(flatten)]
        json: Json,
    },
    /// List the groups, one per line: id, tab, name
    List {
        /// List only groups with exactly this name
        #[arg(long, value_name = "NAME", value_parser = text)]
        name: Option<String>,
        #[command(flatten)]
        json: Json,
    },
    /// Show a group and its members
    Show {
        /// Id of the group
        #[arg(value_name = "GROUP", value_parser = text)]
        group: String,
        #[command(flatten)]
        json: Json,
    },
    /// Delete a group, but not its members
    Delete {
        /// Id of the group
        #[arg(value_name = "GROUP", value_parser = text)]
        group: String,
    },
    /// Add a worker or a group to a group
    AddMember(Membership),
    /// Remove a worker or a group from a group
    RemoveMember(Membership),
}

/// A group and one of its members.
#[derive(Debug, Args)]
pub(crate) struct Membership {
    /// Id of the group
    #[arg(value_name = "GROUP", value_parser = text)]
    pub(super) group: String,
    /// Id of a worker or of a group
    #[arg(value_name = "MEMBER", value_parser = text)]
    pub(super) member: String,
    #[command(flatten)]
    pub(super) json: Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AdministratorCommand {
    /// Create an administrator and print its credential, which is shown only now
    #[command(alias = "register")]
    Create {
        /// Name for people; several administrators may have the same name
        #[arg(value_name = "NAME", value_parser = text)]
        name: String,
        /// How long the credential is valid, such as 90d or 12h [default: for ever]
        #[arg(long, value_name = "TIME")]
        expires_in: Option<Period>,
        #[command(flatten)]
        output: CredentialOutput,
    },
    /// List the administrators, one per line: id, tab, name
    List {
        #[command(flatten)]
        json: Json,
    },
    /// Show an administrator, and when its credential expires
    #[command(alias = "info")]
    Show {
        /// Id of the administrator
        #[arg(value_name = "ADMINISTRATOR", value_parser = text)]
        administrator: String,
        #[command(flatten)]
        json: Json,
    },
    /// Give an administrator a new credential and print it; the old one becomes invalid at once
    #[command(alias = "token")]
    Reissue {
        /// Id of the administrator
        #[arg(value_name = "ADMINISTRATOR", value_parser = text)]
        administrator: String,
        /// How long the new credential is valid, such as 90d or 12h [default: for ever]
        #[arg(long, value_name = "TIME")]
        expires_in: Option<Period>,
        #[command(flatten)]
        output: CredentialOutput,
    },
    /// Make the credential of an administrator invalid at once; `artifact administrator reissue` gives it a new one
    Revoke {
        /// Id of the administrator
        #[arg(value_name = "ADMINISTRATOR", value_parser = text)]
        administrator: String,
    },
    /// Delete an administrator; its credential becomes invalid at once, its artifacts stay
    Delete {
        /// Id of the administrator
        #[arg(value_name = "ADMINISTRATOR", value_parser = text)]
        administrator: String,
    },
}

//! The arguments of `artifact share`.

use std::num::NonZeroU32;

use clap::{ArgGroup, Args};

use crate::cli::Json;
use crate::settings::{Period, downloads, text};

/// What `share` does.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).args(["worker", "group", "link", "list", "revoke"]))]
pub(crate) struct ShareArguments {
    /// URI that the deposit returned, the id at its end, or the id or the title of a collection, also with a slash and the name
    /// of a file in it
    #[arg(value_name = "URI_OR_ID", value_parser = text)]
    pub(super) subject: String,

    /// Let this worker read the artifact, or the collection with its files, also those that it gets later. Print the id of the
    /// grant. A grant that the worker has already is replaced
    #[arg(long, value_name = "ID", value_parser = text)]
    pub(super) worker: Option<String>,

    /// Let the members of this group read it, also the members of groups in the group
    #[arg(long, value_name = "ID", value_parser = text)]
    pub(super) group: Option<String>,

    /// Make a link and print its URL, with which everyone can fetch the artifact without a credential. It is printed only
    /// once. A collection has no links
    #[arg(long)]
    pub(super) link: bool,

    /// List the grants and links
    #[arg(long)]
    pub(super) list: bool,

    /// Revoke the grant or link with this id, which --list prints
    #[arg(long, value_name = "ID", value_parser = text)]
    pub(super) revoke: Option<String>,

    /// How long the grant or link lasts, such as 7d, 12h or 45min [default: a grant until it is revoked, a link 1d]
    #[arg(long, value_name = "TIME", conflicts_with_all = ["list", "revoke"])]
    pub(super) expires_in: Option<Period>,

    /// After how many downloads the link ends [default: not limited]
    #[arg(long, value_name = "N", value_parser = downloads)]
    #[arg(conflicts_with_all = ["worker", "group", "list", "revoke"])]
    pub(super) max_downloads: Option<NonZeroU32>,

    #[command(flatten)]
    pub(super) json: Json,
}

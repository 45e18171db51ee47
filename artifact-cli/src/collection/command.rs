//! The arguments of `collection`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::Json;
use crate::settings::text;

#[derive(Debug, Subcommand)]
pub(crate) enum CollectionCommand {
    /// Create an empty collection and print its id
    Create {
        /// Label for people
        #[arg(long, value_name = "TITLE", value_parser = text)]
        title: Option<String>,
        #[command(flatten)]
        json: Json,
    },
    /// List the collections, one per line: id, state, files, bytes, title
    List {
        #[command(flatten)]
        json: Json,
    },
    /// Show what is recorded about a collection
    Show {
        /// Id or title of the collection
        #[arg(value_name = "COLLECTION", value_parser = text)]
        collection: String,
        #[command(flatten)]
        json: Json,
    },
    /// Deposit files and folders, and print the id of the collection
    Put(PutArguments),
    /// Fetch all files of a collection into a folder, and verify them
    Get(GetArguments),
    /// List the files of a collection, one per line: SHA-256, bytes, name
    Ls {
        /// Id or title of the collection
        #[arg(value_name = "COLLECTION", value_parser = text)]
        collection: String,
        /// List only files whose names begin with this text
        #[arg(long, value_name = "TEXT", value_parser = text)]
        prefix: Option<String>,
        #[command(flatten)]
        json: Json,
    },
    /// Make a collection final and print the digest of its manifest: what `sha256sum` prints for the output of
    /// `sha256sum` over the files in the order of their names
    Seal {
        /// Id or title of the collection
        #[arg(value_name = "COLLECTION", value_parser = text)]
        collection: String,
        #[command(flatten)]
        json: Json,
    },
    /// Delete a collection with its files. Allowed for its owner and the admin
    Delete {
        /// Id or title of the collection
        #[arg(value_name = "COLLECTION", value_parser = text)]
        collection: String,
    },
}

/// What `collection put` sends.
#[derive(Debug, Args)]
pub(crate) struct PutArguments {
    /// Files, and folders whose files get their paths below the folder as names. Symbolic links are left out
    #[arg(value_name = "PATH", required = true)]
    pub(super) paths: Vec<PathBuf>,

    /// Collection to add to: its id or its title. If no own open collection has the title, a new one is made [default: a new
    /// one]
    #[arg(long, value_name = "COLLECTION", value_parser = text)]
    pub(super) collection: Option<String>,

    /// Label of a new collection
    #[arg(long, value_name = "TITLE", value_parser = text, conflicts_with = "collection")]
    pub(super) title: Option<String>,

    /// Seal the collection at the end
    #[arg(long)]
    pub(super) seal: bool,

    #[command(flatten)]
    pub(super) json: Json,
}

/// What `collection get` fetches.
#[derive(Debug, Args)]
pub(crate) struct GetArguments {
    /// Id or title of the collection
    #[arg(value_name = "COLLECTION", value_parser = text)]
    pub(super) collection: String,

    /// Folder to write into; it is created if it does not exist. Files that are in it already with the same bytes are left
    /// out, and others are not overwritten [default: COLLECTION]
    #[arg(short, long, value_name = "FOLDER")]
    pub(super) output: Option<PathBuf>,

    /// Replace files that are there with other bytes
    #[arg(long)]
    pub(super) force: bool,
}

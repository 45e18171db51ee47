//! The arguments of `artifact receipt`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::Json;
use crate::settings::text;

/// The commands on receipts.
#[derive(Debug, Subcommand)]
pub(crate) enum ReceiptCommand {
    /// Fetch the signed receipt of an artifact, with the proof that the log of the server has it
    Get(GetReceiptArguments),
    /// Verify a receipt and its proof, and perhaps that a file is the artifact. Needs no server
    #[command(after_long_help = "\
The keys come from the operator of the server, not from the receipt.
Exit codes: 0 the receipt is good, 1 it is not, or the file is another one, 2 a file or a key cannot be read.")]
    Verify(VerifyReceiptArguments),
    /// Make a key that signs receipts, for `artifact serve --receipt-key`. Prints the public key
    Keygen(KeygenArguments),
    /// Print the public key of a key that signs receipts
    PublicKey(PublicKeyArguments),
}

/// What `receipt get` fetches.
#[derive(Debug, Args)]
pub(crate) struct GetReceiptArguments {
    /// URI that the deposit returned
    #[arg(value_name = "URI", value_parser = text)]
    pub(super) uri: String,

    /// File to write, or - for standard output. It replaces a file with this name
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub(super) output: PathBuf,
}

/// What `receipt verify` verifies.
#[derive(Debug, Args)]
pub(crate) struct VerifyReceiptArguments {
    /// Public key that is trusted, as `artifact receipt public-key` prints it, or a file with one key a line. The flag may repeat
    #[arg(long = "key", value_name = "KEY_OR_FILE", value_parser = text, required = true)]
    pub(super) keys: Vec<String>,

    /// File with the receipt, or - for standard input
    #[arg(value_name = "RECEIPT")]
    pub(super) receipt: PathBuf,

    /// File that must be the artifact: its size and SHA-256 are compared
    #[arg(value_name = "FILE")]
    pub(super) artifact: Option<PathBuf>,

    /// Accept a receipt without the proof that the log has it, such as the one of the response to a deposit. The signature alone counts then
    #[arg(long)]
    pub(super) without_proof: bool,

    #[command(flatten)]
    pub(super) json: Json,
}

/// Which key `receipt keygen` makes.
#[derive(Debug, Args)]
pub(crate) struct KeygenArguments {
    /// Name of the log, such as the host name and path of the server, example.com/artifacts. It stays the same for ever
    #[arg(value_name = "NAME", value_parser = text)]
    pub(super) name: String,

    /// File to create, with mode 0600
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: PathBuf,
}

/// Which key `receipt public-key` reads.
#[derive(Debug, Args)]
pub(crate) struct PublicKeyArguments {
    /// File that `artifact receipt keygen` has created
    #[arg(value_name = "FILE")]
    pub(super) key: PathBuf,
}

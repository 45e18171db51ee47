//! The settings of receipts.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::values::seconds;

// Not a doc comment, because clap would make it the description of the command.
#[derive(Debug, Args)]
pub(crate) struct ReceiptSettings {
    /// Key that signs receipts of deposits and the log of them, in a file that `artifact receipt keygen` creates, with the same owner and
    /// mode as --admin-token-file. All servers of one database need a key with the same name. No receipts if not set
    #[arg(long, env = "ARTIFACT_RECEIPT_KEY", value_name = "FILE")]
    pub(crate) receipt_key: Option<PathBuf>,

    /// Pause after which new artifacts are added to the log of receipts
    #[arg(
        long,
        env = "ARTIFACT_RECEIPT_INTERVAL",
        value_name = "SECONDS",
        default_value = "1"
    )]
    #[arg(value_parser = seconds)]
    pub(crate) receipt_interval: Duration,
}

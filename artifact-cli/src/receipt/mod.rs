//! `artifact receipt`: signed receipts, their proofs, and the keys that sign them.

mod command;
mod get;
mod keys;
mod verify;

use anyhow::Result;

pub(crate) use self::command::ReceiptCommand;
use self::command::ReceiptCommand::{Get, Keygen, PublicKey, Verify};
pub(crate) use self::get::save_of_deposit;
#[cfg(all(feature = "serve", unix, not(artifact_not_unix)))]
pub(crate) use self::keys::read as read_key;
use crate::connect::ClientContext;
use crate::settings::Loaded;

/// Runs a command.
pub(crate) async fn run(command: ReceiptCommand, loaded: &Loaded) -> Result<()> {
    match command {
        Get(arguments) => {
            let client = ClientContext::new(&loaded.settings()?, &loaded.sources)?;
            get::run(&client, arguments).await
        }
        Verify(arguments) => verify::run(arguments).await,
        Keygen(arguments) => keys::generate(&arguments),
        PublicKey(arguments) => keys::print_public(&arguments),
    }
}

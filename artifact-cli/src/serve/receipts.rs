//! The log of receipts of a server.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::time::Duration;

use anyhow::Result;
use artifact_backend::background;
use artifact_http::HttpConfig;
use artifact_receipt::SigningKey;
use artifact_store::{Database, Error, ReceiptLog};
use tokio::task::JoinSet;

use crate::failure::setup_from;
use crate::receipt;
use crate::settings::ReceiptSettings;

/// Reads the key, if the settings name one.
pub(super) fn read_key(settings: &ReceiptSettings) -> Result<Option<SigningKey>> {
    let path = settings.receipt_key.as_deref();
    path.map(receipt::read_key).transpose()
}

/// Opens the log, or begins it, if there is a key.
pub(super) async fn open(
    database: &Database,
    key: Option<SigningKey>,
) -> Result<Option<ReceiptLog>> {
    let Some(key) = key else {
        return Ok(None);
    };
    let log = ReceiptLog::open(database.receipts.clone(), key).await;
    let log = log.map_err(|error| setup_from(error, "--receipt-key cannot be used"))?;
    tracing::info!(key = %log.verifier(), "receipts are signed");
    Ok(Some(log))
}

/// Adds the log to the settings of the endpoints, if there is one.
pub(super) fn of_requests(config: HttpConfig, log: Option<&ReceiptLog>) -> HttpConfig {
    match log {
        Some(log) => config.with_receipts(log.clone()),
        None => config,
    }
}

/// Starts the task that appends to the log, if there is one.
pub(super) fn spawn(tasks: &mut JoinSet<()>, log: Option<ReceiptLog>, settings: &ReceiptSettings) {
    let interval = settings.receipt_interval;
    if let Some(log) = log {
        tasks.spawn(async move { match run(interval, log).await {} });
    }
}

/// Appends the new artifacts to the log, once per interval, until the future is dropped. Servers on the same database do it together.
async fn run(interval: Duration, log: ReceiptLog) -> Infallible {
    let mut has_failed = false;
    loop {
        match background(append_all(&log)).await {
            Ok(()) if has_failed => {
                tracing::info!("new artifacts are added to the log of receipts again");
                has_failed = false;
            }
            Err(error) if !has_failed => {
                tracing::warn!(
                    error = &error as &dyn StdError,
                    "cannot add new artifacts to the log of receipts; the server tries again after --receipt-interval"
                );
                has_failed = true;
            }
            Ok(()) | Err(_) => {}
        }
        tokio::time::sleep(interval).await;
    }
}

async fn append_all(log: &ReceiptLog) -> Result<(), Error> {
    while log.append_queued().await? > 0 {}
    Ok(())
}

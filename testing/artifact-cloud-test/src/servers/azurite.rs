//! Azurite, Microsoft's emulator. It supports exclusive creates, even if several clients race.

use std::process::Command;

use tempfile::TempDir;

use super::{check_store, loopback, no_retries, start};
use crate::endpoint::AzureEndpoint;
use crate::error::Result;
use crate::process::{Process, error_chain, folder};
use crate::{port, tool};

/// Azurite's blob service. Dropping it stops it.
#[derive(Debug)]
pub struct Azurite {
    endpoint: AzureEndpoint,
    // Dropped before the folder, which cannot be removed while the server runs.
    _process: Process,
    _folder: TempDir,
}

impl Azurite {
    /// Starts Azurite and waits until it can store and return a blob. This takes a few seconds.
    ///
    /// # Errors
    ///
    /// [`Missing`](crate::Error::Missing) if Azurite is not installed;
    /// [`NotReady`](crate::Error::NotReady) if it does not become ready.
    pub async fn start() -> Result<Self> {
        start(Self::once).await
    }

    async fn once() -> Result<Self> {
        let folder = folder()?;
        let [port] = port::free();
        let mut command = Command::new(tool::find("azurite-blob", "azurite")?);
        command
            .args(["--blobHost", "127.0.0.1"])
            .args(["--blobPort", &port.to_string()])
            // Accepts clients that are newer than the emulator.
            .args(["--skipApiVersionCheck", "--disableTelemetry", "--silent"])
            // With the default of 5 s, Azurite closes connections that a client is about to use.
            .args(["--blobKeepAliveTimeout", "60"])
            .arg("--location")
            .arg(folder.path());
        let mut process = Process::start("azurite".into(), command, folder.path())?;
        let endpoint = AzureEndpoint::new(loopback(port));
        process.ready(|| check_azure(endpoint.clone())).await?;
        Ok(Self {
            endpoint,
            _process: process,
            _folder: folder,
        })
    }

    /// Returns the server's endpoint.
    pub fn endpoint(&self) -> &AzureEndpoint {
        &self.endpoint
    }
}

async fn check_azure(endpoint: AzureEndpoint) -> Result<(), String> {
    const READY: &str = "ready";
    let made = endpoint.create_container(READY).await;
    made.map_err(|error| error_chain(&error))?;
    let store = endpoint.builder(READY).with_retry(no_retries()).build();
    check_store(&store.map_err(|error| error_chain(&error))?, READY).await
}

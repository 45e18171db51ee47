//! Azurite, Microsoft's emulator: creates are exclusive, raced too.

use std::process::Command;

use tempfile::TempDir;

use super::{loopback, no_retries, serves, start};
use crate::endpoint::AzureEndpoint;
use crate::error::Result;
use crate::process::{Process, chain, folder};
use crate::{port, tool};

/// Azurite's blob service. It ends when this is dropped.
#[derive(Debug)]
pub struct Azurite {
    endpoint: AzureEndpoint,
    // Before the folder, which cannot be removed under a running server.
    _process: Process,
    _folder: TempDir,
}

impl Azurite {
    /// Starts it and waits until it has stored and given back a blob; a few seconds.
    ///
    /// # Errors
    ///
    /// [`Missing`](crate::Error::Missing) where it is not installed, else when it does not come up.
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
            // A client newer than the emulator is no reason to refuse.
            .args(["--skipApiVersionCheck", "--disableTelemetry", "--silent"])
            // Its default of 5 s closes connections under a client that is about to use them.
            .args(["--blobKeepAliveTimeout", "60"])
            .arg("--location")
            .arg(folder.path());
        let mut process = Process::start("azurite".into(), command, folder.path())?;
        let endpoint = AzureEndpoint::new(loopback(port));
        process.ready(|| serves_azure(endpoint.clone())).await?;
        Ok(Self {
            endpoint,
            _process: process,
            _folder: folder,
        })
    }

    /// Where it is reached.
    pub fn endpoint(&self) -> &AzureEndpoint {
        &self.endpoint
    }
}

async fn serves_azure(endpoint: AzureEndpoint) -> Result<(), String> {
    const READY: &str = "ready";
    let made = endpoint.create_container(READY).await;
    made.map_err(|error| chain(&error))?;
    let store = endpoint.builder(READY).with_retry(no_retries()).build();
    serves(&store.map_err(|error| chain(&error))?, READY).await
}

//! `rclone serve s3`: takes no notice of `If-None-Match`, so that the second create overwrites.

use std::process::Command;

use tempfile::TempDir;

use super::{loopback, serves_s3, start};
use crate::endpoint::S3Endpoint;
use crate::error::{Error, Result};
use crate::process::{Process, folder};
use crate::{port, tool};

/// An S3 server that overwrites whatever a create should not. It ends when this is dropped.
#[derive(Debug)]
pub struct Rclone {
    endpoint: S3Endpoint,
    // Before the folder, which cannot be removed under a running server.
    _process: Process,
    _folder: TempDir,
}

impl Rclone {
    /// Starts it and waits until it has stored and given back an object.
    ///
    /// # Errors
    ///
    /// [`Missing`](Error::Missing) where it is not installed, else when it does not come up.
    pub async fn start() -> Result<Self> {
        start(Self::once).await
    }

    async fn once() -> Result<Self> {
        let folder = folder()?;
        let data = folder.path().join("data");
        std::fs::create_dir(&data).map_err(Error::io("make a server's folder"))?;
        let [port] = port::free();
        let keys = format!("{},{}", S3Endpoint::ACCESS_KEY, S3Endpoint::SECRET_KEY);
        let mut command = Command::new(tool::find("rclone", "rclone")?);
        command
            .args(["serve", "s3"])
            .args(["--addr", &format!("127.0.0.1:{port}")])
            .args(["--auth-key", &keys])
            .args(["--config", "/dev/null"])
            .arg(&data);
        let mut process = Process::start("rclone".into(), command, folder.path())?;
        let endpoint = S3Endpoint::new(loopback(port));
        process.ready(|| serves_s3(endpoint.clone())).await?;
        Ok(Self {
            endpoint,
            _process: process,
            _folder: folder,
        })
    }

    /// Where it is reached.
    pub fn endpoint(&self) -> &S3Endpoint {
        &self.endpoint
    }
}

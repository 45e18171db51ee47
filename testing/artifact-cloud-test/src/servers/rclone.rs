//! `rclone serve s3`. It ignores `If-None-Match`, so a second create overwrites.

use std::process::Command;

use tempfile::TempDir;

use super::{check_s3, loopback, start};
use crate::endpoint::S3Endpoint;
use crate::error::{Error, Result};
use crate::process::{Process, folder};
use crate::{port, tool};

/// An S3 server whose creates overwrite. Dropping it stops it.
#[derive(Debug)]
pub struct Rclone {
    endpoint: S3Endpoint,
    // Dropped before the folder, which cannot be removed while the server runs.
    _process: Process,
    _folder: TempDir,
}

impl Rclone {
    /// Starts it and waits until it has stored and returned an object.
    ///
    /// # Errors
    ///
    /// [`Missing`](Error::Missing) if it is not installed;
    /// [`NotReady`](Error::NotReady) if it does not become ready.
    pub async fn start() -> Result<Self> {
        start(Self::once).await
    }

    async fn once() -> Result<Self> {
        let folder = folder()?;
        let data = folder.path().join("data");
        std::fs::create_dir(&data).map_err(Error::io("cannot create a server's folder"))?;
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
        process.ready(|| check_s3(endpoint.clone())).await?;
        Ok(Self {
            endpoint,
            _process: process,
            _folder: folder,
        })
    }

    /// Returns its endpoint.
    pub fn endpoint(&self) -> &S3Endpoint {
        &self.endpoint
    }
}

//! s3s-fs. Its creates are exclusive in sequence, but not concurrently.

use std::process::Command;

use tempfile::TempDir;

use super::{check_s3, loopback, start};
use crate::endpoint::S3Endpoint;
use crate::error::{Error, Result};
use crate::process::{Process, folder};
use crate::{port, tool};

/// An S3 server that checks whether a key exists and then writes, so that several concurrent creates of
/// one key succeed. Dropping it stops it.
#[derive(Debug)]
pub struct S3sFs {
    endpoint: S3Endpoint,
    // Dropped before the folder, which cannot be removed while the server runs.
    _process: Process,
    _folder: TempDir,
}

impl S3sFs {
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
        let mut command = Command::new(tool::find("s3s-fs", "s3s-fs")?);
        command
            .args(["--host", "127.0.0.1"])
            .args(["--port", &port.to_string()])
            .args(["--access-key", S3Endpoint::ACCESS_KEY])
            .args(["--secret-key", S3Endpoint::SECRET_KEY])
            .arg(&data);
        let mut process = Process::start("s3s-fs".into(), command, folder.path())?;
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

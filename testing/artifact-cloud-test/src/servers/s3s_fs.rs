//! s3s-fs: right when a key is created twice in turn, wrong when several create it at once.

use std::process::Command;

use tempfile::TempDir;

use super::{loopback, serves_s3, start};
use crate::endpoint::S3Endpoint;
use crate::error::{Error, Result};
use crate::process::{Process, folder};
use crate::{port, tool};

/// An S3 server that looks up whether a key is taken and only then writes: of several who create one
/// key at once, several win. It ends when this is dropped.
#[derive(Debug)]
pub struct S3sFs {
    endpoint: S3Endpoint,
    // Before the folder, which cannot be removed under a running server.
    _process: Process,
    _folder: TempDir,
}

impl S3sFs {
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
        let mut command = Command::new(tool::find("s3s-fs", "s3s-fs")?);
        command
            .args(["--host", "127.0.0.1"])
            .args(["--port", &port.to_string()])
            .args(["--access-key", S3Endpoint::ACCESS_KEY])
            .args(["--secret-key", S3Endpoint::SECRET_KEY])
            .arg(&data);
        let mut process = Process::start("s3s-fs".into(), command, folder.path())?;
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

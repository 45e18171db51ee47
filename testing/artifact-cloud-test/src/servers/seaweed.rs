//! SeaweedFS with one node. Single creates are exclusive, also concurrent ones; concurrent completions of
//! uploads are not. It checks credentials.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::{check_s3, loopback, start};
use crate::endpoint::S3Endpoint;
use crate::error::Result;
use crate::process::{Process, folder, write_config};
use crate::{port, tool};

/// One node of SeaweedFS with the S3 interface. Dropping it stops it.
#[derive(Debug)]
pub struct SeaweedFs {
    endpoint: S3Endpoint,
    // Dropped before the folder, which cannot be removed while the server runs.
    _process: Process,
    _folder: TempDir,
}

impl SeaweedFs {
    /// Starts it and waits until it has stored and returned an object; takes a few seconds.
    ///
    /// # Errors
    ///
    /// [`Missing`](crate::Error::Missing) if it is not installed;
    /// [`NotReady`](crate::Error::NotReady) if it does not become ready.
    pub async fn start() -> Result<Self> {
        start(Self::once).await
    }

    async fn once() -> Result<Self> {
        let folder = folder()?;
        let s3_config = write_s3_config(folder.path())?;
        let [master, volume, filer, s3] = port::free();
        let [master_grpc, volume_grpc, filer_grpc, s3_grpc] = port::free();
        let mut command = weed("server")?;
        command
            .arg(format!("-dir={}", folder.path().display()))
            .args(ON_LOOPBACK)
            .args(["-master.telemetry=false", "-master.volumeSizeLimitMB=128"])
            .args(["-volume.max=50", "-volume.preStopSeconds=1"])
            .arg(format!("-master.port={master}"))
            .arg(format!("-master.port.grpc={master_grpc}"))
            .arg(format!("-volume.port={volume}"))
            .arg(format!("-volume.port.grpc={volume_grpc}"))
            .arg("-filer")
            .arg(format!("-filer.port={filer}"))
            .arg(format!("-filer.port.grpc={filer_grpc}"))
            .args(["-s3", "-s3.port.iceberg=0", "-s3.port.lance=0"])
            .arg("-s3.autoCreateBucket=false")
            .arg(format!("-s3.port={s3}"))
            .arg(format!("-s3.port.grpc={s3_grpc}"))
            .arg(s3_config);
        let mut process = Process::start("seaweedfs".into(), command, folder.path())?;
        let endpoint = S3Endpoint::new(loopback(s3));
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

/// Without these arguments it announces and listens on the address of a network interface.
pub(super) const ON_LOOPBACK: [&str; 2] = ["-ip=127.0.0.1", "-ip.bind=127.0.0.1"];

pub(super) fn weed(subcommand: &str) -> Result<Command> {
    let mut command = Command::new(tool::find("weed", "seaweedfs")?);
    command.arg("-logtostderr").arg(subcommand);
    Ok(command)
}

/// Writes the credentials of the S3 interface, and returns the argument that names the file.
pub(super) fn write_s3_config(folder: &Path) -> Result<String> {
    let path = folder.join("s3.json");
    let text = format!(
        r#"{{"identities":[{{"name":"test","credentials":[{{"accessKey":"{}","secretKey":"{}"}}],
            "actions":["Admin","Read","Write","List","Tagging"]}}]}}"#,
        S3Endpoint::ACCESS_KEY,
        S3Endpoint::SECRET_KEY
    );
    write_config(&path, &text)?;
    Ok(format!("-s3.config={}", path.display()))
}

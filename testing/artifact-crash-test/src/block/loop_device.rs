//! Manages a loop device with `losetup` of util-linux, because its ioctls have no safe wrapper.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::error::{Error, ErrorKind, Result};
use crate::guard::CleanupShell;

/// Runs a system program. Also searches the folders of administrator programs, which may not be on the
/// PATH.
pub(crate) fn run_tool(program: &str, arguments: &[&str]) -> Result<Output> {
    for folder in ["", "/usr/sbin/", "/sbin/"] {
        let run = Command::new(format!("{folder}{program}"))
            .args(arguments)
            .stdin(Stdio::null())
            .output();
        match run {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            run => return run.map_err(Error::io(format!("run {program}"))),
        }
    }
    Err(Error::new(
        ErrorKind::Unavailable,
        format!("the program {program}"),
    ))
}

/// Runs a system program that must succeed. Returns its standard output.
pub(crate) fn run_tool_checked(program: &str, arguments: &[&str]) -> Result<String> {
    let output = run_tool(program, arguments)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    let last = errors
        .lines()
        .rfind(|line| !line.trim().is_empty())
        .unwrap_or_default();
    Err(Error::new(
        ErrorKind::Unavailable,
        format!("{program}: {}: {last}", output.status),
    ))
}

/// A loop device. Dropping it detaches the device.
#[derive(Debug)]
pub(crate) struct LoopDevice {
    path: PathBuf,
    _cleanup: CleanupShell,
}

impl LoopDevice {
    pub(crate) fn attach(file: &Path) -> Result<Self> {
        let file = file.to_str().ok_or_else(|| {
            Error::new(
                ErrorKind::Unavailable,
                "a folder for temporary files with a UTF-8 path (set TMPDIR)",
            )
        })?;
        let printed = run_tool_checked("losetup", &["--find", "--show", "--direct-io=on", file])?;
        let path = PathBuf::from(printed.trim());
        let cleanup = CleanupShell::watch(&path);
        Ok(Self {
            path,
            _cleanup: cleanup,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Drops the kernel's cache of the device after its content was replaced.
    pub(crate) fn drop_kernel_cache(&self) -> Result<()> {
        run_tool_checked("blockdev", &["--flushbufs", &self.path.to_string_lossy()]).map(drop)
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        // If the device is still in use, the kernel detaches it after its last use.
        let _ = run_tool("losetup", &["--detach", &self.path.to_string_lossy()]);
    }
}

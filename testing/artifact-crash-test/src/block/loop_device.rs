//! A loop device, by the `losetup` of util-linux: the ioctls have no safe wrapper.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::error::{Error, ErrorKind, Result};
use crate::guard::Janitor;

/// Runs a program of the system's, which may lie in a folder for administrators only.
pub(crate) fn tool(program: &str, arguments: &[&str]) -> Result<Output> {
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

/// Runs one that must succeed; gives what it printed.
pub(crate) fn tool_ok(program: &str, arguments: &[&str]) -> Result<String> {
    let output = tool(program, arguments)?;
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

/// A loop device; detached when dropped.
#[derive(Debug)]
pub(crate) struct LoopDevice {
    path: PathBuf,
    _janitor: Janitor,
}

impl LoopDevice {
    pub(crate) fn attach(file: &Path) -> Result<Self> {
        let file = file.to_str().ok_or_else(|| {
            Error::new(
                ErrorKind::Unavailable,
                "a folder for temporary files with a UTF-8 path",
            )
        })?;
        let printed = tool_ok("losetup", &["--find", "--show", "--direct-io=on", file])?;
        let path = PathBuf::from(printed.trim());
        let janitor = Janitor::watch(&path);
        Ok(Self {
            path,
            _janitor: janitor,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Forgets what the kernel cached of the device, for content that changed underneath.
    pub(crate) fn forget(&self) -> Result<()> {
        tool_ok("blockdev", &["--flushbufs", &self.path.to_string_lossy()]).map(drop)
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        // One that is still in use is detached by the kernel once it no longer is.
        let _ = tool("losetup", &["--detach", &self.path.to_string_lossy()]);
    }
}

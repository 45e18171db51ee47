//! Guards that remove mounts, loop devices and folders on every exit path.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::fs::{Access, access};
use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount};
use tempfile::TempDir;

use crate::clock;
use crate::error::{Error, ErrorKind, Result};

/// Checks that this machine can run the simulators.
///
/// # Errors
///
/// [`ErrorKind::Unavailable`], with a message that names the missing requirement.
pub fn available() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Err(Error::new(ErrorKind::Unavailable, "mounting needs root"));
    }
    access("/dev/fuse", Access::READ_OK | Access::WRITE_OK)
        .map_err(|_| Error::new(ErrorKind::Unavailable, "/dev/fuse (load the module fuse)"))
}

/// A shell process that removes one mount or loop device if this process dies first, because a SIGKILL
/// runs no destructor. The shell waits on a pipe whose other end only this process holds.
#[derive(Debug)]
pub(crate) struct CleanupShell(Option<Child>);

impl CleanupShell {
    /// Starts the shell. If that fails, only destructors clean up.
    pub(crate) fn watch(target: &Path) -> Self {
        const SCRIPT: &str = "trap '' HUP INT TERM
            read -r done || case $1 in
                /dev/*) losetup --detach \"$1\" ;;
                *) umount --lazy \"$1\"; rmdir \"$1\" ;;
            esac";
        let child = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "artifact-crash-cleanup"])
            .arg(target)
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        Self(child.ok())
    }
}

impl Drop for CleanupShell {
    fn drop(&mut self) {
        let Some(mut child) = self.0.take() else {
            return;
        };
        if let Some(mut stdin) = child.stdin.take() {
            let _ = stdin.write_all(b"done\n");
        }
        let _ = child.wait();
    }
}

/// A private folder to mount on. Dropping it unmounts what is still mounted and removes the folder.
#[derive(Debug)]
pub(crate) struct MountPoint {
    folder: Option<TempDir>,
    path: PathBuf,
    _cleanup: CleanupShell,
}

impl MountPoint {
    pub(crate) fn new() -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("artifact-crash-")
            .tempdir()
            .map_err(Error::io(
                "create a mount point in the folder for temporary files",
            ))?;
        let path = folder.path().to_owned();
        let cleanup = CleanupShell::watch(&path);
        Ok(Self {
            folder: Some(folder),
            path,
            _cleanup: cleanup,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for MountPoint {
    fn drop(&mut self) {
        detach(&self.path);
        // Removes only an empty folder, never a tree: a mount that is still there stays untouched.
        if let Some(folder) = self.folder.take() {
            let _ = rustix::fs::rmdir(folder.keep());
        }
    }
}

/// Unmounts everything on `path`, in use or not. EINVAL means that no mount is left.
pub(crate) fn detach(path: &Path) {
    while unmount(path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW).is_ok() {}
}

/// A file system mounted from a block device. Dropping it unmounts the file system.
#[derive(Debug)]
pub(crate) struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    /// Takes ownership of the mount on `path`.
    pub(crate) fn on(path: &'a Path) -> Self {
        Self(path)
    }

    /// Unmounts the file system and thereby frees the device.
    pub(crate) fn unmount(self) -> Result<()> {
        // A child that another thread is starting holds copies of these descriptors until its exec,
        // so the mount may be busy for a moment.
        let began = clock::now();
        loop {
            match unmount(self.0, UnmountFlags::NOFOLLOW) {
                Err(Errno::BUSY) if began.elapsed() < Duration::from_secs(10) => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                // On failure, dropping `self` detaches the mount.
                unmounted => return unmounted.map_err(Error::io("unmount the file system")),
            }
        }
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        detach(self.0);
    }
}

//! What must not stay behind: mounts, loop devices and folders, taken back on every way out.

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

/// Whether the simulators can run here.
///
/// # Errors
///
/// [`ErrorKind::Unavailable`], which says what is missing.
pub fn available() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Err(Error::new(ErrorKind::Unavailable, "mounting needs root"));
    }
    access("/dev/fuse", Access::READ_OK | Access::WRITE_OK)
        .map_err(|_| Error::new(ErrorKind::Unavailable, "/dev/fuse (load the module fuse)"))
}

/// A shell that takes one mount or loop device back should this process end before it could: a SIGKILL
/// runs no destructor. It waits at a pipe, whose other end nobody but us has.
#[derive(Debug)]
pub(crate) struct Janitor(Option<Child>);

impl Janitor {
    /// Without a shell there is no janitor, and destructors alone must do.
    pub(crate) fn watch(target: &Path) -> Self {
        const SCRIPT: &str = "trap '' HUP INT TERM
            read -r done || case $1 in
                /dev/*) losetup --detach \"$1\" ;;
                *) umount --lazy \"$1\"; rmdir \"$1\" ;;
            esac";
        let child = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "artifact-crash-janitor"])
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

impl Drop for Janitor {
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

/// A folder of ours alone to mount on. Unmounts what is still there, then removes it.
#[derive(Debug)]
pub(crate) struct MountPoint {
    folder: Option<TempDir>,
    path: PathBuf,
    _janitor: Janitor,
}

impl MountPoint {
    pub(crate) fn new() -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("artifact-crash-")
            .tempdir()
            .map_err(Error::io("make a folder to mount on"))?;
        let path = folder.path().to_owned();
        let janitor = Janitor::watch(&path);
        Ok(Self {
            folder: Some(folder),
            path,
            _janitor: janitor,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for MountPoint {
    fn drop(&mut self) {
        detach(&self.path);
        // Only the empty folder goes, never a tree: if a mount is still there, it stays whole.
        if let Some(folder) = self.folder.take() {
            let _ = rustix::fs::rmdir(folder.keep());
        }
    }
}

/// Takes every mount off `path`, in use or not. EINVAL says that there is none left.
pub(crate) fn detach(path: &Path) {
    while unmount(path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW).is_ok() {}
}

/// A file system mounted from a block device; unmounted when dropped.
#[derive(Debug)]
pub(crate) struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    /// To be called once `path` is mounted.
    pub(crate) fn on(path: &'a Path) -> Self {
        Self(path)
    }

    /// Unmounts, so that the device is free.
    pub(crate) fn unmount(self) -> Result<()> {
        // A child that another thread is starting holds copies of our descriptors until its exec.
        let began = clock::now();
        loop {
            match unmount(self.0, UnmountFlags::NOFOLLOW) {
                Err(Errno::BUSY) if began.elapsed() < Duration::from_secs(10) => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                // On failure the drop that follows detaches it.
                done => return done.map_err(Error::io("unmount")),
            }
        }
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        detach(self.0);
    }
}

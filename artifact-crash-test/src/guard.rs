//! What must not stay behind: mounts and folders, taken back in every way out but a SIGKILL of our own.

use std::path::{Path, PathBuf};
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

/// A folder of ours alone to mount on. Unmounts what is still there, then removes it.
#[derive(Debug)]
pub(crate) struct MountPoint {
    folder: Option<TempDir>,
    path: PathBuf,
}

impl MountPoint {
    pub(crate) fn new() -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("artifact-crash-")
            .tempdir()
            .map_err(Error::io("make a folder to mount on"))?;
        let path = folder.path().to_owned();
        Ok(Self {
            folder: Some(folder),
            path,
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

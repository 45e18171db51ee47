//! Temporary files: unnamed, or in `staging/` if the file system does not support unnamed files.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use artifact_backend::{ArtifactId, Error, ErrorKind, Operation, Result};
use rustix::fs::{FallocateFlags, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::failed_syncs::DiskCall;
use crate::layout::staging_name;
use crate::linux::error::failed;
use crate::linux::root::Root;
use crate::linux::sys::{self, SysResult};

/// The number of names that are tried before the folder is considered hostile.
const ATTEMPTS: usize = 16;

/// Whether the file system supports `O_TMPFILE`, as far as it is known.
#[derive(Debug)]
pub(crate) struct TmpfileSupport(AtomicBool);

impl TmpfileSupport {
    pub(crate) fn new(enabled: bool) -> Self {
        Self(AtomicBool::new(enabled))
    }

    /// Records that unnamed files failed and named ones worked, unless `errno` is about the moment and
    /// not about the file system.
    fn record_failure(&self, errno: Errno) {
        let passing = [
            Errno::NOSPC,
            Errno::DQUOT,
            Errno::MFILE,
            Errno::NFILE,
            Errno::NOMEM,
            Errno::AGAIN,
            Errno::IO,
            Errno::NOENT,
        ];
        if !passing.contains(&errno) {
            self.0.store(false, Ordering::Relaxed);
        }
    }
}

/// Removes a name in `staging/`.
fn unlink(root: &Root, name: &str) -> SysResult<()> {
    root.track(DiskCall::ChangeName, || sys::unlink(root.staging(), name))
}

/// A temporary file. Dropping it removes its name, if it has one.
#[derive(Debug)]
pub(crate) struct Temporary {
    file: File,
    name: Option<StagingName>,
}

/// The name of a temporary file in `staging/`. Dropping it removes the name.
#[derive(Debug)]
struct StagingName {
    root: Arc<Root>,
    name: String,
}

impl Drop for StagingName {
    fn drop(&mut self) {
        // If this fails, the file is a leftover, which a sweep finds.
        let _ = unlink(&self.root, &self.name);
    }
}

impl Temporary {
    /// Creates an empty temporary file.
    pub(crate) fn new(
        root: &Arc<Root>,
        tmpfile: &TmpfileSupport,
        operation: Operation,
        id: Option<ArtifactId>,
    ) -> Result<Self> {
        if !tmpfile.0.load(Ordering::Relaxed) {
            return Self::named(root, operation, id);
        }
        match unnamed(root.blobs()) {
            Ok(file) => Ok(Self {
                file: file.into(),
                name: None,
            }),
            // File systems without unnamed files (NFS, FUSE, some overlays) fail with any errno. Whether
            // it is that is found out by trying the other way, whose error counts.
            Err(errno) => {
                let named = Self::named(root, operation, id)?;
                tmpfile.record_failure(errno);
                Ok(named)
            }
        }
    }

    /// Creates a named temporary file and locks it, so that no sweep removes it. A sweep may have
    /// removed it before it was locked, so the name is checked after the lock.
    fn named(root: &Arc<Root>, operation: Operation, id: Option<ArtifactId>) -> Result<Self> {
        let fail = |errno| failed(operation, id, "create a temporary file", errno);
        for _ in 0..ATTEMPTS {
            let file_name = staging_name();
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR;
            let resolve = ResolveFlags::empty();
            let created = sys::open_beneath(root.staging(), &file_name, flags, Mode::RUSR, resolve);
            let file = match created {
                Ok(file) => File::from(file),
                Err(Errno::EXIST) => continue,
                Err(errno) => {
                    root.check_alive(operation)?;
                    return Err(fail(errno));
                }
            };
            let name = StagingName {
                root: Arc::clone(root),
                name: file_name,
            };
            if !sys::try_lock(&file).map_err(fail)? {
                // A sweep has locked the file and is about to remove it.
                continue;
            }
            match same_file(&file, root.staging(), &name.name) {
                Ok(true) => {
                    return Ok(Self {
                        file,
                        name: Some(name),
                    });
                }
                Ok(false) | Err(Errno::NOENT) => {}
                Err(errno) => return Err(fail(errno)),
            }
        }
        let error = Error::new(ErrorKind::Unavailable, operation).with_detail(
            "every temporary file was removed before it could be used; check who can write to the root",
        );
        Err(match id {
            Some(id) => error.with_id(id),
            None => error,
        })
    }

    pub(crate) fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Returns whether the file already has a name, which counts as a link.
    pub(crate) fn is_named(&self) -> bool {
        self.name.is_some()
    }

    /// Reserves space. A failure is harmless.
    pub(crate) fn reserve(&self, from: u64, bytes: u64) {
        let keep_size = FallocateFlags::KEEP_SIZE;
        let _ = sys::retry(|| rustix::fs::fallocate(&self.file, keep_size, from, bytes));
    }

    /// Frees the space that [`reserve`](Self::reserve) reserved after the end of a file of `size` bytes.
    pub(crate) fn trim(&self, size: u64) -> SysResult<()> {
        sys::retry(|| rustix::fs::ftruncate(&self.file, size))
    }

    /// Gives the synced file the name of a blob in its folder.
    pub(crate) fn link(&self, root: &Root, folder: BorrowedFd<'_>, name: &str) -> SysResult<()> {
        root.track(DiskCall::Link, || sys::link(self.file(), folder, name))
    }

    /// Removes the file's temporary name, if it has one.
    pub(crate) fn remove_name(&mut self) -> SysResult<()> {
        match self.name.take() {
            None => Ok(()),
            Some(named) => match unlink(&named.root, &named.name) {
                Err(Errno::NOENT) => Ok(()),
                done => done,
            },
        }
    }
}

/// Creates an unnamed file in a folder (`O_TMPFILE`, open(2)).
pub(crate) fn unnamed(folder: BorrowedFd<'_>) -> SysResult<OwnedFd> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    sys::retry(|| rustix::fs::openat(folder, ".", flags, Mode::RUSR))
}

/// Returns whether a name refers to an open file.
pub(crate) fn same_file(file: impl AsFd, folder: BorrowedFd<'_>, name: &str) -> SysResult<bool> {
    let (open, named) = (sys::stat(file)?, sys::stat_name(folder, name)?);
    Ok((open.st_dev, open.st_ino) == (named.st_dev, named.st_ino))
}

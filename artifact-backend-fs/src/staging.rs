//! Temporary files: unnamed, or in `staging/` if the file system does not support unnamed files.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use artifact_backend::{ArtifactId, Error, ErrorKind, Operation, Result};
use rustix::fs::{FallocateFlags, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::error::failed;
use crate::layout::staging_name;
use crate::root::Root;
use crate::sys::{self, SysResult};

/// The number of names that are tried before the folder is considered hostile.
const ATTEMPTS: usize = 16;

/// Whether the file system supports `O_TMPFILE`, as far as it is known.
#[derive(Debug)]
pub(crate) struct TmpfileSupport(AtomicBool);

impl TmpfileSupport {
    pub(crate) fn new(enabled: bool) -> Self {
        Self(AtomicBool::new(enabled))
    }
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
        let _ = sys::unlink(self.root.staging(), &self.name);
    }
}

impl Temporary {
    /// Creates an empty temporary file.
    pub(crate) fn new(
        root: &Arc<Root>,
        tmpfile: &TmpfileSupport,
        operation: Operation,
        id: ArtifactId,
    ) -> Result<Self> {
        let fail = |errno| failed(operation, Some(id), "create a temporary file", errno);
        if tmpfile.0.load(Ordering::Relaxed) {
            let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
            match sys::retry(|| rustix::fs::openat(root.blobs(), ".", flags, Mode::RUSR)) {
                Ok(file) => {
                    return Ok(Self {
                        file: file.into(),
                        name: None,
                    });
                }
                // Not supported: NFS, FUSE, some overlays. EISDIR comes from a kernel that does not
                // know the flag (open(2)).
                Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOSYS) => {
                    tmpfile.0.store(false, Ordering::Relaxed);
                }
                Err(errno) => {
                    root.check_alive(operation)?;
                    return Err(fail(errno));
                }
            }
        }
        Self::named(root, operation, id)
    }

    /// Creates a named temporary file and locks it, so that no sweep removes it. A sweep may have
    /// removed it before it was locked, so the name is checked after the lock.
    fn named(root: &Arc<Root>, operation: Operation, id: ArtifactId) -> Result<Self> {
        let fail = |errno| failed(operation, Some(id), "create a temporary file", errno);
        for _ in 0..ATTEMPTS {
            let file_name = staging_name();
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR;
            let resolve = ResolveFlags::empty();
            let file =
                match sys::open_beneath(root.staging(), &file_name, flags, Mode::RUSR, resolve) {
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
        Err(Error::new(ErrorKind::Unavailable, operation)
            .with_id(id)
            .with_detail(
                "every temporary file was removed before it could be used; check who can write \
                 to the root",
            ))
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
    pub(crate) fn link(&self, folder: BorrowedFd<'_>, name: &str) -> SysResult<()> {
        sys::link(self.file(), folder, name)
    }

    /// Removes the file's temporary name, if it has one.
    pub(crate) fn remove_name(&mut self) -> SysResult<()> {
        match self.name.take() {
            None => Ok(()),
            Some(named) => match sys::unlink(named.root.staging(), &named.name) {
                Err(Errno::NOENT) => Ok(()),
                done => done,
            },
        }
    }
}

/// Returns whether a name refers to an open file.
pub(crate) fn same_file(file: impl AsFd, folder: BorrowedFd<'_>, name: &str) -> SysResult<bool> {
    let (open, named) = (sys::stat(file)?, sys::stat_name(folder, name)?);
    Ok((open.st_dev, open.st_ino) == (named.st_dev, named.st_ino))
}

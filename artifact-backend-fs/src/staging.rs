//! A blob that has no name yet: an unnamed file, or a named one in `staging/` where the file system
//! has no unnamed ones.

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
use crate::sys;

/// How often a fresh name is tried before the folder is taken for hostile.
const ATTEMPTS: usize = 16;

/// Whether this file system has `O_TMPFILE`, as far as it is known.
#[derive(Debug)]
pub(crate) struct Unnamed(AtomicBool);

impl Unnamed {
    pub(crate) fn new(wanted: bool) -> Self {
        Self(AtomicBool::new(wanted))
    }
}

/// A temporary. Dropping it removes what has a name.
#[derive(Debug)]
pub(crate) struct Temporary {
    file: File,
    name: Option<Named>,
}

/// The name of a temporary, and its lock: while it is held, no sweep removes the file.
#[derive(Debug)]
struct Named {
    root: Arc<Root>,
    name: String,
}

impl Drop for Named {
    fn drop(&mut self) {
        // What cannot be removed is a leftover, which a sweep finds.
        let _ = sys::unlink(self.root.staging(), &self.name);
    }
}

impl Temporary {
    /// A new and empty one.
    pub(crate) fn new(
        root: &Arc<Root>,
        unnamed: &Unnamed,
        operation: Operation,
        id: ArtifactId,
    ) -> Result<Self> {
        let fail = |errno| failed(operation, Some(id), "make a temporary file", errno);
        if unnamed.0.load(Ordering::Relaxed) {
            let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
            match sys::retry(|| rustix::fs::openat(root.blobs(), ".", flags, Mode::RUSR)) {
                Ok(file) => {
                    return Ok(Self {
                        file: file.into(),
                        name: None,
                    });
                }
                // Not there: NFS, FUSE, some overlays; EISDIR is a kernel that does not know the flag
                // (open(2)).
                Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOSYS) => {
                    unnamed.0.store(false, Ordering::Relaxed);
                }
                Err(errno) => {
                    root.check_alive(operation)?;
                    return Err(fail(errno));
                }
            }
        }
        Self::named(root, operation, id)
    }

    /// A new one with a name. Between its making and its locking a sweep may have found it, so its
    /// name is looked at once more when it is locked.
    fn named(root: &Arc<Root>, operation: Operation, id: ArtifactId) -> Result<Self> {
        let fail = |errno| failed(operation, Some(id), "make a temporary file", errno);
        for _ in 0..ATTEMPTS {
            let name = staging_name();
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR;
            let resolve = ResolveFlags::empty();
            let file = match sys::open_beneath(root.staging(), &name, flags, Mode::RUSR, resolve) {
                Ok(file) => File::from(file),
                Err(Errno::EXIST) => continue,
                Err(errno) => {
                    root.check_alive(operation)?;
                    return Err(fail(errno));
                }
            };
            let named = Named {
                root: Arc::clone(root),
                name,
            };
            if !sys::try_lock(&file).map_err(fail)? {
                // A sweep holds it, and is about to remove it.
                continue;
            }
            match same_file(&file, root.staging(), &named.name) {
                Ok(true) => {
                    return Ok(Self {
                        file,
                        name: Some(named),
                    });
                }
                Ok(false) | Err(Errno::NOENT) => {}
                Err(errno) => return Err(fail(errno)),
            }
        }
        Err(Error::new(ErrorKind::Unavailable, operation)
            .with_id(id)
            .with_detail("every temporary file was taken away before it could be used"))
    }

    pub(crate) fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Whether the file has a name already, so that its link count is not made by the publishing.
    pub(crate) fn is_named(&self) -> bool {
        self.name.is_some()
    }

    /// Sets space aside, as a hint: where that cannot be, nothing is lost.
    pub(crate) fn reserve(&self, from: u64, bytes: u64) {
        let keep_size = FallocateFlags::KEEP_SIZE;
        let _ = sys::retry(|| rustix::fs::fallocate(&self.file, keep_size, from, bytes));
    }

    /// Gives back what [`reserve`](Self::reserve) set aside past the end of a file of `size` bytes.
    pub(crate) fn trim(&self, size: u64) -> std::result::Result<(), Errno> {
        sys::retry(|| rustix::fs::ftruncate(&self.file, size))
    }

    /// Gives the file, which is synced, the name of a blob.
    pub(crate) fn link(&self, root: &Root, name: &str) -> std::result::Result<(), Errno> {
        sys::link(self.file(), root.blobs(), name)
    }

    /// Removes the file's own name, if it has one, and tells about failures.
    pub(crate) fn unname(&mut self) -> std::result::Result<(), Errno> {
        match self.name.take() {
            None => Ok(()),
            Some(named) => match sys::unlink(named.root.staging(), &named.name) {
                Err(Errno::NOENT) => Ok(()),
                done => done,
            },
        }
    }
}

/// Whether a name is that of an open file.
pub(crate) fn same_file(
    file: impl AsFd,
    folder: BorrowedFd<'_>,
    name: &str,
) -> std::result::Result<bool, Errno> {
    let (open, there) = (sys::stat(file)?, sys::stat_name(folder, name)?);
    Ok((open.st_dev, open.st_ino) == (there.st_dev, there.st_ino))
}

//! The root folder: opened and checked once, then held by descriptors.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use artifact_backend::{Error, ErrorKind, Operation, Result};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::error::{failed, misconfigured};
use crate::filesystem::FileSystem;
use crate::layout::{BLOBS, MARKER, STAGING};
use crate::{marker, sys};

/// The folders that all file names are relative to.
#[derive(Debug)]
pub(crate) struct Root {
    folder: File,
    blobs: File,
    staging: File,
    file_system: FileSystem,
    owner: u32,
    device: u64,
}

impl Root {
    /// Opens the folder. Creates it if only its last component is missing.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let fail = |action| move |errno| failed(Operation::Open, None, action, errno);
        create_root(path)?;
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        // Symlinks in the operator's path are followed, even the last component.
        let root = sys::retry(|| rustix::fs::openat(CWD, path, flags, Mode::empty())).map_err(
            |errno| match errno {
                Errno::NOTDIR => misconfigured("the root is not a folder"),
                errno => fail("open the root")(errno),
            },
        )?;
        check_owner(root.as_fd(), "the root")?;
        sys::probe(root.as_fd());
        let (blobs, staging) = if marker::check(root.as_fd())? {
            let blobs = open_folder(root.as_fd(), BLOBS)?;
            (blobs, create_folder(root.as_fd(), STAGING)?)
        } else {
            create_layout(root.as_fd())?
        };
        let stat = sys::stat(&blobs).map_err(fail("inspect the folder of blobs"))?;
        Ok(Self {
            file_system: FileSystem::detect(blobs.as_fd(), stat.st_dev),
            folder: root.into(),
            blobs: blobs.into(),
            staging: staging.into(),
            owner: rustix::process::geteuid().as_raw(),
            device: stat.st_dev,
        })
    }

    /// Returns the root itself.
    pub(crate) fn folder(&self) -> &File {
        &self.folder
    }

    pub(crate) fn blobs(&self) -> BorrowedFd<'_> {
        self.blobs.as_fd()
    }

    pub(crate) fn staging(&self) -> BorrowedFd<'_> {
        self.staging.as_fd()
    }

    pub(crate) fn journals_links(&self) -> bool {
        self.file_system.journals_links
    }

    /// Opens a new descriptor of the folder of blobs.
    pub(crate) fn open_blobs(&self) -> sys::SysResult<File> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        sys::retry(|| rustix::fs::openat(&self.blobs, ".", flags, Mode::empty())).map(File::from)
    }

    pub(crate) fn is_local(&self) -> bool {
        self.file_system.local
    }

    /// Returns the device that holds every blob.
    pub(crate) fn device(&self) -> u64 {
        self.device
    }

    /// Returns the user that owns every blob.
    pub(crate) fn owner(&self) -> u32 {
        self.owner
    }

    /// Returns an error if the folder of blobs was removed. A removed folder looks empty through its
    /// descriptor, which does not mean that a blob is absent.
    pub(crate) fn check_alive(&self, operation: Operation) -> Result<()> {
        let stat = sys::stat(&self.blobs)
            .map_err(|errno| failed(operation, None, "inspect the folder of blobs", errno))?;
        if stat.st_nlink > 0 {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Misconfigured, operation)
            .with_detail("the root was removed while it was in use; restore it and restart"))
    }
}

/// Creates the root if it is missing. [`create_layout`] makes its name durable.
fn create_root(path: &Path) -> Result<()> {
    let fail = |errno| match errno {
        Errno::NOENT => misconfigured("the parent folder of the root does not exist; create it"),
        errno => failed(Operation::Open, None, "create the root", errno),
    };
    match sys::retry(|| rustix::fs::mkdirat(CWD, path, Mode::RWXU)) {
        Err(Errno::EXIST) => Ok(()),
        // A umask may have removed the owner's permissions.
        Ok(()) => sys::retry(|| rustix::fs::chmodat(CWD, path, Mode::RWXU, AtFlags::empty()))
            .map_err(fail),
        Err(errno) => Err(fail(errno)),
    }
}

/// Creates the files of a new root. The marker comes last, when everything else is durable, including
/// the root's own name. If a root with a marker lacks a folder, that folder was lost.
fn create_layout(root: BorrowedFd<'_>) -> Result<(OwnedFd, OwnedFd)> {
    let fail = |action| move |errno| failed(Operation::Open, None, action, errno);
    check_empty(root)?;
    let blobs = create_folder(root, BLOBS)?;
    let staging = create_folder(root, STAGING)?;
    sys::fsync(root).map_err(fail("sync the root"))?;
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    match sys::retry(|| rustix::fs::openat(root, "..", flags, Mode::empty())) {
        Ok(parent) => sys::fsync(parent).map_err(fail("sync the parent folder of the root"))?,
        // The parent is not readable, so another user created the root and made its name durable.
        Err(Errno::ACCESS) => {}
        Err(errno) => return Err(fail("open the parent folder of the root")(errno)),
    }
    marker::create(root, staging.as_fd())?;
    Ok((blobs, staging))
}

/// Opens a folder of the layout, or creates it. The caller syncs the root.
fn create_folder(root: BorrowedFd<'_>, name: &str) -> Result<OwnedFd> {
    let fail = |errno| {
        failed(
            Operation::Open,
            None,
            "create a folder of the layout",
            errno,
        )
    };
    match sys::retry(|| rustix::fs::mkdirat(root, name, Mode::RWXU)) {
        Ok(()) => sys::retry(|| rustix::fs::chmodat(root, name, Mode::RWXU, AtFlags::empty()))
            .map_err(fail)?,
        Err(Errno::EXIST) => {}
        Err(errno) => return Err(fail(errno)),
    }
    open_folder(root, name)
}

/// Opens a folder of the layout.
fn open_folder(root: BorrowedFd<'_>, name: &str) -> Result<OwnedFd> {
    let fail = |errno| failed(Operation::Open, None, "open a folder of the layout", errno);
    let flags = OFlags::DIRECTORY | OFlags::RDONLY;
    let folder = sys::open_beneath(root, name, flags, Mode::empty(), ResolveFlags::empty())
        .map_err(|errno| match errno {
            Errno::LOOP | Errno::NOTDIR => {
                misconfigured("a folder of the layout is not a folder but something else, such as a symlink")
            }
            Errno::NOENT => misconfigured(
                "the root has a format marker but no folder of blobs; restore the folder from a backup",
            ),
            Errno::XDEV => misconfigured("a folder of the layout is on another file system than the root; unmount it"),
            errno => fail(errno),
        })?;
    check_owner(folder.as_fd(), "a folder of the layout")?;
    Ok(folder)
}

/// Rejects a folder that others own or can write to, because they could replace blobs.
fn check_owner(folder: BorrowedFd<'_>, name: &str) -> Result<()> {
    let stat = sys::stat(folder)
        .map_err(|errno| failed(Operation::Open, None, "inspect a folder", errno))?;
    let me = rustix::process::geteuid().as_raw();
    let detail = if stat.st_uid != me {
        format!(
            "{name} belongs to user {}, but this process is user {me}; chown it",
            stat.st_uid
        )
    } else if stat.st_mode & 0o022 != 0 {
        format!(
            "others can write to {name} (mode {:03o}); chmod 700 it",
            stat.st_mode & 0o777
        )
    } else {
        return Ok(());
    };
    Err(misconfigured(detail))
}

/// Rejects a root without a marker that contains foreign files. Files of the layout are allowed: another
/// process may be opening the same new root, or was killed while it did.
fn check_empty(root: BorrowedFd<'_>) -> Result<()> {
    let known = [BLOBS, STAGING, MARKER];
    let mut foreign = has_other_than(root, &known)?;
    let flags = OFlags::DIRECTORY | OFlags::RDONLY;
    if let Ok(blobs) = sys::open_beneath(root, BLOBS, flags, Mode::empty(), ResolveFlags::empty()) {
        foreign |= has_other_than(blobs.as_fd(), &[])?;
    }
    // Another process that opens the root may have finished and stored blobs already.
    if !foreign || marker::check(root)? {
        return Ok(());
    }
    Err(misconfigured(
        "the root is not empty and has no format marker, so it is not an artifact store; choose an \
         empty folder",
    ))
}

fn has_other_than(folder: BorrowedFd<'_>, known: &[&str]) -> Result<bool> {
    let fail = |errno| failed(Operation::Open, None, "read the root", errno);
    for entry in rustix::fs::Dir::read_from(folder).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let name = entry.file_name().to_bytes();
        let is = |known: &&str| known.as_bytes() == name;
        if ![".", ".."].iter().any(is) && !known.iter().any(is) {
            return Ok(true);
        }
    }
    Ok(false)
}

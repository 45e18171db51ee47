//! The folder of the store: opened once, checked, and held by descriptors ever after.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use artifact_backend::{Error, ErrorKind, Operation, Result};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::error::{failed, misconfigured};
use crate::layout::{BLOBS, MARKER, STAGING};
use crate::{marker, sys};

/// The descriptors that everything is relative to.
#[derive(Debug)]
pub(crate) struct Root {
    blobs: File,
    staging: File,
    /// Whether the file system is known to journal the link count of an unnamed file together with
    /// its new name, so that the file need not be synced a second time.
    journals_links: bool,
    /// Whether a look at an inode that is in memory never waits for a network or another process.
    local: bool,
    owner: u32,
    device: u64,
}

impl Root {
    /// Opens the folder, or makes it: only its last component, in a parent that is there.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let fail = |action| move |errno| failed(Operation::Open, None, action, errno);
        make_root(path)?;
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        // Symlinks in the operator's own path are the operator's business, the last one included.
        let root = sys::retry(|| rustix::fs::openat(CWD, path, flags, Mode::empty())).map_err(
            |errno| match errno {
                Errno::NOTDIR => misconfigured("the root is not a folder"),
                errno => fail("open the root")(errno),
            },
        )?;
        check_ours(root.as_fd(), "the root")?;
        sys::probe(root.as_fd());
        let (blobs, staging) = if marker::check(root.as_fd())? {
            let blobs = folder(root.as_fd(), BLOBS)?;
            (blobs, make_folder(root.as_fd(), STAGING)?)
        } else {
            make_layout(root.as_fd())?
        };
        let stat = sys::stat(&blobs).map_err(fail("inspect the folder of blobs"))?;
        let kind = file_system(blobs.as_fd());
        Ok(Self {
            blobs: blobs.into(),
            staging: staging.into(),
            journals_links: journals_links(kind, stat.st_dev),
            local: matches!(kind, XFS_MAGIC | BTRFS_MAGIC | EXT_MAGIC | TMPFS_MAGIC),
            owner: rustix::process::geteuid().as_raw(),
            device: stat.st_dev,
        })
    }

    pub(crate) fn blobs(&self) -> BorrowedFd<'_> {
        self.blobs.as_fd()
    }

    pub(crate) fn staging(&self) -> BorrowedFd<'_> {
        self.staging.as_fd()
    }

    pub(crate) fn journals_links(&self) -> bool {
        self.journals_links
    }

    /// The folder of blobs by a descriptor of one's own.
    pub(crate) fn open_blobs(&self) -> sys::SysResult<File> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        sys::retry(|| rustix::fs::openat(&self.blobs, ".", flags, Mode::empty())).map(File::from)
    }

    pub(crate) fn is_local(&self) -> bool {
        self.local
    }

    /// The file system that every blob lies on.
    pub(crate) fn device(&self) -> u64 {
        self.device
    }

    /// The user that every blob belongs to.
    pub(crate) fn owner(&self) -> u32 {
        self.owner
    }

    /// An error unless the folder of blobs is still part of a file system. A removed folder can be
    /// searched through its descriptor, and holds nothing: that is not the absence of a blob.
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

/// Makes the root unless it is there. What makes its name durable is [`make_layout`].
fn make_root(path: &Path) -> Result<()> {
    let fail = |errno| match errno {
        Errno::NOENT => {
            misconfigured("the folder that the root would be made in is not there; make it")
        }
        errno => failed(Operation::Open, None, "make the root", errno),
    };
    match sys::retry(|| rustix::fs::mkdirat(CWD, path, Mode::RWXU)) {
        Err(Errno::EXIST) => Ok(()),
        // A umask may have taken the owner's rights away.
        Ok(()) => sys::retry(|| rustix::fs::chmodat(CWD, path, Mode::RWXU, AtFlags::empty()))
            .map_err(fail),
        Err(errno) => Err(fail(errno)),
    }
}

/// Makes the parts of a new root. The marker comes last, once all that it stands for is durable, the
/// root's own name included: with a marker, whatever is missing was lost.
fn make_layout(root: BorrowedFd<'_>) -> Result<(OwnedFd, OwnedFd)> {
    let fail = |action| move |errno| failed(Operation::Open, None, action, errno);
    check_empty(root)?;
    let blobs = make_folder(root, BLOBS)?;
    let staging = make_folder(root, STAGING)?;
    sys::fsync(root).map_err(fail("sync the root"))?;
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    match sys::retry(|| rustix::fs::openat(root, "..", flags, Mode::empty())) {
        Ok(parent) => sys::fsync(parent).map_err(fail("sync the folder that holds the root"))?,
        // A parent that may be passed but not read: whoever made the root there made it durable.
        Err(Errno::ACCESS) => {}
        Err(errno) => return Err(fail("open the folder that holds the root")(errno)),
    }
    marker::create(root, staging.as_fd())?;
    Ok((blobs, staging))
}

/// Opens a folder of the layout, or makes it. The caller syncs the root.
fn make_folder(root: BorrowedFd<'_>, name: &str) -> Result<OwnedFd> {
    let fail = |errno| failed(Operation::Open, None, "make a folder of the layout", errno);
    match sys::retry(|| rustix::fs::mkdirat(root, name, Mode::RWXU)) {
        Ok(()) => sys::retry(|| rustix::fs::chmodat(root, name, Mode::RWXU, AtFlags::empty()))
            .map_err(fail)?,
        Err(Errno::EXIST) => {}
        Err(errno) => return Err(fail(errno)),
    }
    folder(root, name)
}

/// Opens a folder of the layout.
fn folder(root: BorrowedFd<'_>, name: &str) -> Result<OwnedFd> {
    let fail = |errno| failed(Operation::Open, None, "open a folder of the layout", errno);
    let flags = OFlags::DIRECTORY | OFlags::RDONLY;
    let folder = sys::open_beneath(root, name, flags, Mode::empty(), ResolveFlags::empty())
        .map_err(|errno| match errno {
            Errno::LOOP | Errno::NOTDIR => {
                misconfigured("a folder of the layout is something else, such as a symlink")
            }
            Errno::NOENT => misconfigured(
                "there is a format marker but no folder of blobs: it was removed; restore it",
            ),
            Errno::XDEV => misconfigured("a folder of the layout is a mount of its own"),
            errno => fail(errno),
        })?;
    check_ours(folder.as_fd(), "a folder of the layout")?;
    Ok(folder)
}

/// A folder that others own or may write to is refused: they could replace blobs.
fn check_ours(folder: BorrowedFd<'_>, what: &str) -> Result<()> {
    let stat = sys::stat(folder)
        .map_err(|errno| failed(Operation::Open, None, "inspect a folder", errno))?;
    let me = rustix::process::geteuid().as_raw();
    let wrong = if stat.st_uid != me {
        format!(
            "{what} belongs to user {}, this process is user {me}; chown it",
            stat.st_uid
        )
    } else if stat.st_mode & 0o022 != 0 {
        format!(
            "{what} may be written to by others (mode {:03o}); chmod 700 it",
            stat.st_mode & 0o777
        )
    } else {
        return Ok(());
    };
    Err(misconfigured(wrong))
}

/// A folder without a marker is taken only when it is empty but for what opening one makes: another
/// process may be opening the same new root, or have died while it did.
fn check_empty(root: BorrowedFd<'_>) -> Result<()> {
    let known = [BLOBS, STAGING, MARKER];
    let mut strange = has_other_than(root, &known)?;
    let flags = OFlags::DIRECTORY | OFlags::RDONLY;
    if let Ok(blobs) = sys::open_beneath(root, BLOBS, flags, Mode::empty(), ResolveFlags::empty()) {
        strange |= has_other_than(blobs.as_fd(), &[])?;
    }
    // Whoever opens it at the same time may be done, and have stored blobs already.
    if !strange || marker::check(root)? {
        return Ok(());
    }
    Err(misconfigured(
        "the root is not empty and has no format marker, so it is not a store of ours; choose an \
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

const XFS_MAGIC: u64 = 0x5846_5342;
const BTRFS_MAGIC: u64 = 0x9123_683e;
const EXT_MAGIC: u64 = 0xef53;
const TMPFS_MAGIC: u64 = 0x0102_1994;

/// Whether a name given by linkat(2) to an unnamed file is durable with its link count once the
/// folder is synced. True of XFS, btrfs and ext4 with a journal, and of tmpfs, where nothing is
/// durable; not of ext4 without a journal, which lost most of such blobs in a crash. What is not
/// known is taken for the worst.
fn journals_links(kind: u64, device: u64) -> bool {
    match kind {
        XFS_MAGIC | BTRFS_MAGIC | TMPFS_MAGIC => true,
        EXT_MAGIC => ext4_has_journal(device),
        _ => false,
    }
}

/// The number by which a file system names its kind (statfs(2)), or zero.
fn file_system(folder: BorrowedFd<'_>) -> u64 {
    let stat = sys::retry(|| rustix::fs::fstatfs(folder));
    stat.map_or(0, |stat| u64::try_from(stat.f_type).unwrap_or(0))
}

/// ext4 names the task of its journal in sysfs; without a journal it has none (or the name is
/// `<none>`).
fn ext4_has_journal(device: u64) -> bool {
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let block = format!("/sys/dev/block/{major}:{minor}");
    let Ok(target) = rustix::fs::readlink(&block, Vec::new()) else {
        return false;
    };
    let Ok(target) = target.into_string() else {
        return false;
    };
    let Some(name) = target.rsplit('/').next() else {
        return false;
    };
    let journal = format!("/sys/fs/ext4/{name}/journal_task");
    let Ok(file) = rustix::fs::openat(CWD, &journal, flags, Mode::empty()) else {
        return false;
    };
    let mut text = [0; 32];
    let Ok(length) = sys::retry(|| rustix::io::read(&file, &mut text)) else {
        return false;
    };
    // The number of the task that writes the journal.
    text[..length].first().is_some_and(u8::is_ascii_digit)
}

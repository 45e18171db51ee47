//! What the file system of the root guarantees.

use std::os::fd::BorrowedFd;

use rustix::fs::{CWD, Mode, OFlags};

use crate::sys;

/// What the file system of the root guarantees.
#[derive(Debug)]
pub(crate) struct FileSystem {
    /// Whether the file system journals the link count of an unnamed file together with its new name,
    /// so that the file needs no second sync.
    pub(crate) journals_links: bool,
    /// Whether access to a cached inode never waits for a network or another process.
    pub(crate) local: bool,
}

impl FileSystem {
    pub(crate) fn detect(folder: BorrowedFd<'_>, device: u64) -> Self {
        let magic = magic_number(folder);
        Self {
            journals_links: journals_links(magic, device),
            local: matches!(magic, XFS_MAGIC | BTRFS_MAGIC | EXT_MAGIC | TMPFS_MAGIC),
        }
    }
}

const XFS_MAGIC: u64 = 0x5846_5342;
const BTRFS_MAGIC: u64 = 0x9123_683e;
const EXT_MAGIC: u64 = 0xef53;
const TMPFS_MAGIC: u64 = 0x0102_1994;

/// Returns whether a sync of the folder makes both the name and the link count durable after linkat(2)
/// on an unnamed file.
///
/// True for XFS, btrfs and ext4 with a journal, and for tmpfs, where nothing is durable. False for ext4
/// without a journal, which lost most of such blobs in a crash, and for every unknown file system.
fn journals_links(magic: u64, device: u64) -> bool {
    match magic {
        XFS_MAGIC | BTRFS_MAGIC | TMPFS_MAGIC => true,
        EXT_MAGIC => ext4_has_journal(device),
        _ => false,
    }
}

/// Returns the magic number of the file system's type (statfs(2)), or zero if it is not known.
fn magic_number(folder: BorrowedFd<'_>) -> u64 {
    let stat = sys::retry(|| rustix::fs::fstatfs(folder));
    stat.map_or(0, |stat| u64::try_from(stat.f_type).unwrap_or(0))
}

/// Returns whether sysfs shows the id of a task that writes the journal. Without a journal, the file is
/// missing or contains `<none>`.
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
    text[..length].first().is_some_and(u8::is_ascii_digit)
}

//! What the file system of the root guarantees.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};

use crate::examine::Ext4Report;
use crate::linux::sys;
use crate::risk::FileSystemRisk;

/// What the file system of the root guarantees.
#[derive(Debug)]
pub(crate) struct FileSystem {
    /// Whether the file system journals the link count of an unnamed file together with its new name,
    /// so that the file needs no second sync.
    pub(crate) journals_links: bool,
    /// Whether access to a cached inode never waits for a network or another process.
    pub(crate) local: bool,
    pub(crate) risks: Vec<FileSystemRisk>,
    /// On ext4 without a journal, the largest number of inodes in a block of the inode table. They lie there in
    /// the order of their numbers.
    pub(crate) inodes_per_block: Option<u64>,
    errors: Option<ErrorCount>,
}

impl FileSystem {
    pub(crate) fn detect(folder: BorrowedFd<'_>, device: u64) -> Self {
        let magic = magic_number(folder);
        let ext4 = (magic == EXT_MAGIC).then(|| Ext4::read(device));
        Self {
            // With a journal, a sync of the folder makes both the name and the link count durable after
            // linkat(2) on an unnamed file. ext4 without a journal lost most of such blobs in a crash. On
            // tmpfs nothing is durable. An unknown file system is assumed to have no journal.
            journals_links: match &ext4 {
                Some(ext4) => ext4.journal,
                None => matches!(magic, XFS_MAGIC | BTRFS_MAGIC | TMPFS_MAGIC),
            },
            local: matches!(magic, XFS_MAGIC | BTRFS_MAGIC | EXT_MAGIC | TMPFS_MAGIC),
            errors: ext4
                .as_ref()
                .filter(|ext4| !ext4.journal)
                .and_then(|_| ErrorCount::open(device)),
            inodes_per_block: ext4
                .as_ref()
                .filter(|ext4| !ext4.journal)
                .map(|_| block_size(folder) / SMALLEST_INODE),
            risks: ext4.map_or_else(Vec::new, |ext4| ext4.risks()),
        }
    }

    /// Returns whether the kernel has counted an error of the file system since it was opened.
    pub(crate) fn has_new_errors(&self) -> bool {
        let errors = self.errors.as_ref();
        errors.is_some_and(|errors| errors.read() != Some(errors.first))
    }
}

/// The number of errors that ext4 has found in the file system (`errors_count` in sysfs).
///
/// Without a journal, an error of a write to a shared block may be reported to no sync at all: ext4 asks
/// the buffer for its state after the write, and a thread that uses the block meanwhile resets that state
/// (`ext4_write_inode`, `ext4_buffer_uptodate`). The next change of metadata counts the error
/// (`ext4_check_bdev_write_error`, Linux 5.9 and newer).
#[derive(Debug)]
struct ErrorCount {
    file: OwnedFd,
    first: u64,
}

impl ErrorCount {
    fn open(device: u64) -> Option<Self> {
        let path = format!("/sys/fs/ext4/{}/errors_count", device_name(device)?);
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(CWD, path, flags, Mode::empty()).ok()?;
        let mut count = Self { file, first: 0 };
        count.first = count.read()?;
        Some(count)
    }

    fn read(&self) -> Option<u64> {
        let mut text = [0; 32];
        let length = sys::retry(|| rustix::io::pread(&self.file, &mut text, 0)).ok()?;
        str::from_utf8(&text[..length]).ok()?.trim().parse().ok()
    }
}

const XFS_MAGIC: u64 = 0x5846_5342;
const BTRFS_MAGIC: u64 = 0x9123_683e;
const EXT_MAGIC: u64 = 0xef53;
const TMPFS_MAGIC: u64 = 0x0102_1994;

/// Returns the risks of the file system that holds `folder`.
pub(crate) fn risks(folder: &Path) -> io::Result<Vec<FileSystemRisk>> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    let folder = sys::retry(|| rustix::fs::openat(CWD, folder, flags, Mode::empty()))?;
    let stat = sys::stat(&folder)?;
    Ok(FileSystem::detect(folder.as_fd(), stat.st_dev).risks)
}

/// Returns the properties of the file system that holds `folder`, if it is ext2, ext3 or ext4.
pub(crate) fn ext4(folder: BorrowedFd<'_>, device: u64) -> Option<Ext4Report> {
    let ext4 = (magic_number(folder) == EXT_MAGIC).then(|| Ext4::read(device))?;
    Some(Ext4Report {
        journal: ext4.journal,
        stops_after_errors: ext4.stops_after_errors,
        fast_commit: ext4.fast_commit,
    })
}

/// The smallest size of an ext4 inode in bytes.
const SMALLEST_INODE: u64 = 128;

/// Returns the size in bytes of a file system's blocks, or the largest of ext4 if it is not known.
fn block_size(folder: BorrowedFd<'_>) -> u64 {
    let stat = sys::retry(|| rustix::fs::fstatvfs(folder));
    stat.map_or(64 << 10, |stat| stat.f_bsize.max(SMALLEST_INODE))
}

/// Returns the magic number of the file system's type (statfs(2)), or zero if it is not known.
fn magic_number(folder: BorrowedFd<'_>) -> u64 {
    let stat = sys::retry(|| rustix::fs::fstatfs(folder));
    stat.map_or(0, |stat| u64::try_from(stat.f_type).unwrap_or(0))
}

/// The properties of a mounted ext4, ext3 or ext2 file system.
#[derive(Debug)]
struct Ext4 {
    journal: bool,
    stops_after_errors: bool,
    fast_commit: bool,
}

impl Ext4 {
    fn read(device: u64) -> Self {
        let name = device_name(device).unwrap_or_default();
        // The id of the task that writes the journal. Without a journal, the file is missing or contains
        // `<none>`.
        let task = read_text(&format!("/sys/fs/ext4/{name}/journal_task"));
        // All options in effect. mountinfo shows only those that differ from the superblock's defaults.
        let options = read_text(&format!("/proc/fs/ext4/{name}/options"));
        let commits = read_text(&format!("/proc/fs/ext4/{name}/fc_info"));
        Self::parse(&task, &options, &commits)
    }

    fn parse(task: &str, options: &str, commits: &str) -> Self {
        let has = |wanted: &[&str]| options.lines().any(|option| wanted.contains(&option));
        let commits = commits
            .lines()
            .find_map(|line| line.strip_suffix(" commits"));
        Self {
            journal: task.starts_with(|first: char| first.is_ascii_digit()),
            stops_after_errors: has(&["errors=remount-ro", "errors=panic"]),
            // The kernel prints the option that turns fast commits on under the name of the one that
            // forces them, which has the same bit (fs/ext4/super.c).
            fast_commit: has(&["fc_debug_force"])
                || commits.is_some_and(|count| count.trim() != "0"),
        }
    }

    fn risks(&self) -> Vec<FileSystemRisk> {
        let mut risks = Vec::new();
        if !self.journal && !self.stops_after_errors {
            risks.push(FileSystemRisk::ContinuesAfterErrors);
        }
        if self.journal && self.fast_commit {
            risks.push(FileSystemRisk::FastCommit);
        }
        risks
    }
}

/// Returns the name of a block device in sysfs.
fn device_name(device: u64) -> Option<String> {
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let block = format!("/sys/dev/block/{major}:{minor}");
    let target = rustix::fs::readlink(&block, Vec::new()).ok()?;
    Some(target.to_str().ok()?.rsplit('/').next()?.to_owned())
}

/// Returns the first 4 KiB of a file of the kernel, or nothing if it cannot be read.
fn read_text(path: &str) -> String {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let Ok(file) = rustix::fs::openat(CWD, path, flags, Mode::empty()) else {
        return String::new();
    };
    let mut text = [0; 4096];
    let length = sys::retry(|| rustix::io::read(&file, &mut text)).unwrap_or(0);
    String::from_utf8_lossy(&text[..length]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn risks_follow_from_the_files_of_the_kernel() {
        use FileSystemRisk::{ContinuesAfterErrors, FastCommit};
        for (task, options, commits, risks) in [
            (
                "<none>\n",
                "rw\nerrors=continue\n",
                "",
                &[ContinuesAfterErrors][..],
            ),
            ("", "", "", &[ContinuesAfterErrors]),
            ("<none>\n", "rw\nerrors=remount-ro\n", "", &[]),
            ("<none>\n", "rw\nerrors=panic\n", "", &[]),
            (
                "412\n",
                "rw\nerrors=continue\n",
                "fc stats:\n0 commits\n",
                &[],
            ),
            (
                "412\n",
                "rw\nfc_debug_force\n",
                "fc stats:\n0 commits\n",
                &[FastCommit],
            ),
            ("412\n", "rw\n", "fc stats:\n19 commits\n", &[FastCommit]),
        ] {
            let found = Ext4::parse(task, options, commits).risks();
            assert_eq!(found, risks, "{task:?} {options:?} {commits:?}");
        }
    }
}

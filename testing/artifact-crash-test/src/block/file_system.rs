//! Creates, repairs and mounts the real file systems.

use std::ffi::CStr;
use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::str::FromStr;

use rustix::mount::{MountFlags, mount};

use super::loop_device::{run_tool, run_tool_checked};
use crate::error::{Error, ErrorKind, Result};
use crate::guard::{Mounted, available};

/// A file system that a subject can run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FileSystem {
    /// ext4 with a journal, the default of distributions.
    Ext4,
    /// ext4 without a journal. After a crash `e2fsck -fy` repairs it.
    Ext4NoJournal,
    /// XFS.
    Xfs,
    /// btrfs.
    Btrfs,
}

/// The text is not the name of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown file system: use ext4, ext4-nojournal, xfs or btrfs")]
pub struct UnknownFileSystem;

impl FileSystem {
    /// All file systems.
    pub const ALL: [Self; 4] = [Self::Ext4, Self::Ext4NoJournal, Self::Xfs, Self::Btrfs];

    /// Returns the name that the command line uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Ext4NoJournal => "ext4-nojournal",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
        }
    }

    /// Checks that this machine can run simulations on this file system.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`], with a message that names the missing requirement.
    pub fn available(self) -> Result<()> {
        available()?;
        run_tool("losetup", &["--version"])?;
        run_tool("blockdev", &["--version"])?;
        if self == Self::Ext4NoJournal {
            run_tool("e2fsck", &["-V"])?;
        }
        run_tool(self.mkfs().0, &["-V"]).map(drop)
    }

    /// Returns the smallest device size in bytes that the `mkfs` program accepts without a warning.
    pub(crate) fn size(self) -> u64 {
        match self {
            Self::Ext4 | Self::Ext4NoJournal => 64 << 20,
            Self::Xfs => 320 << 20,
            Self::Btrfs => 160 << 20,
        }
    }

    fn mkfs(self) -> (&'static str, &'static [&'static str]) {
        // Without lazy initialization and discards, every write of the recording comes from the run.
        const EXT4: &str = "lazy_itable_init=0,lazy_journal_init=0,nodiscard";
        match self {
            Self::Ext4 => (
                "mkfs.ext4",
                &["-q", "-F", "-N", "4096", "-J", "size=8", "-E", EXT4],
            ),
            Self::Ext4NoJournal => (
                "mkfs.ext4",
                &["-q", "-F", "-N", "4096", "-O", "^has_journal", "-E", EXT4],
            ),
            Self::Xfs => ("mkfs.xfs", &["-q", "-f", "-K"]),
            Self::Btrfs => (
                "mkfs.btrfs",
                &["-q", "-f", "-K", "-m", "single", "-d", "single"],
            ),
        }
    }

    /// Creates an empty file system on `device`.
    pub(crate) fn create(self, device: &Path) -> Result<()> {
        let (program, arguments) = self.mkfs();
        let device = device.to_string_lossy();
        let mut arguments = arguments.to_vec();
        arguments.push(&device);
        run_tool_checked(program, &arguments).map(drop)
    }

    /// Returns the parts of the device, in bytes, that hold the inode table of ext4.
    pub(crate) fn inode_table(device: &Path) -> Result<Vec<Range<u64>>> {
        let printed = run_tool_checked("dumpe2fs", &[&device.to_string_lossy()])?;
        let number = |text: &str| text.trim().parse::<u64>().ok();
        let block = printed
            .lines()
            .find_map(|line| number(line.strip_prefix("Block size:")?));
        // Such as `  Inode table at 37-164 (+37)`.
        let tables = printed.lines().filter_map(|line| {
            let (_, blocks) = line.split_once("Inode table at ")?;
            let (first, last) = blocks.split_whitespace().next()?.split_once('-')?;
            Some(number(first)?..number(last)? + 1)
        });
        let size = block.unwrap_or_default();
        let parts: Vec<_> = tables
            .map(|part| part.start * size..part.end * size)
            .collect();
        if parts.iter().all(Range::is_empty) {
            let missing = "the place of the inode table (use ext4)";
            return Err(Error::new(ErrorKind::Unavailable, missing));
        }
        Ok(parts)
    }

    /// Repairs a device as an operating system does before it mounts the device after a crash. The inner
    /// `Err` says why the repair failed.
    pub(crate) fn repair(self, device: &Path) -> Result<Result<(), String>> {
        if self != Self::Ext4NoJournal {
            return Ok(Ok(())); // The others repair themselves when mounted.
        }
        let output = run_tool("e2fsck", &["-f", "-y", &device.to_string_lossy()])?;
        // e2fsck(8): 0 means clean, 1 corrected, 2 corrected and a reboot is needed.
        Ok(match output.status.code() {
            Some(0..=2) => Ok(()),
            _ => Err(format!("e2fsck: {}", output.status)),
        })
    }

    /// Mounts `device` on `point`.
    pub(crate) fn mount<'a>(
        self,
        device: &Path,
        point: &'a Path,
    ) -> rustix::io::Result<Mounted<'a>> {
        let (kind, data): (_, Option<&CStr>) = match self {
            Self::Ext4 | Self::Ext4NoJournal => ("ext4", None),
            // Another crash state of the same file system may be mounted elsewhere.
            Self::Xfs => ("xfs", Some(c"nouuid")),
            Self::Btrfs => ("btrfs", None),
        };
        mount(
            device,
            point,
            kind,
            MountFlags::NODEV | MountFlags::NOSUID,
            data,
        )?;
        Ok(Mounted::on(point))
    }
}

impl fmt::Display for FileSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for FileSystem {
    type Err = UnknownFileSystem;

    fn from_str(text: &str) -> Result<Self, UnknownFileSystem> {
        Self::ALL
            .into_iter()
            .find(|each| each.as_str() == text)
            .ok_or(UnknownFileSystem)
    }
}

/// Converts a mount error. ENODEV means that the kernel does not support the file system: install its
/// module, or skip.
pub(crate) fn mount_error(file_system: FileSystem, errno: rustix::io::Errno) -> Error {
    if errno == rustix::io::Errno::NODEV {
        Error::new(
            ErrorKind::Unavailable,
            format!("{file_system} (the kernel lacks its module)"),
        )
    } else {
        Error::io(format!("mount a fresh {file_system}"))(errno)
    }
}

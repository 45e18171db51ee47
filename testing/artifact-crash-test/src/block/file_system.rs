//! The real file systems: how each is made, repaired and mounted.

use std::ffi::CStr;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use rustix::mount::{MountFlags, mount};

use super::loop_device::{tool, tool_ok};
use crate::error::{Error, ErrorKind, Result};
use crate::guard::{Mounted, available};

/// A file system that a subject can be run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FileSystem {
    /// ext4 with its journal, as distributions make it.
    Ext4,
    /// ext4 without a journal: after a crash it is repaired by `e2fsck -fy`.
    Ext4NoJournal,
    /// XFS.
    Xfs,
    /// btrfs.
    Btrfs,
}

/// The text is none of the file systems' names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a file system is ext4, ext4-nojournal, xfs or btrfs")]
pub struct UnknownFileSystem;

impl FileSystem {
    /// Each of them.
    pub const ALL: [Self; 4] = [Self::Ext4, Self::Ext4NoJournal, Self::Xfs, Self::Btrfs];

    /// The name, as on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Ext4NoJournal => "ext4-nojournal",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
        }
    }

    /// Whether this one can be simulated here.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`], which says what is missing.
    pub fn available(self) -> Result<()> {
        available()?;
        tool("losetup", &["--version"])?;
        tool("blockdev", &["--version"])?;
        if self == Self::Ext4NoJournal {
            tool("e2fsck", &["-V"])?;
        }
        tool(self.mkfs().0, &["-V"]).map(drop)
    }

    /// The smallest size, in bytes, that the maker takes without complaint.
    pub(crate) fn size(self) -> u64 {
        match self {
            Self::Ext4 | Self::Ext4NoJournal => 64 << 20,
            Self::Xfs => 320 << 20,
            Self::Btrfs => 160 << 20,
        }
    }

    fn mkfs(self) -> (&'static str, &'static [&'static str]) {
        // Nothing is left for later, and no discards: what a crash state holds is what the run wrote.
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

    /// Makes an empty one on `device`.
    pub(crate) fn make(self, device: &Path) -> Result<()> {
        let (program, arguments) = self.mkfs();
        let device = device.to_string_lossy();
        let mut arguments = arguments.to_vec();
        arguments.push(&device);
        tool_ok(program, &arguments).map(drop)
    }

    /// What an operating system does to a device before it mounts it after a crash; `Err` in the inner
    /// result is why it gave up.
    pub(crate) fn repair(self, device: &Path) -> Result<Result<(), String>> {
        if self != Self::Ext4NoJournal {
            return Ok(Ok(())); // These repair themselves when they are mounted.
        }
        let output = tool("e2fsck", &["-f", "-y", &device.to_string_lossy()])?;
        // e2fsck(8): 0 is clean, 1 is corrected, 2 is corrected with a reboot to follow.
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

/// The kernel does not know this file system: install the module, or skip.
pub(crate) fn mount_error(file_system: FileSystem, errno: rustix::io::Errno) -> Error {
    if errno == rustix::io::Errno::NODEV {
        Error::new(
            ErrorKind::Unavailable,
            format!("{file_system} in this kernel"),
        )
    } else {
        Error::io(format!("mount a fresh {file_system}"))(errno)
    }
}

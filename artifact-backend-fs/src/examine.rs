//! What the file system of a folder offers, for a person who operates a store on it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::risk::FileSystemRisk;

/// What the file system of a folder offers. Made by [`examine_folder`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct FolderReport {
    /// The type as the kernel names it, such as `ext4`. Empty if it is not known.
    pub file_system: String,
    /// Where the file system is mounted. Empty if it is not known.
    pub mount_point: PathBuf,
    /// The options of the mount and of the file system that the kernel lists (`/proc/self/mountinfo`), such as
    /// `rw,noatime,errors=remount-ro`. Options that are the default of the file system are not in it.
    pub mount_options: String,
    /// The properties of an ext2, ext3 or ext4 file system.
    pub ext4: Option<Ext4Report>,
    /// Whether a store on it needs no second sync for each blob, because the file system journals the link count of a file
    /// together with its new name: ext4 with a journal, XFS, btrfs and tmpfs.
    pub journals_links: bool,
    /// Whether the type is one of a local disk or of memory: ext4, XFS, btrfs or tmpfs. Any other may depend on a network or on
    /// another process.
    pub is_local: bool,
    /// Whether the content is in memory and lost when the machine stops.
    pub is_memory: bool,
    /// Whether it is mounted read-only.
    pub is_read_only: bool,
    /// What endangers acknowledged blobs; as [`file_system_risks`](crate::file_system_risks).
    pub risks: Vec<FileSystemRisk>,
    /// Whether files without a name can be created (`O_TMPFILE`, open(2)). Otherwise a store uses named temporary files.
    pub unnamed_files: bool,
    /// Why no file can be created in the folder: often `PermissionDenied`, `ReadOnlyFilesystem` or `StorageFull`. Then
    /// `unnamed_files` is `false` and says nothing. `None` if files can be created.
    pub creation_error: Option<io::ErrorKind>,
    /// Whether openat2(2) can be used. Otherwise a store opens each component of a path on its own, which costs more calls.
    pub openat2: bool,
    /// Bytes that this user can still write.
    pub free_bytes: u64,
    /// Size of the file system in bytes.
    pub total_bytes: u64,
    /// Files that can still be created, if the file system has a fixed number of them.
    pub free_files: Option<u64>,
    /// How long syncs take. `None` if no file can be written there.
    pub syncs: Option<SyncTimes>,
    /// Whether the folder is the root of a backend in which a sync has failed, so that it acknowledges nothing any more.
    pub has_failed_sync: bool,
}

/// The properties of an ext2, ext3 or ext4 file system, from `/sys/fs/ext4` and `/proc/fs/ext4`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ext4Report {
    /// Whether it has a journal.
    pub journal: bool,
    /// Whether it stops after an error (`errors=remount-ro` or `errors=panic`).
    pub stops_after_errors: bool,
    /// Whether it has used the feature `fast_commit`.
    pub fast_commit: bool,
}

/// How long it takes to write 4 KiB and to sync them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SyncTimes {
    /// The median.
    pub median: Duration,
    /// The longest.
    pub longest: Duration,
    /// The number of syncs.
    pub syncs: usize,
}

impl SyncTimes {
    /// Returns `None` without any time.
    #[cfg(all(target_os = "linux", not(artifact_not_linux)))]
    pub(crate) fn of(mut times: Vec<Duration>) -> Option<Self> {
        times.sort_unstable();
        Some(Self {
            median: *times.get(times.len() / 2)?,
            longest: *times.last()?,
            syncs: times.len(),
        })
    }
}

/// Examines the file system of a folder. Needs no privileges but to write to the folder. Servers may use the folder meanwhile.
///
/// It creates a file without a name, or one that it removes at once, writes 4 KiB to it 16 times and syncs each. Blocks
/// for as long as that takes, often less than 100 milliseconds. If such a sync fails in the root of a backend, the failure is
/// recorded there as that of a store is, because it may have been about other blobs: the backend acknowledges nothing any more.
///
/// # Errors
///
/// If the folder cannot be opened or inspected, or if a sync fails. `Unsupported` on other systems than Linux.
pub fn examine_folder(folder: &Path) -> io::Result<FolderReport> {
    #[cfg(all(target_os = "linux", not(artifact_not_linux)))]
    return crate::linux::examine(folder);
    #[cfg(any(not(target_os = "linux"), artifact_not_linux))]
    {
        let _ = folder;
        Err(io::ErrorKind::Unsupported.into())
    }
}

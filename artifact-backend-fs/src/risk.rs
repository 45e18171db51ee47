//! Risks of the file system of a root.

use std::path::Path;
use std::{fmt, io};

/// A property of a file system that endangers acknowledged blobs. `Display` says what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileSystemRisk {
    /// ext4 without a journal and without `errors=remount-ro` or `errors=panic`: after a failed write the
    /// kernel continues, and later syncs succeed although the data is not on the disk.
    ContinuesAfterErrors,
    /// ext4 with the feature `fast_commit`: blobs were lost after e2fsck 1.47 had replayed its journal.
    FastCommit,
}

impl fmt::Display for FileSystemRisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ContinuesAfterErrors => {
                "the file system is ext4 without a journal and continues after write errors, so a failing \
                 disk can lose blobs; add a journal (tune2fs -O has_journal) or mount it with \
                 errors=remount-ro"
            }
            Self::FastCommit => {
                "the file system is ext4 with fast_commit, and e2fsck can lose blobs when it replays such \
                 a journal after a power cut; unmount it and run tune2fs -O ^fast_commit"
            }
        })
    }
}

/// Returns the risks of the file system that holds `folder`. Needs no privileges: it reads statfs(2), sysfs
/// and `/proc/fs/ext4`. What cannot be read counts as a risk if the default of mke2fs(8) is one. On other systems than
/// Linux no risk is known, and the result is empty.
///
/// # Errors
///
/// If the folder cannot be opened or inspected.
pub fn file_system_risks(folder: &Path) -> io::Result<Vec<FileSystemRisk>> {
    #[cfg(all(target_os = "linux", not(artifact_not_linux)))]
    return crate::linux::risks(folder);
    #[cfg(any(not(target_os = "linux"), artifact_not_linux))]
    std::fs::read_dir(folder).map(|_| Vec::new())
}

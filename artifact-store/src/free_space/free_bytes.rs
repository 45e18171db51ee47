//! The free space of a file system.

use std::io;
use std::path::Path;

/// Returns how many bytes users other than root can still write to the file system of a file or folder.
pub(super) fn free_bytes(path: &Path) -> io::Result<u64> {
    let found = rustix::fs::statvfs(path)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

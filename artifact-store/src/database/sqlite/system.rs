//! What SQLite does not do for its files: modes, owners, and whether they are still the same. On Unix.

use std::ffi::OsString;
use std::fs::{Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use artifact_backend::Ownership;
use rusqlite::{Connection, FileControl};
use rustix::io::Errno;

/// A file that can always be opened.
pub(super) const NULL_DEVICE: &str = "/dev/null";

/// A device and an inode.
pub(super) type Inode = (u64, u64);

pub(super) fn inode(metadata: &Metadata) -> Inode {
    (metadata.dev(), metadata.ino())
}

/// Returns whether the file of a connection is no longer the one at its path.
pub(super) fn has_moved(connection: &Connection) -> io::Result<bool> {
    let mut moved = 0;
    connection
        .file_control(None::<&str>, FileControl::HasMoved(&mut moved))
        .map_err(io::Error::other)?;
    Ok(moved != 0)
}

/// Creates an empty file with mode 0600 durably. Fails if it exists.
pub(super) fn create_file(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.sync_all()?;
    if let Some(folder) = path.parent() {
        OpenOptions::new().read(true).open(folder)?.sync_all()?;
    }
    Ok(())
}

/// Logs a warning if every user can read the file.
pub(super) fn warn_if_public(path: &Path, metadata: &Metadata) {
    if metadata.mode() & 0o004 != 0 {
        tracing::warn!(
            path = %path.display(),
            "every user can read the database file; chmod o= it"
        );
    }
}

/// Rejects a file of the database that another user than root and this process owns, or that every user
/// can write to. SQLite would believe the log of another user as well as the file.
pub(super) fn check_owners(path: &Path) -> io::Result<()> {
    let user = rustix::process::geteuid().as_raw();
    let real = path.canonicalize()?;
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut name = OsString::from(&real);
        name.push(suffix);
        let path = PathBuf::from(name);
        let found = match path.symlink_metadata() {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let checked = Ownership::new(found.uid(), found.mode(), user).check_trusted();
        checked.map_err(|error| {
            io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!("{} {error}", path.display()),
            )
        })?;
    }
    Ok(())
}

/// Returns whether a file cannot be opened because the process or the machine has too many open, or
/// because there is no memory.
pub(super) fn is_exhausted(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    errno.is_some_and(|errno| matches!(errno, Errno::MFILE | Errno::NFILE | Errno::NOMEM))
}

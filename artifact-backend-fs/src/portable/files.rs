//! Calls of `std::fs`, and everything that differs between Unix and other systems.
//!
//! A call that a signal interrupted is repeated.

use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
#[cfg(all(unix, not(artifact_not_unix)))]
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::Path;

/// Whether files have modes and folders can be synced.
pub(super) const UNIX: bool = cfg!(all(unix, not(artifact_not_unix)));

/// What a name refers to.
#[derive(Debug)]
pub(super) enum Found {
    File(File, Metadata),
    /// A symlink, a folder, a device or something else that is not a regular file.
    Foreign,
}

pub(super) fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// Inspects a name itself. It does not follow a symlink.
pub(super) fn inspect(path: &Path) -> io::Result<Metadata> {
    retry(|| path.symlink_metadata())
}

/// Opens a regular file for reading.
///
/// The name is inspected first, because opening a FIFO waits for its other end. On Unix, the open file is then
/// compared with what was inspected. On other systems, a symlink that replaces the file between the two
/// calls is followed.
pub(super) fn open(path: &Path) -> io::Result<Found> {
    open_with(path, OpenOptions::new().read(true))
}

/// Opens a regular file so that it can be synced. Windows syncs only a file that is open for writing
/// (`FlushFileBuffers`).
pub(super) fn open_to_sync(path: &Path) -> io::Result<Found> {
    open_with(path, OpenOptions::new().read(true).write(!UNIX))
}

fn open_with(path: &Path, options: &OpenOptions) -> io::Result<Found> {
    let named = inspect(path)?;
    if !named.is_file() {
        return Ok(Found::Foreign);
    }
    let file = retry(|| options.open(path))?;
    let opened = retry(|| file.metadata())?;
    if !opened.is_file() || is_same(&named, &opened) == Some(false) {
        return Ok(Found::Foreign);
    }
    Ok(Found::File(file, opened))
}

/// Creates a file exclusively, for reading and writing, with mode 0400 on Unix. It does not follow a symlink.
pub(super) fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(all(unix, not(artifact_not_unix)))]
    options.mode(0o400);
    let file = retry(|| options.open(path))?;
    // A umask may have removed the owner's permission. A file system without modes refuses the change.
    #[cfg(all(unix, not(artifact_not_unix)))]
    let _ = file.set_permissions(std::fs::Permissions::from_mode(0o400));
    Ok(file)
}

/// Creates a folder, with mode 0700 on Unix. Returns whether it was missing.
pub(super) fn create_folder(path: &Path) -> io::Result<bool> {
    #[cfg_attr(not(all(unix, not(artifact_not_unix))), expect(unused_mut))]
    let mut folder = DirBuilder::new();
    #[cfg(all(unix, not(artifact_not_unix)))]
    folder.mode(0o700);
    match retry(|| folder.create(path)) {
        Ok(()) => {
            #[cfg(all(unix, not(artifact_not_unix)))]
            let _ = std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700));
            Ok(true)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Removes a name. It does not follow a symlink at the end of the path.
#[expect(
    clippy::disallowed_methods,
    reason = "the portable profile has paths only, and checks their folders"
)]
pub(super) fn remove(path: &Path) -> io::Result<()> {
    retry(|| std::fs::remove_file(path))
}

/// Gives a file another name, exclusively and atomically. `std` does not follow a symlink here on Linux and
/// macOS (`linkat` without flags).
pub(super) fn link(path: &Path, new: &Path) -> io::Result<()> {
    retry(|| std::fs::hard_link(path, new))
}

/// A folder that is open for a sync. On systems other than Unix a folder cannot be synced, and this is empty.
#[derive(Debug)]
pub(super) struct OpenFolder(Option<File>);

impl OpenFolder {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        if !UNIX {
            return Ok(Self(None));
        }
        let file = retry(|| OpenOptions::new().read(true).open(path))?;
        Ok(Self(Some(file)))
    }

    /// Syncs the names in the folder.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.0.as_ref().map_or(Ok(()), sync)
    }
}

/// Syncs a file. On macOS, `std` asks the disk to empty its cache too: `File::sync_all` calls
/// `fcntl(F_FULLFSYNC)` (`os_fsync` in library/std/src/sys/fs/unix.rs, `target_vendor = "apple"`).
pub(super) fn sync(file: &File) -> io::Result<()> {
    retry(|| file.sync_all())
}

/// Returns whether both are the same file. Returns `None` on systems where `std` does not know.
pub(super) fn is_same(one: &Metadata, other: &Metadata) -> Option<bool> {
    Some(identity(one)? == identity(other)?)
}

/// The device and the inode of a file, on Unix.
pub(super) type Identity = (u64, u64);

#[cfg(all(unix, not(artifact_not_unix)))]
#[expect(clippy::unnecessary_wraps, reason = "other systems have no identity")]
pub(super) fn identity(metadata: &Metadata) -> Option<Identity> {
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(not(all(unix, not(artifact_not_unix))))]
pub(super) fn identity(_metadata: &Metadata) -> Option<Identity> {
    None
}

/// Returns the owner and the mode, on Unix.
#[cfg(all(unix, not(artifact_not_unix)))]
#[expect(clippy::unnecessary_wraps, reason = "other systems have no modes")]
pub(super) fn owner_and_mode(metadata: &Metadata) -> Option<(u32, u32)> {
    Some((metadata.uid(), metadata.mode()))
}

#[cfg(not(all(unix, not(artifact_not_unix))))]
pub(super) fn owner_and_mode(_metadata: &Metadata) -> Option<(u32, u32)> {
    None
}

/// Returns whether the process or the system has too many files open: EMFILE (24) and ENFILE (23) on every
/// Unix, `ERROR_TOO_MANY_OPEN_FILES` (4) on Windows. `std` has no kind for these errors.
pub(super) fn too_many_files(error: &io::Error) -> bool {
    let codes: &[i32] = if UNIX { &[23, 24] } else { &[4] };
    error
        .raw_os_error()
        .is_some_and(|code| codes.contains(&code))
}

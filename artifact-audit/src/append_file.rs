//! The files of a log: the only module that touches the file system.

#![expect(
    clippy::disallowed_methods,
    reason = "the folder of an audit log belongs to the operator, and only the process with the lock writes to it"
)]

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// A file that is appended to.
pub(crate) trait AppendFile: Debug + Send {
    /// Appends bytes. After an error, some of them may be there.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Returns once all bytes are on disk.
    fn sync(&mut self) -> io::Result<()>;
    /// Cuts off what is beyond a length.
    fn truncate(&mut self, length: u64) -> io::Result<()>;
    /// Returns the length.
    fn length(&self) -> io::Result<u64>;
    /// Returns whether the file still has a name. It has none after it was removed.
    fn has_name(&self) -> io::Result<bool>;
    /// Returns whether the path leads to this file: `None` if nothing is there.
    fn is_at(&self, path: &Path) -> io::Result<Option<bool>>;
}

impl AppendFile for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn has_name(&self) -> io::Result<bool> {
        Ok(has_link(&self.metadata()?))
    }

    fn is_at(&self, path: &Path) -> io::Result<Option<bool>> {
        match path.symlink_metadata() {
            Ok(found) => Ok(Some(is_same(&found, &self.metadata()?))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(all(unix, not(artifact_not_unix)))]
fn is_same(one: &fs::Metadata, other: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;

    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(all(unix, not(artifact_not_unix)))]
fn has_link(found: &fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::nlink(found) > 0
}

/// Other systems keep the name of an open file.
#[cfg(not(all(unix, not(artifact_not_unix))))]
fn has_link(_: &fs::Metadata) -> bool {
    true
}

/// Without inodes, what is at the path of a log is taken for the log.
#[cfg(not(all(unix, not(artifact_not_unix))))]
fn is_same(one: &fs::Metadata, _: &fs::Metadata) -> bool {
    one.is_file()
}

/// Returns the options of a new file, which only this user can read.
#[cfg(all(unix, not(artifact_not_unix)))]
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(not(all(unix, not(artifact_not_unix))))]
fn options() -> OpenOptions {
    OpenOptions::new()
}

/// Takes the lock of a log. Returns `None` if another process has it. The lock ends with the file.
pub(crate) fn lock(path: &Path) -> io::Result<Option<File>> {
    check_regular(path)?;
    let file = options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Refuses a path that is there and is not a regular file: to open a FIFO could wait for ever.
fn check_regular(path: &Path) -> io::Result<()> {
    match path.metadata() {
        Ok(found) if found.is_file() => Ok(()),
        Ok(_) => Err(io::Error::new(
            ErrorKind::InvalidInput,
            "it is not a regular file",
        )),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Opens a file to read it.
pub(crate) fn open_to_read(path: &Path) -> io::Result<File> {
    check_regular(path)?;
    File::open(path)
}

/// Opens the file of a log, and creates it if it is missing.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    check_regular(path)?;
    options().create(true).append(true).read(true).open(path)
}

/// Creates a file that is not there yet.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    options().create_new(true).append(true).open(path)
}

/// Returns whether something is at a path.
pub(crate) fn exists(path: &Path) -> io::Result<bool> {
    match path.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Renames a file to a name that is free.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    if exists(to)? {
        return Err(ErrorKind::AlreadyExists.into());
    }
    fs::rename(from, to)
}

/// Removes a file that this log has created, if it is there.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes new names in the folder of a file durable.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    #[cfg(all(unix, not(artifact_not_unix)))]
    File::open(folder(path))?.sync_all()?;
    let _ = path;
    Ok(())
}

/// Returns the folder of a file.
pub(crate) fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Returns the name under which a file is now in a folder, if it has one there.
pub(crate) fn find(file: &dyn AppendFile, folder: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?;
    let mut paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.find(|path| matches!(file.is_at(path), Ok(Some(true))))
}

//! The API of `system` on systems other than Unix: files have no mode and no owner that this crate could judge.
//!
//! On Windows, SQLite keeps other programs from removing or renaming its files while they are open (`winOpen`
//! in os_win.c shares reading and writing only), and knows no `SQLITE_FCNTL_HAS_MOVED`. So only an emptied or
//! missing file is noticed.

use std::fs::{Metadata, OpenOptions};
use std::io;
use std::path::Path;

use rusqlite::Connection;

/// A file that can always be opened.
pub(super) const NULL_DEVICE: &str = "NUL";

/// Every file counts as the same.
pub(super) type Inode = ();

pub(super) fn inode(_metadata: &Metadata) -> Inode {}

#[expect(
    clippy::unnecessary_wraps,
    reason = "has the signature of the real one"
)]
pub(super) fn has_moved(_connection: &Connection) -> io::Result<bool> {
    Ok(false)
}

/// Creates an empty file. Fails if it exists.
pub(super) fn create_file(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.sync_all()
}

pub(super) fn warn_if_public(_path: &Path, _metadata: &Metadata) {}

#[expect(
    clippy::unnecessary_wraps,
    reason = "has the signature of the real one"
)]
pub(super) fn check_owners(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Returns whether a file cannot be opened because the process has too many open
/// (`ERROR_TOO_MANY_OPEN_FILES`), or because there is no memory.
pub(super) fn is_exhausted(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::OutOfMemory || error.raw_os_error() == Some(4)
}

//! The API of `system` on systems other than Unix, where files have no mode and no owner that this program could judge.

use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Opens a file for reading.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).open(path)
}

/// Held while a read moves the position of a file that others may read too.
static POSITION: Mutex<()> = Mutex::new(());

/// Reads at a position.
pub(crate) fn read_at(mut file: &File, bytes: &mut [u8], at: u64) -> io::Result<usize> {
    let _moving = POSITION.lock().unwrap_or_else(PoisonError::into_inner);
    file.seek(SeekFrom::Start(at))?;
    file.read(bytes)
}

pub(crate) fn open_small(path: &Path) -> io::Result<File> {
    open(path)
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "has the signature of the real one"
)]
pub(crate) fn wait_for_writer(_file: &File) -> io::Result<bool> {
    Ok(false)
}

/// The access control list of the file says who can read it; this program does not check it.
#[expect(
    clippy::unnecessary_wraps,
    reason = "has the signature of the real one"
)]
pub(crate) fn check_secret(_path: &Path, _found: &Metadata) -> anyhow::Result<()> {
    Ok(())
}

pub(crate) fn create_private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().create(path)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the only one; it removes the temporary files of this program"
)]
pub(crate) fn remove_file(path: &Path) -> io::Result<()> {
    std::fs::remove_file(path)
}

/// Does nothing: `std` cannot sync a folder here.
#[expect(
    clippy::unnecessary_wraps,
    reason = "has the signature of the real one"
)]
pub(crate) fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

/// Checks only that the folder exists.
pub(crate) fn check_writable(folder: &Path) -> io::Result<()> {
    folder.metadata().map(drop)
}

pub(crate) fn use_mode_of_new_files(_builder: &mut tempfile::Builder<'_, '_>) {}

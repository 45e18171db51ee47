//! The identity of the files that SQLite has open.

use std::ffi::OsString;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, FileControl};

/// The files of an open database: the main file, the log and the shared memory, each with its device
/// and inode.
///
/// SQLite keeps using files that were removed or replaced, and a row that is written to them is gone
/// after a restart (<https://sqlite.org/howtocorrupt.html>, section 2.4).
#[derive(Debug)]
pub(super) struct OpenFiles(Vec<(PathBuf, Inode)>);

/// A device and an inode.
type Inode = (u64, u64);

/// A file of the database is no longer the one that is open.
#[derive(Debug, thiserror::Error)]
#[error(
    "{} was removed, renamed, replaced or emptied while it was in use; stop the server before you \
     restore or move its database",
    .0.display()
)]
pub(super) struct LostFile(PathBuf);

impl OpenFiles {
    /// Identifies the files of a connection that has read once, so that all of them are open.
    pub(super) fn of(connection: &Connection, path: &Path) -> io::Result<Self> {
        let real = path.canonicalize()?;
        let beside = |suffix: &str| {
            let mut name = OsString::from(&real);
            name.push(suffix);
            PathBuf::from(name)
        };
        // The first path follows a symlink, so that a changed symlink is noticed.
        let paths = [path.to_owned(), beside("-wal"), beside("-shm")];
        let files = paths.map(|path| path.metadata().map(|found| (path.clone(), inode(&found))));
        let files = files.into_iter().collect::<io::Result<_>>()?;
        let mut moved = 0;
        connection
            .file_control(None::<&str>, FileControl::HasMoved(&mut moved))
            .map_err(io::Error::other)?;
        if moved != 0 {
            return Err(io::Error::other(LostFile(path.to_owned())));
        }
        Ok(Self(files))
    }

    /// Returns the first file that is no longer at its path, or that is empty although it never is.
    ///
    /// # Errors
    ///
    /// If a file cannot be examined, so that nothing is known.
    pub(super) fn lost(&self) -> io::Result<Option<LostFile>> {
        for (index, (path, expected)) in self.0.iter().enumerate() {
            let found = match path.metadata() {
                Ok(found) => found,
                Err(error) if is_absent(&error) => return Ok(Some(LostFile(path.clone()))),
                Err(error) => return Err(error),
            };
            let is_main = index == 0;
            if inode(&found) != *expected || is_main && found.len() == 0 {
                return Ok(Some(LostFile(path.clone())));
            }
        }
        Ok(None)
    }
}

/// Lets a connection close without deleting the log by its path, which may be another database's by
/// now, and without a checkpoint.
pub(super) fn leave_files(connection: &Connection) {
    // Does not fail on an open connection.
    let _ = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
}

fn inode(metadata: &Metadata) -> Inode {
    (metadata.dev(), metadata.ino())
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

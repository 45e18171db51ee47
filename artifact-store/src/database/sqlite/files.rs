//! The identity of the files that SQLite has open.

use std::error::Error as StdError;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::system::{Inode, has_moved, inode};
use super::wal_index::WalIndex;
use crate::error::{Error, ErrorKind, Operation, Result};

/// The value of the log field `alarm` for a database whose files were removed or replaced.
const LOST_DATABASE: &str = "lost-database";

/// The files of an open database: the main file, the log and the shared memory, each with its device
/// and inode.
///
/// SQLite keeps using files that were removed or replaced, and a row that is written to them is gone
/// after a restart (<https://sqlite.org/howtocorrupt.html>, section 2.4).
#[derive(Debug)]
pub(super) struct OpenFiles {
    files: [(PathBuf, Inode); 3],
    /// The first file that was found to be lost.
    lost: OnceLock<Arc<LostFile>>,
}

/// A file of the database is no longer the one that is open.
#[derive(Debug, thiserror::Error)]
#[error(
    "{} was removed, renamed, replaced or emptied while it was in use; stop the server, restore the \
     database and start the server again",
    path.display()
)]
pub(super) struct LostFile {
    path: PathBuf,
    source: Option<io::Error>,
}

/// The reason why nothing is written.
pub(super) type Cause = Arc<dyn StdError + Send + Sync>;

impl OpenFiles {
    /// Identifies the files of a connection that has read once, so that all of them are open.
    pub(super) fn of(connection: &Connection, path: &Path) -> Result<Self> {
        Self::identify(connection, path).map_err(|error| {
            Error::new(ErrorKind::Unavailable, Operation::OpenDatabase)
                .with_detail("the files of the database changed while it was being opened")
                .with_source(error)
        })
    }

    fn identify(connection: &Connection, path: &Path) -> io::Result<Self> {
        // SQLite puts the other files beside the file that a symlink names. The first path stays as
        // it is, so that a changed symlink is noticed.
        let real = path.canonicalize()?;
        let file = |path: PathBuf| {
            let inode = inode(&path.metadata()?);
            Ok::<_, io::Error>((path, inode))
        };
        let beside = |suffix: &str| {
            let mut name = OsString::from(&real);
            name.push(suffix);
            file(name.into())
        };
        let files = [file(path.to_owned())?, beside("-wal")?, beside("-shm")?];
        if has_moved(connection)? {
            return Err(io::Error::other("the file was replaced"));
        }
        let lost = OnceLock::new();
        Ok(Self { files, lost })
    }

    /// Fails if an open file is no longer the one at its path, or if the main file is empty, which it
    /// never is. From then on this always fails, because what was written to a lost file does not
    /// come back with its name. Costs three calls of `stat`.
    pub(super) fn check(&self) -> Result<(), Cause> {
        if let Some(lost) = self.lost.get() {
            return Err(lost.clone());
        }
        let Some(found) = self.find_lost()? else {
            return Ok(());
        };
        let mut is_first = false;
        let lost = self.lost.get_or_init(|| {
            is_first = true;
            Arc::new(found)
        });
        if is_first {
            tracing::error!(
                alarm = LOST_DATABASE,
                error = &**lost as &dyn StdError,
                "the database accepts no more writes"
            );
        }
        Err(lost.clone())
    }

    /// Opens the shared memory for reading.
    pub(super) fn wal_index(&self) -> io::Result<Option<WalIndex>> {
        let [_, _, (path, inode)] = &self.files;
        WalIndex::open(path, *inode)
    }

    /// Fails if it is not known whether a file is lost.
    fn find_lost(&self) -> Result<Option<LostFile>, Cause> {
        for (index, (path, expected)) in self.files.iter().enumerate() {
            let is_main = index == 0;
            let source = match path.metadata() {
                Ok(found) if inode(&found) != *expected || is_main && found.len() == 0 => None,
                Ok(_) => continue,
                Err(error) if error.kind() == io::ErrorKind::OutOfMemory => {
                    return Err(Arc::new(error));
                }
                Err(error) => Some(error),
            };
            let path = path.clone();
            return Ok(Some(LostFile { path, source }));
        }
        Ok(None)
    }
}

/// Lets a connection close without moving the log into the file, and without removing the log by its
/// path, where another database may be by now.
pub(super) fn leave_files(connection: &Connection) {
    // Does not fail on an open connection.
    let _ = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
}

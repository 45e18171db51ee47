//! Opens the file: creates it, checks it, sets it up and migrates it.

use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::error::{are_descriptors_exhausted, failed_to_open};
use super::files::leave_files;
use super::{migrations, system};
use crate::error::{Error, ErrorKind, Operation, Result};

/// How long a process waits for another one that writes.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The number of pages in the log from which on a commit moves the log into the file: 16 MiB. A row changes a page
/// of the table and of each of its indexes, and the same pages of most indexes as the row before. So a longer log
/// moves fewer pages in all.
pub(super) const LOG_PAGES: u32 = 4_000;

/// The purpose of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Write,
    Read,
}

/// Creates the file if necessary, checks that it belongs to this program, migrates it, and returns
/// the connection that writes. Blocks.
pub(super) fn set_up(path: &Path) -> Result<Connection> {
    create(path)
        .and_then(|()| system::check_owners(path))
        .map_err(|error| {
            let kind = if system::is_exhausted(&error) {
                ErrorKind::Unavailable
            } else {
                ErrorKind::Misconfigured
            };
            Error::new(kind, Operation::OpenDatabase)
                .with_detail("it cannot be created or used")
                .with_source(error)
        })?;
    let mut connection = connect(path, Role::Write).map_err(migrations::opened)?;
    // SQLite opens a file without an error if it can be read only, and every write would fail later.
    // It tries that after every error.
    if connection.is_readonly("main").map_err(migrations::opened)? {
        let (kind, detail) = if are_descriptors_exhausted() {
            let detail = "too many files are open; raise this process's limit (ulimit -n)";
            (ErrorKind::Unavailable, detail)
        } else {
            let detail = "it is read-only; change its permissions";
            (ErrorKind::Misconfigured, detail)
        };
        return Err(Error::new(kind, Operation::OpenDatabase).with_detail(detail));
    }
    // Checked before WAL mode is set: the file of another program must not change.
    migrations::identify(&mut connection, migrations::ALL)?;
    use_write_ahead_log(&connection)?;
    migrations::migrate(&mut connection, migrations::ALL)?;
    Ok(connection)
}

/// Opens a connection to an existing file.
pub(super) fn connect(path: &Path, role: Role) -> rusqlite::Result<Connection> {
    // Without SQLITE_OPEN_URI, SQLite does not interpret the path. A connection is used by one
    // thread at a time, so SQLite needs no mutex of its own.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Only for macOS, whose fsync does not reach the medium.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?;
    if role == Role::Read {
        // The writer moves the log into the file.
        leave_files(&connection);
        connection.pragma_update(None, "query_only", true)?;
    }
    Ok(connection)
}

/// Creates an empty file with mode 0600 unless it exists; SQLite itself would make it readable for
/// others. The log and the shared memory get the mode of the file.
fn create(path: &Path) -> io::Result<()> {
    match system::create_file(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let metadata = path.metadata()?;
            if !metadata.is_file() {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "the path is not a regular file",
                ));
            }
            system::warn_if_public(path, &metadata);
            Ok(())
        }
        created => created,
    }
}

/// Sets WAL mode. SQLite does not call the busy handler for all locks that this takes, so this
/// function waits itself.
fn use_write_ahead_log(connection: &Connection) -> Result<()> {
    const PAUSE: Duration = Duration::from_millis(10);
    let mut retries = BUSY_TIMEOUT.as_millis() / PAUSE.as_millis();
    loop {
        let set = connection
            .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0));
        match set {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(mode) => {
                let detail = format!(
                    "the file system does not support a write-ahead log (SQLite stays in mode \
                     {mode}); put the database on a local disk"
                );
                return Err(
                    Error::new(ErrorKind::Misconfigured, Operation::OpenDatabase)
                        .with_detail(detail),
                );
            }
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && retries > 0 =>
            {
                retries -= 1;
                thread::sleep(PAUSE);
            }
            Err(error) => return Err(failed_to_open(error)),
        }
    }
}

#[cfg(test)]
mod tests;

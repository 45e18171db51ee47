//! Opening the file: whose it is, how it is used, which schema it has.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::thread;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::error::failed;
use super::migrations;
use crate::error::{Error, ErrorKind, Operation, Result};

/// How long one process waits for another that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Write,
    Read,
}

/// Creates the file if need be, checks that it is ours, migrates it, and gives the connection that
/// writes. Blocks.
pub(super) fn set_up(path: &Path) -> Result<Connection> {
    create(path).map_err(|error| {
        Error::new(ErrorKind::Misconfigured, Operation::OpenRows)
            .with_detail(format!("{} cannot be created or used", path.display()))
            .with_source(error)
    })?;
    let mut connection = connect(path, Role::Write).map_err(migrations::opened)?;
    // A file that may not be written is opened all the same, and every write would fail later.
    if connection.is_readonly("main").map_err(migrations::opened)? {
        return Err(Error::new(ErrorKind::Misconfigured, Operation::OpenRows)
            .with_detail("the database file may not be written"));
    }
    // Before the mode is set: a file of another program must stay as it is.
    migrations::identify(&mut connection, migrations::ALL)?;
    use_write_ahead_log(&connection)?;
    migrations::migrate(&mut connection, migrations::ALL)?;
    Ok(connection)
}

/// Opens one connection to a file that is there.
pub(super) fn connect(path: &Path, role: Role) -> rusqlite::Result<Connection> {
    // Without SQLITE_OPEN_URI a path is a path, whatever its letters. A connection is used by one
    // thread at a time, so SQLite needs no mutex of its own.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Only macOS needs it: its fsync does not reach the medium.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    if role == Role::Read {
        connection.pragma_update(None, "query_only", true)?;
    }
    Ok(connection)
}

/// Makes an empty file of mode 0600 where none is; SQLite would make it readable for others. Its
/// log and its shared memory get the mode of the file.
fn create(path: &Path) -> io::Result<()> {
    let created = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match created {
        Ok(file) => {
            file.sync_all()?;
            if let Some(folder) = path.parent() {
                OpenOptions::new().read(true).open(folder)?.sync_all()?;
            }
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let there = path.metadata()?;
            if !there.is_file() {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "it is not a regular file",
                ));
            }
            if there.permissions().mode() & 0o077 != 0 {
                tracing::warn!(
                    path = %path.display(),
                    "the database file may be used by other users; mode 0600 is enough"
                );
            }
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Sets WAL mode. SQLite does not call the busy handler for all of the locks that this takes, so
/// the waiting is done here.
fn use_write_ahead_log(connection: &Connection) -> Result<()> {
    const PAUSE: Duration = Duration::from_millis(10);
    let mut left = BUSY_TIMEOUT.as_millis() / PAUSE.as_millis();
    loop {
        let set = connection
            .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0));
        match set {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(mode) => {
                let detail = format!(
                    "the file system allows no write-ahead log (SQLite stays in mode {mode}); rows \
                     need a local disk"
                );
                return Err(
                    Error::new(ErrorKind::Misconfigured, Operation::OpenRows).with_detail(detail)
                );
            }
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && left > 0 =>
            {
                left -= 1;
                thread::sleep(PAUSE);
            }
            Err(error) => return Err(failed(Operation::OpenRows, None, error)),
        }
    }
}

#[cfg(test)]
mod tests;

//! Copies of an SQLite file.

use std::path::PathBuf;
use std::sync::Arc;

use artifact_backend::blocking;
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _};

use super::SqliteDatabase;
use super::error::{MOVED, failed};
use super::files::OpenFiles;
use super::load::SqliteLoad;
use super::snapshot::SqliteSnapshot;
use super::transaction::WriteError;
use crate::database::portable::{DatabaseLoad, DatabaseSnapshot, PortableDatabase};
use crate::database::sql::TABLES;
use crate::database::subject::Subject;
use crate::error::{Error, ErrorKind, Operation, Result};

const HAS_MARK: &str = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'moved'";
const SELECT_MARK: &str = "SELECT to_database FROM moved";

/// The files of the database, for connections of their own.
#[derive(Debug, Clone)]
pub(super) struct Copies {
    pub(super) path: PathBuf,
    pub(super) files: Arc<OpenFiles>,
}

#[async_trait]
impl PortableDatabase for SqliteDatabase {
    async fn snapshot(&self) -> Result<Box<dyn DatabaseSnapshot>> {
        Ok(Box::new(SqliteSnapshot::begin(&self.copies).await?))
    }

    async fn begin_load(&self) -> Result<Box<dyn DatabaseLoad>> {
        Ok(Box::new(SqliteLoad::begin(&self.copies).await?))
    }

    async fn moved_to(&self) -> Result<Option<String>> {
        let query = |connection: &Connection| {
            if !connection.prepare(HAS_MARK)?.exists([])? {
                return Ok(None);
            }
            let mut statement = connection.prepare(SELECT_MARK)?;
            statement.query_row([], |row| row.get(0)).optional()
        };
        let subject = Subject::from(Operation::Dump);
        self.readers.query(subject, query).await
    }

    /// The triggers hold for every connection to the file, also of older versions of this program.
    async fn mark_moved(&self, to: &str) -> Result<()> {
        let to = to.to_owned();
        let work = move |connection: &Connection| {
            connection.execute_batch(
                "CREATE TABLE IF NOT EXISTS moved (\
                     only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1), to_database TEXT NOT NULL\
                 ) STRICT, WITHOUT ROWID",
            )?;
            connection.execute(
                "INSERT INTO moved VALUES (1, $1) ON CONFLICT DO UPDATE SET to_database = excluded.to_database",
                [&to],
            )?;
            for table in TABLES {
                for event in ["INSERT", "UPDATE", "DELETE"] {
                    connection.execute_batch(&format!(
                        "CREATE TRIGGER IF NOT EXISTS {} BEFORE {event} ON {table} BEGIN \
                         SELECT RAISE(ABORT, '{MOVED} to another one, which its table moved names'); END",
                        trigger(table, event)
                    ))?;
                }
            }
            Ok::<_, WriteError>(())
        };
        self.writer.work(Operation::Dump, false, work).await
    }

    async fn clear_moved(&self) -> Result<()> {
        let work = |connection: &Connection| {
            for table in TABLES {
                for event in ["INSERT", "UPDATE", "DELETE"] {
                    let trigger = trigger(table, event);
                    connection.execute_batch(&format!("DROP TRIGGER IF EXISTS {trigger}"))?;
                }
            }
            connection.execute_batch("DROP TABLE IF EXISTS moved")?;
            Ok::<_, WriteError>(())
        };
        self.writer.work(Operation::Dump, false, work).await
    }
}

fn trigger(table: &str, event: &str) -> String {
    format!("{table}_moved_{}", event.to_ascii_lowercase())
}

/// Runs work on the blocking pool. A panic is one of the caller.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = blocking::run(work).await;
    done.unwrap_or_else(|error| {
        Err(Error::new(ErrorKind::Unavailable, Operation::Dump).with_source(error))
    })
}

/// Converts an error from SQLite.
pub(super) fn copying(error: rusqlite::Error) -> Error {
    failed(Operation::Dump, error)
}

impl Copies {
    /// Fails if the files are no longer those that were opened.
    pub(super) fn check(&self) -> Result<()> {
        self.files
            .check()
            .map_err(|cause| Error::new(ErrorKind::Unavailable, Operation::Dump).with_source(cause))
    }
}

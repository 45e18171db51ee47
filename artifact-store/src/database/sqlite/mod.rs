//! The catalog and the identities in one SQLite file.

mod connection;
mod credentials;
mod digests;
mod error;
mod files;
mod inspect;
mod inventory;
mod keys;
mod load;
mod marks;
mod migrations;
mod portable;
mod quotas;
mod readers;
mod receipts;
mod removal;
mod replay;
mod scan;
mod sharing;
mod snapshot;
mod staged;
#[cfg_attr(not(all(unix, not(artifact_not_unix))), path = "no_system.rs")]
mod system;
mod transaction;
mod uploads;
#[cfg_attr(not(all(unix, not(artifact_not_unix))), path = "no_wal_index.rs")]
mod wal_index;
mod work;
mod writer;

use std::path::Path;
use std::sync::Arc;

use artifact_backend::{blocking, is_background};

use self::credentials::Credentials;
use self::files::OpenFiles;
use self::marks::Marks;
use self::portable::Copies;
use self::readers::Readers;
use self::writer::Writer;
use super::sql::{Command, Lane, Param, Record, SharingStatements, SqlDatabase, VersionedRecord};
use super::subject::Subject;
use super::traced::traced;
use crate::catalog::ReplayCatalog;
use crate::credential_cache::{CredentialCaches, RightsVersion};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::metrics::PoolStatus;

pub(super) use self::inspect::inspect;

/// The name of this database in traces.
const SYSTEM: &str = "sqlite";

/// How many queries run at the same time. In WAL mode they never wait for a lock, so a few keep all
/// cores busy. Look-ups of credentials have connections of their own.
const MAX_READERS: u32 = 4;

/// How many queries that read many rows run at the same time, over connections of their own. No other
/// query waits for them.
const MAX_LISTS: u32 = 2;

/// How many queries of the background lane run at the same time, over connections of their own.
const MAX_BACKGROUND: u32 = 1;

/// A catalog and identities in one SQLite file, which any number of processes on one machine may use
/// at the same time.
///
/// The file is created with mode 0600. It is in WAL mode with `synchronous=FULL`: a write is in the
/// log, and the log is synced, before `Ok` is returned. SQLite is compiled in.
///
/// The newest rows are only in the log, the file with the suffix `-wal`: a copy of the file alone lacks
/// them, and can be empty. Copy with `sqlite3 FILE .backup`. The log grows to about 16 MiB.
///
/// One thread executes the writes. It puts all writes that wait into one transaction, so with many
/// depositors they share one sync. Reads use a few connections on the blocking pool. Pages of lists, sums
/// over rows, and groups with their members, use two connections of their own, so that no other read waits for a list. The
/// [background lane](artifact_backend::background()) has one more connection.
///
/// A removed row leaves its id in the file for ever, as a tombstone of about 60 bytes with its entries in the indexes.
///
/// Credentials are cached, up to 32,768 of workers and 1,024 of administrators. A cached one is used only while the file
/// holds the same version of all rights, which is checked before each use, in the caller's thread: by one
/// read of the header of the `-shm` file if nothing was committed since, and otherwise by a query that takes about
/// a microsecond. So a change by any connection counts at once, also one made with the
/// `sqlite3` shell. The descriptor of the `-shm` file stays open after the database is closed, until SQLite has
/// removed the file and the next database is opened, because closing it would release the locks of other
/// connections of this process. Deposits do not change that version. Look-ups of credentials that are not cached do
/// not queue behind other queries.
///
/// A row that is also a [note](ReplayCatalog) in the backend is committed without a sync: every query finds it at once, and the next
/// commit of another kind makes it durable here too.
///
/// After a failed sync nothing is acknowledged any more: every later write is `Unavailable` until
/// the database is opened again.
///
/// The same holds once the file, its `-wal` or its `-shm` was removed, renamed or replaced by another
/// file, the file was emptied, or the folder was moved: all three files are examined before each
/// transaction, and again between its commit and its acknowledgement. An `ERROR` with
/// `alarm="lost-database"` is logged once.
/// Queries go on over the connections that are open; a query that needs a new one is `Unavailable`, so
/// that no row of another database is returned. Content that is replaced in place (`cp` over the file)
/// is not noticed.
///
/// If another process holds the write lock for five seconds, all writes that wait by then are
/// `Unavailable` together, and are never executed. Neither is a write that has waited for ten seconds,
/// or a row whose [deadline](crate::Catalog::insert_with) has passed, once the lock is free.
#[derive(Debug)]
pub struct SqliteDatabase {
    // Dropped in this order: only the writer moves the log into the file, as the last connection.
    readers: Readers,
    credentials: Credentials,
    lists: Readers,
    background: Readers,
    marks: Marks,
    copies: Copies,
    writer: Writer,
}

impl SqliteDatabase {
    /// Opens the file, or creates it in an existing folder. Migrates an older schema in one
    /// transaction; if two processes do this at the same time, both succeed.
    ///
    /// # Errors
    ///
    /// `Misconfigured` if the file is not an SQLite file, belongs to another program, has a newer
    /// schema than this version knows, or cannot be read and written, or if the file or its log belongs to another
    /// user than root and this process, or every user can write to it; `Unavailable` if another
    /// process holds it for longer than five seconds; `OutOfSpace`. Every detail names the file.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self> {
        let fail = |kind| Error::new(kind, Operation::OpenDatabase);
        let path = std::path::absolute(path).map_err(|error| {
            fail(ErrorKind::Misconfigured)
                .with_detail("the path of the database file cannot be resolved")
                .with_source(error)
        })?;
        let named = |error: Error| {
            let detail = format!("the database file {}: {}", path.display(), error.detail());
            error.with_detail(detail)
        };
        let opened = {
            let path = path.clone();
            blocking::run(move || {
                let connection = connection::set_up(&path)?;
                let files = OpenFiles::of(&connection, &path)?;
                Ok::<_, Error>((connection, Arc::new(files)))
            })
            .await
        };
        let (connection, files) = opened
            .unwrap_or_else(|error| Err(fail(ErrorKind::Unavailable).with_source(error)))
            .map_err(named)?;
        let readers = Readers::new(path.clone(), Arc::clone(&files), MAX_READERS);
        Ok(Self {
            copies: Copies {
                path: path.clone(),
                files: Arc::clone(&files),
            },
            credentials: Credentials::new(path, Arc::clone(&files), &readers),
            lists: readers.beside(MAX_LISTS),
            background: readers.beside(MAX_BACKGROUND),
            readers,
            marks: Marks::new(Arc::clone(&files)),
            writer: Writer::start(connection, files)?,
        })
    }

    pub(super) fn pool_statuses(&self) -> Vec<PoolStatus> {
        vec![
            self.readers.status("queries"),
            self.lists.status("lists"),
            self.credentials.pool("credentials"),
            self.background.status("background"),
        ]
    }

    /// Returns the connections for a query that begins now.
    fn readers_of(&self, lane: Lane) -> &Readers {
        match lane {
            _ if is_background() => &self.background,
            Lane::Lookup => &self.readers,
            Lane::List => &self.lists,
        }
    }

    /// Returns the number of committed transactions. It is lower than the number of writes if
    /// writes were concurrent.
    pub fn transactions(&self) -> u64 {
        self.writer.transactions()
    }

    /// Finishes the calls that were made before, moves the log into the file, and closes the file.
    /// Every later call is `Unavailable`. Succeeds if it is closed already.
    ///
    /// While another process uses the file, the log stays beside it; the last process that closes the file moves it. Nothing
    /// waits for other processes. Dropping does the same and blocks for as long as that takes, usually milliseconds.
    ///
    /// # Errors
    ///
    /// If the file cannot be closed properly. No row is lost by that.
    pub async fn close(&self) -> Result<()> {
        self.marks.close();
        self.readers.close().await;
        self.credentials.close().await;
        self.lists.close().await;
        self.background.close().await;
        self.writer.close().await
    }
}

impl SqlDatabase for SqliteDatabase {
    const SELECT_CHUNK_DIGESTS: &'static str = digests::SELECT;
    const SELECT_KEY: &'static str = keys::SELECT;
    const SELECT_LOCATIONS: &'static str = "\
        SELECT id, collection, name FROM collection_files \
        WHERE id IN (SELECT unhex(value) FROM json_each($1)) AND state = 0";
    const SHARING: &'static SharingStatements = sharing::STATEMENTS;

    async fn query_in<R: Record>(
        &self,
        lane: Lane,
        subject: impl Into<Subject> + Send,
        statement: &'static str,
        params: impl Into<Vec<Param>> + Send,
    ) -> Result<Vec<R>> {
        let (subject, params) = (subject.into(), params.into());
        let query = move |connection: &_| transaction::query(connection, statement, &params);
        traced(SYSTEM, subject, self.readers_of(lane).query(subject, query)).await
    }

    async fn write(&self, command: Command) -> Result<()> {
        traced(SYSTEM, command.subject(), self.writer.write(command)).await
    }

    fn as_replayed(&self) -> Option<&dyn ReplayCatalog> {
        Some(self)
    }

    async fn delete_ended_shares(&self, limit: usize) -> Result<u64> {
        let work = move |connection: &_| sharing::forget(connection, limit);
        self.writer.work(Operation::Share, true, work).await
    }

    async fn query_credential<R: VersionedRecord>(
        &self,
        statement: &'static str,
        params: impl Into<Vec<Param>> + Send,
    ) -> Result<Option<R>> {
        let operation = Operation::FindCredential;
        let query = self.credentials.query(operation, statement, params.into());
        traced(SYSTEM, operation, query).await
    }

    fn credentials(&self) -> &CredentialCaches {
        &self.credentials.caches
    }

    fn rights_version(&self) -> Option<RightsVersion> {
        self.credentials.rights().map(|rights| rights.version)
    }
}

#[cfg(test)]
mod tests;

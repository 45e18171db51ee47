//! The look-ups of credentials: connections of their own, and the version of the rights.

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use rusqlite::Connection;

use super::connection::{Role, connect};
use super::files::OpenFiles;
use super::readers::Readers;
use super::transaction;
use crate::credential_cache::{CredentialCache, RightsVersion};
use crate::database::sql::{CredentialRecord, Param, SELECT_CREDENTIAL};
use crate::error::{Operation, Result};

/// How many credentials are read at the same time. No other query delays them.
const MAX_READERS: u32 = 2;
/// How many threads read the version at the same time. Each takes about a microsecond.
const MAX_PROBES: usize = 4;

const SELECT_VERSION: &str = "SELECT version FROM rights";

/// The cache of credentials, and the connections that fill and check it.
#[derive(Debug)]
pub(super) struct Credentials {
    readers: Readers,
    probes: Arc<Probes>,
    pub(super) cache: CredentialCache,
}

impl Credentials {
    pub(super) fn new(path: PathBuf, files: Arc<OpenFiles>, others: &Readers) -> Self {
        Self {
            readers: others.beside(MAX_READERS),
            probes: Arc::new(Probes {
                path,
                files,
                connections: OnceLock::new(),
            }),
            cache: CredentialCache::default(),
        }
    }

    /// Reads a credential, on the blocking pool.
    pub(super) async fn query(&self, params: Vec<Param>) -> Result<Option<CredentialRecord>> {
        let probes = Arc::clone(&self.probes);
        let query = move |connection: &Connection| {
            let found = transaction::query(connection, SELECT_CREDENTIAL, &params)?.pop();
            // A credential that is cached needs a probe later.
            if found.is_some() {
                probes.open();
            }
            Ok(found)
        };
        self.readers
            .query(Operation::FindCredential.into(), query)
            .await
    }

    /// Returns the version of the rights that the database has now, and `None` if it cannot be read at
    /// once.
    pub(super) fn version(&self) -> Option<RightsVersion> {
        self.probes.version()
    }

    pub(super) async fn close(&self) {
        self.readers.close().await;
        self.probes.close();
    }
}

/// Connections that read the version of the rights in the caller's thread.
///
/// In WAL mode such a read waits for no lock. It looks at the shared memory of the log, and reads two
/// pages from the page cache if any connection has committed since the last read.
#[derive(Debug)]
struct Probes {
    path: PathBuf,
    files: Arc<OpenFiles>,
    /// `None` once the database is closed.
    connections: OnceLock<Vec<Mutex<Option<Connection>>>>,
}

impl Probes {
    /// Opens the connections, unless they are open. If that fails, each credential is read from the
    /// database, and a later call tries again.
    fn open(&self) {
        if self.connections.get().is_none()
            && let Some(opened) = self.connect_all()
        {
            // Another thread may have been faster.
            let _ = self.connections.set(opened);
        }
    }

    fn connect_all(&self) -> Option<Vec<Mutex<Option<Connection>>>> {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let opened = (0..cores.min(MAX_PROBES)).map(|_| {
            let connection = connect(&self.path, Role::Read).ok()?;
            connection.busy_timeout(Duration::ZERO).ok()?;
            // Opens the log.
            read(&connection)?;
            Some(Mutex::new(Some(connection)))
        });
        let opened = opened.collect();
        // The log must be that of the writer.
        self.files.check().ok()?;
        opened
    }

    fn version(&self) -> Option<RightsVersion> {
        let connections = self.connections.get()?;
        let idle = connections
            .iter()
            .find_map(|connection| connection.try_lock().ok());
        let connection = idle.or_else(|| connections.first().map(lock))?;
        read(connection.as_ref()?)
    }

    fn close(&self) {
        for connection in self.connections.get().into_iter().flatten() {
            lock(connection).take();
        }
    }
}

fn lock(connection: &Mutex<Option<Connection>>) -> MutexGuard<'_, Option<Connection>> {
    // A panic in a query leaves the connection usable.
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read(connection: &Connection) -> Option<RightsVersion> {
    let mut statement = connection.prepare_cached(SELECT_VERSION).ok()?;
    let number = statement.query_row([], |row| row.get(0)).ok()?;
    RightsVersion::new(number)
}

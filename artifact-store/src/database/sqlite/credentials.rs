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
use super::wal_index::{IndexHeader, WalIndex};
use crate::credential_cache::{CredentialCaches, Rights, RightsVersion};
use crate::database::sql::{Param, VersionedRecord};
use crate::error::{Operation, Result};
use crate::metrics::PoolStatus;
use crate::quota::UnlimitedCache;

/// How many credentials are read at the same time. No other query delays them.
const MAX_READERS: u32 = 2;
/// How many threads read the version at the same time. Each takes about a microsecond, or less if
/// nothing was committed.
const MAX_PROBES: usize = 4;

const SELECT_RIGHTS: &str = "SELECT version, EXISTS (SELECT 1 FROM quotas) FROM rights";

/// The cache of credentials, and the connections that fill and check it.
#[derive(Debug)]
pub(super) struct Credentials {
    readers: Readers,
    probes: Arc<Probes>,
    pub(super) caches: CredentialCaches,
    pub(super) unlimited: UnlimitedCache,
}

impl Credentials {
    pub(super) fn new(path: PathBuf, files: Arc<OpenFiles>, others: &Readers) -> Self {
        Self {
            readers: others.beside(MAX_READERS),
            probes: Arc::new(Probes {
                path,
                files,
                all: OnceLock::new(),
            }),
            caches: CredentialCaches::default(),
            unlimited: UnlimitedCache::default(),
        }
    }

    /// Returns the status of the connections, under a name.
    pub(super) fn pool(&self, name: &'static str) -> PoolStatus {
        self.readers.status(name)
    }

    /// Reads a record that is cached with the version of the rights, such as a credential, on the blocking pool.
    pub(super) async fn query<R: VersionedRecord>(
        &self,
        operation: Operation,
        statement: &'static str,
        params: Vec<Param>,
    ) -> Result<Option<R>> {
        let probes = Arc::clone(&self.probes);
        let query = move |connection: &Connection| {
            let found = transaction::query(connection, statement, &params)?.pop();
            // What is cached needs a probe later.
            if found.is_some() {
                probes.open();
            }
            Ok(found)
        };
        self.readers.query(operation.into(), query).await
    }

    /// Returns the rights that the database has now, and `None` if they cannot be read at once.
    pub(super) fn rights(&self) -> Option<Rights> {
        self.probes.rights()
    }

    pub(super) async fn close(&self) {
        self.readers.close().await;
        self.probes.close();
    }
}

/// Connections that read the version of the rights in the caller's thread.
///
/// The version is read again once any connection has committed. In WAL mode such a read waits for no
/// lock: it looks at the shared memory of the log, and reads two pages from the page cache.
#[derive(Debug)]
struct Probes {
    path: PathBuf,
    files: Arc<OpenFiles>,
    /// `None` once the database is closed.
    all: OnceLock<Vec<Mutex<Option<Probe>>>>,
}

#[derive(Debug)]
struct Probe {
    connection: Connection,
    /// `None` if this system cannot read it.
    index: Option<WalIndex>,
    /// The last rights that were read, and the state of the database that they belong to.
    known: Option<(IndexHeader, Rights)>,
}

impl Probe {
    /// Returns the rights. A commit that was acknowledged before this call is taken into account.
    fn rights(&mut self) -> Option<Rights> {
        let before = self.index.as_ref().and_then(WalIndex::header);
        match self.known {
            Some((state, rights)) if before == Some(state) => return Some(rights),
            _ => self.known = None,
        }
        let rights = read(&self.connection)?;
        // They belong to this state only if there was no commit in between.
        if let (Some(index), Some(before)) = (&self.index, before)
            && index.header() == Some(before)
        {
            self.known = Some((before, rights));
        }
        Some(rights)
    }
}

impl Probes {
    /// Opens the connections, unless they are open. If that fails, each credential is read from the
    /// database, and a later call tries again.
    fn open(&self) {
        if self.all.get().is_none()
            && let Some(opened) = self.connect_all()
        {
            // Another thread may have been faster.
            let _ = self.all.set(opened);
        }
    }

    fn connect_all(&self) -> Option<Vec<Mutex<Option<Probe>>>> {
        let index = self.files.wal_index().unwrap_or_else(|error| {
            tracing::debug!(%error, "the shared memory of the database cannot be read");
            None
        });
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let opened = (0..cores.min(MAX_PROBES)).map(|_| {
            let connection = connect(&self.path, Role::Read).ok()?;
            connection.busy_timeout(Duration::ZERO).ok()?;
            // Opens the log.
            read(&connection)?;
            Some(Mutex::new(Some(Probe {
                connection,
                index: index.clone(),
                known: None,
            })))
        });
        let opened = opened.collect();
        // The log must be that of the writer.
        self.files.check().ok()?;
        opened
    }

    fn rights(&self) -> Option<Rights> {
        let all = self.all.get()?;
        let idle = all.iter().find_map(|probe| probe.try_lock().ok());
        let mut probe = idle.or_else(|| all.first().map(lock))?;
        probe.as_mut()?.rights()
    }

    fn close(&self) {
        for probe in self.all.get().into_iter().flatten() {
            lock(probe).take();
        }
    }
}

fn lock(probe: &Mutex<Option<Probe>>) -> MutexGuard<'_, Option<Probe>> {
    // A panic in a query leaves the connection usable.
    probe.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read(connection: &Connection) -> Option<Rights> {
    let mut statement = connection.prepare_cached(SELECT_RIGHTS).ok()?;
    let found = statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?)));
    let (number, has_quotas) = found.ok()?;
    Some(Rights {
        version: RightsVersion::new(number)?,
        has_quotas,
    })
}

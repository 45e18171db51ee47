//! A few connections that only read, on the blocking pool.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use artifact_backend::blocking;
use rusqlite::Connection;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use super::connection::{Role, connect};
use super::error::failed;
use super::files::{Cause, OpenFiles};
use crate::database::rejected::Rejected;
use crate::database::subject::Subject;
use crate::error::{ErrorKind, Result};
use crate::metrics::PoolStatus;

pub(super) struct Readers {
    shared: Arc<Shared>,
    permits: Arc<Semaphore>,
    max_connections: u32,
    /// The queries that wait for a permit.
    waiting: AtomicUsize,
}

/// A query that waits for a permit. The count goes down again when it is dropped.
struct Waiting<'r>(&'r AtomicUsize);

impl<'r> Waiting<'r> {
    fn begin(count: &'r AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Shared {
    path: PathBuf,
    files: Arc<OpenFiles>,
    idle: Mutex<Vec<Connection>>,
    /// Connections of other queries, for use after the files are lost.
    spare: Option<Arc<Shared>>,
}

impl Shared {
    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        // Only single pushes and pops happen under the lock, so a panic leaves the list valid.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn query<T>(
        &self,
        subject: Subject,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        let lost = |cause: Cause| {
            subject
                .error(ErrorKind::Unavailable)
                .with_detail("the database has no open connection left for this query")
                .with_source(cause)
        };
        let mut home = self;
        let mut idle = self.idle().pop();
        if idle.is_none()
            && let Err(cause) = self.files.check()
        {
            home = self.spare.as_deref().unwrap_or(self);
            idle = home.idle().pop();
            if idle.is_none() {
                return Err(lost(cause));
            }
        }
        let is_new = idle.is_none();
        let connection = match idle {
            Some(connection) => connection,
            None => connect(&self.path, Role::Read).map_err(|error| failed(subject, error))?,
        };
        let found = query(&connection);
        if is_new {
            // The query has opened the log. It must be the log of the writer.
            self.files.check().map_err(lost)?;
        }
        home.idle().push(connection);
        found.map_err(|error| failed(subject, error))
    }
}

impl Readers {
    /// Opens connections when they are needed, one for each query that runs at the same time.
    pub(super) fn new(path: PathBuf, files: Arc<OpenFiles>, max_connections: u32) -> Self {
        Self::with_spare(path, files, max_connections, None)
    }

    /// Creates a pool of other connections to the same file. After the files are lost, it uses those of this
    /// pool that are open and idle.
    pub(super) fn beside(&self, max_connections: u32) -> Self {
        let Shared { path, files, .. } = &*self.shared;
        let spare = Some(Arc::clone(&self.shared));
        Self::with_spare(path.clone(), Arc::clone(files), max_connections, spare)
    }

    fn with_spare(
        path: PathBuf,
        files: Arc<OpenFiles>,
        max_connections: u32,
        spare: Option<Arc<Shared>>,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                path,
                files,
                idle: Mutex::new(Vec::new()),
                spare,
            }),
            permits: Arc::new(Semaphore::new(max_connections as usize)),
            max_connections,
            waiting: AtomicUsize::new(0),
        }
    }

    /// Runs a query. If the future is dropped, a query that has begun runs to its end.
    pub(super) async fn query<T: Send + 'static>(
        &self,
        subject: Subject,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let permit = self
            .acquire()
            .await
            .map_err(|_| Rejected::CLOSED.into_error(subject))?;
        let shared = Arc::clone(&self.shared);
        let found = blocking::run(move || {
            // The permit moves into the work, so `close` waits for all queries by waiting for all
            // permits.
            let _permit = permit;
            shared.query(subject, query)
        });
        found
            .await
            .unwrap_or_else(|error| Err(subject.error(ErrorKind::Unavailable).with_source(error)))
    }

    async fn acquire(&self) -> std::result::Result<OwnedSemaphorePermit, AcquireError> {
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Ok(permit);
        }
        let _waiting = Waiting::begin(&self.waiting);
        Arc::clone(&self.permits).acquire_owned().await
    }

    /// Returns the status of this pool, under a name.
    pub(super) fn status(&self, name: &'static str) -> PoolStatus {
        let limit = self.max_connections as usize;
        let in_use = limit.saturating_sub(self.permits.available_permits());
        let idle = self.shared.idle().len();
        let waiting = self.waiting.load(Ordering::Relaxed);
        PoolStatus::new(name, limit, in_use, idle, waiting)
    }

    /// Waits for the running queries, and closes every connection.
    pub(super) async fn close(&self) {
        // An error means that they are closed already.
        if let Ok(_all) = self.permits.acquire_many(self.max_connections).await {
            self.permits.close();
            self.shared.idle().clear();
        }
    }
}

impl fmt::Debug for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readers")
            .field("path", &self.shared.path)
            .field("idle", &self.shared.idle().len())
            .finish_non_exhaustive()
    }
}

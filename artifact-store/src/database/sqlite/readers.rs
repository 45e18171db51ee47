//! A few connections that only read, on the blocking pool.

use std::fmt;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::connection::{Role, connect};
use super::error::failed;
use crate::error::{Error, ErrorKind, Operation, Result};

/// At most so many queries run at once. In WAL mode they wait for nobody, so a few keep every core
/// busy.
const CONNECTIONS: u32 = 4;

pub(super) struct Readers {
    shared: Arc<Shared>,
    permits: Arc<Semaphore>,
}

struct Shared {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Shared {
    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        // A push or a pop is whole or did not happen.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            shared: Arc::new(Shared {
                path,
                idle: Mutex::new(Vec::new()),
            }),
            permits: Arc::new(Semaphore::new(CONNECTIONS as usize)),
        }
    }

    /// Runs a query. If the future is dropped, a query that has begun runs to its end.
    pub(super) async fn query<T: Send + 'static>(
        &self,
        operation: Operation,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let unavailable =
            |detail| Error::new(ErrorKind::Unavailable, operation).with_detail(detail);
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .map_err(|_| unavailable("the rows are closed"))?;
        let shared = Arc::clone(&self.shared);
        let running = tokio::task::spawn_blocking(move || {
            // The permit is the task's: who waits for all permits waits for all tasks.
            let _permit = permit;
            let idle = shared.idle().pop();
            let connection = match idle {
                Some(connection) => connection,
                None => connect(&shared.path, Role::Read)?,
            };
            let found = query(&connection);
            shared.idle().push(connection);
            found
        });
        match running.await {
            Ok(found) => found.map_err(|error| failed(operation, None, error)),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                Err(error) => Err(unavailable("the runtime shuts down").with_source(error)),
            },
        }
    }

    /// Waits for the queries that run, and closes every connection.
    pub(super) async fn close(&self) {
        // An error means that they are closed already.
        if let Ok(_all) = self.permits.acquire_many(CONNECTIONS).await {
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

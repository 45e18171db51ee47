//! Whether a store can serve requests now, and if not, why.

mod check;
mod single_flight;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use artifact_backend::ArtifactInventory;
use futures_util::future::join3;

use self::check::Checks;
use self::single_flight::SingleFlight;
use crate::database::Database;
use crate::store::ArtifactStore;

/// A part of a store that may not be ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReadinessPart {
    /// The database with the rows.
    Database,
    /// The backend with the blobs.
    Backend,
    /// The file systems of the [minimum of free space](crate::StoreConfig::with_min_free_space).
    FreeSpace,
    /// The process itself.
    Server,
}

impl ReadinessPart {
    /// Returns the name of the part: `database`, `backend`, `free-space` or `server`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Backend => "backend",
            Self::FreeSpace => "free-space",
            Self::Server => "server",
        }
    }
}

impl fmt::Display for ReadinessPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a part is not ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UnreadyReason {
    /// The check did not end within its [time limit](ReadinessProbe::with_time_limit).
    NoAnswer,
    /// The part cannot be read: it cannot be reached, or its data is gone or damaged.
    Unreadable,
    /// The part can be read and refuses writes, for example after a failed sync, or because its file was removed.
    RefusesWrites,
    /// The storage is full, or has less free space than the minimum.
    OutOfSpace,
    /// The part has another store id than at the first check, or has lost it.
    WrongStore,
    /// The process is [shutting down](ReadinessProbe::shut_down).
    ShuttingDown,
}

impl UnreadyReason {
    /// Returns the reason in a few words, without names of files, hosts or users.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoAnswer => "does not answer in time",
            Self::Unreadable => "cannot be read",
            Self::RefusesWrites => "refuses writes",
            Self::OutOfSpace => "has too little free space",
            Self::WrongStore => "belongs to another store",
            Self::ShuttingDown => "is shutting down",
        }
    }
}

impl fmt::Display for UnreadyReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a [`ReadinessProbe`] found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use = "it says whether the store is ready"]
pub struct Readiness {
    unready: Vec<(ReadinessPart, UnreadyReason)>,
}

impl Readiness {
    /// Returns whether every part is ready.
    pub fn is_ready(&self) -> bool {
        self.unready.is_empty()
    }

    fn shutting_down() -> Self {
        Self {
            unready: vec![(ReadinessPart::Server, UnreadyReason::ShuttingDown)],
        }
    }

    /// Returns the parts that are not ready, each once, with the reason. Empty if all are.
    pub fn unready(&self) -> &[(ReadinessPart, UnreadyReason)] {
        &self.unready
    }
}

/// Checks whether a store can serve requests, by a round trip to its database and its backend. A clone shares the same
/// checks.
///
/// A check reads the [store id](artifact_backend::StoreId) of both. Then it makes the same id durable again, which changes nothing but
/// needs what an acknowledged write needs:
///
/// - In the database it also takes a lease and gives it back, so that a row has to be written: one sync of an SQLite file, one transaction
///   on PostgreSQL.
/// - In a folder it writes and syncs a temporary file without a name, and syncs the open segment of `pack:`.
/// - In a bucket it is a create that the existing object refuses, about four small requests.
///
/// No blob is created, and no file is left. A layer around the backend sees these calls as it sees all others. While blobs are
/// [moved](crate::Placement), the backend that they are moved from is only read. A store without a store id, whose halves were never
/// [joined](crate::StoreHalves), is only read too.
///
/// The result of a part is kept for [a few seconds](Self::with_cache_period). Of any number of callers, one check of a part runs at a time,
/// and the others wait for its result. A check that takes longer than the [time limit](Self::with_time_limit) is `NoAnswer`; it goes on, and
/// no other check of that part begins before it has ended. So a disk that hangs holds one thread, however often it is asked.
///
/// A part that stops or begins to be ready is logged once, with the error.
///
/// ```
/// use std::sync::Arc;
///
/// use artifact_store::{ArtifactStore, Backend, Database, ReadinessProbe, StoreConfig};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let backend = Backend::from_url("mem:").await?;
/// let database = Database::from_url("mem:").await?;
/// let store = ArtifactStore::new(backend.backend(), Arc::clone(&database.catalog), StoreConfig::default());
/// let probe = ReadinessProbe::new(&store, &database, backend.inventory());
/// assert!(probe.check().await.is_ready());
///
/// probe.shut_down();
/// let found = probe.check().await;
/// let (part, reason) = found.unready()[0];
/// assert_eq!(format!("{part} {reason}"), "server is shutting down");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ReadinessProbe {
    checks: Checks,
    database: Arc<SingleFlight>,
    backend: Arc<SingleFlight>,
    free_space: Arc<SingleFlight>,
    shutting_down: Arc<AtomicBool>,
    limit: Duration,
    cache: Duration,
}

impl ReadinessProbe {
    /// The default of [`with_time_limit`](Self::with_time_limit).
    pub const TIME_LIMIT: Duration = Duration::from_secs(2);
    /// The default of [`with_cache_period`](Self::with_cache_period).
    pub const CACHE_PERIOD: Duration = Duration::from_secs(3);

    /// Creates a probe of a store. `database` and `backend` are those of the store; if it [follows a placement](ArtifactStore::placed), the
    /// backends of the placement are asked instead. Does no I/O.
    pub fn new(
        store: &ArtifactStore,
        database: &Database,
        backend: Arc<dyn ArtifactInventory>,
    ) -> Self {
        let flight = |part| Arc::new(SingleFlight::new(part));
        Self {
            checks: Checks::new(store, database, backend),
            database: flight(ReadinessPart::Database),
            backend: flight(ReadinessPart::Backend),
            free_space: flight(ReadinessPart::FreeSpace),
            shutting_down: Arc::default(),
            limit: Self::TIME_LIMIT,
            cache: Self::CACHE_PERIOD,
        }
    }

    /// Sets how long the check of a part may take. Default: 2 seconds.
    #[must_use = "returns the changed probe"]
    pub fn with_time_limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Sets how long the result of a part is used; zero checks each time. Default: 3 seconds.
    #[must_use = "returns the changed probe"]
    pub fn with_cache_period(mut self, period: Duration) -> Self {
        self.cache = period;
        self
    }

    /// Makes this probe and its clones not ready from now on, because the process ends.
    pub fn shut_down(&self) {
        self.shutting_down.store(true, Ordering::Release);
    }

    /// Checks all parts at the same time. Takes about the [time limit](Self::with_time_limit) at most.
    ///
    /// The future can be dropped; the check then goes on for other callers.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, or if it has no timer.
    pub async fn check(&self) -> Readiness {
        if self.is_shutting_down() {
            return Readiness::shutting_down();
        }
        let (limit, cache, checks) = (self.limit, self.cache, &self.checks);
        let (database, backend, free_space) = join3(
            self.database.result(limit, cache, || checks.database()),
            self.backend.result(limit, cache, || checks.backend()),
            self.free_space.result(limit, cache, || checks.free_space()),
        )
        .await;
        let parts = [
            (ReadinessPart::Database, database),
            (ReadinessPart::Backend, backend),
            (ReadinessPart::FreeSpace, free_space),
        ];
        if self.is_shutting_down() {
            return Readiness::shutting_down();
        }
        let unready = parts
            .into_iter()
            .filter_map(|(part, result)| Some((part, result.err()?)));
        Readiness {
            unready: unready.collect(),
        }
    }

    fn is_shutting_down(&self) -> bool {
        self.shutting_down.load(Ordering::Acquire)
    }
}

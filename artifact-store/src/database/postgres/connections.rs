//! The pool of connections, and the retries after a lost connection.

use std::fmt;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use deadpool::managed::{Object, Pool};
use deadpool_postgres::Transaction;
use futures_util::future::{BoxFuture, try_join3};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::error::Elapsed;
use tokio::time::{Instant, sleep, timeout};

use super::abandoned::Abandoned;
use super::error::Failure;
use super::manager::Manager;
use super::target::CONNECT_TIMEOUT;
use crate::database::rejected::Rejected;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::metrics::{PoolStatus, count_database_retry};

/// How long a caller waits for a connection while others use all of them.
const POOL_TIMEOUT: Duration = Duration::from_secs(5);
/// How long this side waits for a statement. The server aborts it earlier, after 10 seconds.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(12);
/// How long idempotent work is retried after a lost connection.
const RETRY: Duration = Duration::from_secs(2);
/// The pause before the first retry; each later pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// Makes the commit of the current transaction wait for its sync.
const DURABLE: &str = "\
    SELECT pg_catalog.set_config('synchronous_commit', 'on', true) \
        WHERE pg_catalog.current_setting('synchronous_commit') NOT IN ('on', 'remote_apply')";

/// Makes the current transaction write something, even if its statements change nothing. A commit
/// without writes waits for no sync and no standby, but what it confirms may come from a commit that was
/// cancelled while it waited for its standby.
pub(super) const BARRIER: &str = "SELECT FROM artifact.schema_version FOR KEY SHARE";

/// A connection that returns to its pool when it is dropped.
pub(super) type Connection = Object<Manager>;

/// Statements to run on a connection.
pub(super) trait Work<T>:
    for<'c> Fn(&'c mut Connection) -> BoxFuture<'c, Result<T, Failure>> + Send + Sync
{
}

impl<T, W> Work<T> for W where
    W: for<'c> Fn(&'c mut Connection) -> BoxFuture<'c, Result<T, Failure>> + Send + Sync
{
}

/// Statements to run in a transaction. An error rolls it back.
pub(super) trait TransactionWork<T>:
    for<'c> Fn(&'c Transaction<'c>) -> BoxFuture<'c, Result<T, Failure>> + Send + Sync
{
}

impl<T, W> TransactionWork<T> for W where
    W: for<'c> Fn(&'c Transaction<'c>) -> BoxFuture<'c, Result<T, Failure>> + Send + Sync
{
}

/// A bounded pool of connections, which are opened when they are needed.
pub(super) struct Connections {
    pool: Pool<Manager>,
    /// Half of the connections may run queries that return many rows. The others stay free for look-ups,
    /// such as that of a credential, and for transactions.
    lists: Semaphore,
    abandoned: Abandoned,
}

impl Connections {
    pub(super) fn new(manager: Manager, max_connections: usize) -> Result<Self> {
        let abandoned = Abandoned::new(manager.tls().clone());
        let pool = Pool::builder(manager)
            .max_size(max_connections)
            .runtime(deadpool::Runtime::Tokio1)
            .wait_timeout(Some(POOL_TIMEOUT))
            .create_timeout(Some(CONNECT_TIMEOUT))
            .build()
            .map_err(|error| {
                Error::new(ErrorKind::Unexpected, Operation::OpenDatabase).with_source(error)
            })?;
        Ok(Self {
            pool,
            lists: Semaphore::new(max_connections.div_ceil(2)),
            abandoned,
        })
    }

    /// Runs work once. If the future is dropped, a statement that has begun runs to its end, and a
    /// transaction is rolled back.
    pub(super) async fn once<T: Send>(&self, work: impl Work<T>) -> Result<T, Failure> {
        let mut connection = self.get().await?;
        let outcome = timeout(STATEMENT_TIMEOUT, work(&mut connection)).await;
        self.finish(connection, outcome)
    }

    /// Runs idempotent work, and retries it for [`RETRY`] if the connection is lost.
    pub(super) async fn retry<T: Send>(&self, work: impl Work<T>) -> Result<T, Failure> {
        let mut retries = Retries::until(Instant::now() + RETRY);
        loop {
            match self.once(&work).await {
                Err(failure) if failure.lost => retries.pause(failure).await?,
                outcome => return outcome,
            }
        }
    }

    /// Runs work in one transaction, and retries it for [`RETRY`] if the connection is lost before
    /// the commit is sent. A commit without a reply is not retried: it is unknown whether it was
    /// done.
    pub(super) async fn transact<T: Send>(
        &self,
        work: impl TransactionWork<T>,
    ) -> Result<T, Failure> {
        let mut retries = Retries::until(Instant::now() + RETRY);
        loop {
            let mut is_committing = false;
            match self.transact_once(&work, &mut is_committing).await {
                Err(failure) if failure.lost && !is_committing => retries.pause(failure).await?,
                outcome => return outcome,
            }
        }
    }

    async fn transact_once<T: Send>(
        &self,
        work: &impl TransactionWork<T>,
        is_committing: &mut bool,
    ) -> Result<T, Failure> {
        let mut connection = self.get().await?;
        let transacting = async {
            let transaction = connection.transaction().await?;
            // Sent together with the first statement of the work.
            let ((), (), value) = try_join3(
                durable(&transaction),
                async { Ok(transaction.batch_execute(BARRIER).await?) },
                work(&transaction),
            )
            .await?;
            *is_committing = true;
            transaction.commit().await?;
            Ok(value)
        };
        let outcome = timeout(STATEMENT_TIMEOUT, transacting).await;
        self.finish(connection, outcome)
    }

    /// Waits until a query that returns many rows may take a connection.
    pub(super) async fn list(&self) -> Result<SemaphorePermit<'_>, Failure> {
        match timeout(POOL_TIMEOUT, self.lists.acquire()).await {
            Ok(permit) => permit.map_err(|_| Rejected::CLOSED.into()),
            Err(_) => Err(Failure::timed_out()),
        }
    }

    /// Takes a connection from the pool. Its use has no time-out on this side.
    pub(super) async fn get(&self) -> Result<Connection, Failure> {
        self.pool.get().await.map_err(Failure::of_pool)
    }

    /// Takes a connection from the pool, and retries for [`RETRY`] if the database is unreachable or
    /// still starting.
    pub(super) async fn get_with_retries(&self) -> Result<Connection, Failure> {
        let mut retries = Retries::until(Instant::now() + RETRY);
        loop {
            match self.get().await {
                Err(failure) if failure.lost => retries.pause(failure).await?,
                outcome => return outcome,
            }
        }
    }

    /// Returns the connection to the pool, unless it is lost or has a statement without an answer.
    fn finish<T>(
        &self,
        connection: Connection,
        outcome: Result<Result<T, Failure>, Elapsed>,
    ) -> Result<T, Failure> {
        match outcome {
            Ok(Err(failure)) if failure.lost => {
                drop(Object::take(connection));
                Err(failure)
            }
            Ok(outcome) => outcome,
            Err(_) => {
                self.abandoned.cancel(connection);
                Err(Failure::timed_out())
            }
        }
    }

    /// Returns the status of this pool, under a name.
    pub(super) fn status(&self, name: &'static str) -> PoolStatus {
        let found = self.pool.status();
        let in_use = found.size.saturating_sub(found.available);
        PoolStatus::new(name, found.max_size, in_use, found.available, found.waiting)
    }

    /// Closes the idle connections at once, and the others after their use.
    pub(super) fn close(&self) {
        self.pool.close();
    }
}

/// Makes the commit of this transaction wait for its sync, whatever the session has set: a pooler may
/// have changed the session.
pub(super) async fn durable(transaction: &Transaction<'_>) -> Result<(), Failure> {
    Ok(transaction.batch_execute(DURABLE).await?)
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections")
            .field("status", &self.pool.status())
            .finish_non_exhaustive()
    }
}

/// The pauses between retries, up to a deadline.
#[derive(Debug)]
pub(super) struct Retries {
    deadline: Instant,
    pauses: ExponentialBackoff,
}

impl Retries {
    pub(super) fn until(deadline: Instant) -> Self {
        let pauses = ExponentialBuilder::default()
            .with_min_delay(FIRST_PAUSE)
            .with_jitter()
            .without_max_times()
            .build();
        Self { deadline, pauses }
    }

    /// Waits before the next attempt, or returns the failure if the deadline has passed. The last
    /// attempt starts at the deadline.
    pub(super) async fn pause(&mut self, failure: Failure) -> Result<(), Failure> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let Some(pause) = self.pauses.next().filter(|_| !left.is_zero()) else {
            return Err(failure);
        };
        let pause = pause.min(left);
        count_database_retry();
        tracing::debug!(?failure, "retrying the database");
        sleep(pause).await;
        Ok(())
    }
}

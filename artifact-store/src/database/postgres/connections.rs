//! The pool of connections, and the retries after a lost connection.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use deadpool_postgres::{
    Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Transaction,
};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, try_join};
use tokio::time::error::Elapsed;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::NoTls;

use super::abandoned::Abandoned;
use super::error::Failure;
use super::target::{CONNECT_TIMEOUT, Password, Target};
use crate::error::{Error, ErrorKind, Operation, Result};

/// How long a caller waits for a connection while others use all of them.
const POOL_TIMEOUT: Duration = Duration::from_secs(5);
/// How long this side waits for a statement. The server aborts it earlier, after 10 seconds.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(12);
/// How long idempotent work is retried after a lost connection.
const RETRY: Duration = Duration::from_secs(2);
/// The pause before the first retry; each later pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// Sets up a session. Commits are synced before they are acknowledged, whatever is set for the
/// database or the user, but a stricter setting stays. Time-outs are in milliseconds. Settings that
/// older servers lack are set only where they exist; servers on Windows cannot check connections.
const SESSION: &str = "\
    SELECT pg_catalog.set_config('synchronous_commit', 'on', false) \
        WHERE pg_catalog.current_setting('synchronous_commit') NOT IN ('on', 'remote_apply'); \
    SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings \
        WHERE name IN ('idle_session_timeout', 'transaction_timeout'); \
    SELECT pg_catalog.set_config(name, '1000', false) FROM pg_catalog.pg_settings \
        WHERE name = 'client_connection_check_interval' \
        AND pg_catalog.version() !~* 'visual c|msvc|mingw'; \
    SET search_path = artifact; \
    SET default_transaction_isolation = 'read committed'; \
    SET statement_timeout = 10000; \
    SET lock_timeout = 5000; \
    SET idle_in_transaction_session_timeout = 30000";

/// Makes the commit of the current transaction wait for its sync.
const DURABLE: &str = "\
    SELECT pg_catalog.set_config('synchronous_commit', 'on', true) \
        WHERE pg_catalog.current_setting('synchronous_commit') NOT IN ('on', 'remote_apply')";

/// Statements to run on a connection.
pub(super) trait Work<T>:
    for<'c> Fn(&'c mut Object) -> BoxFuture<'c, Result<T, Failure>> + Send + Sync
{
}

impl<T, W> Work<T> for W where
    W: for<'c> Fn(&'c mut Object) -> BoxFuture<'c, Result<T, Failure>> + Send + Sync
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
    pool: Pool,
    abandoned: Abandoned,
}

impl Connections {
    pub(super) fn new(
        target: &Target,
        password: Option<&Password>,
        max_connections: usize,
    ) -> Result<Self> {
        let recycling_method = RecyclingMethod::Fast;
        let manager = Manager::from_config(
            target.config(password),
            NoTls,
            ManagerConfig { recycling_method },
        );
        let set_up = Hook::async_fn(|client, _| {
            Box::pin(async move {
                match timeout(CONNECT_TIMEOUT, client.batch_execute(SESSION)).await {
                    Ok(done) => done.map_err(HookError::Backend),
                    Err(_) => Err(HookError::message("setting up the session timed out")),
                }
            })
        });
        let pool = Pool::builder(manager)
            .max_size(max_connections)
            .runtime(deadpool_postgres::Runtime::Tokio1)
            .wait_timeout(Some(POOL_TIMEOUT))
            .create_timeout(Some(CONNECT_TIMEOUT))
            .post_create(set_up)
            .build()
            .map_err(|error| {
                Error::new(ErrorKind::Unexpected, Operation::OpenDatabase).with_source(error)
            })?;
        Ok(Self {
            pool,
            abandoned: Abandoned::new(),
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
            let ((), value) = try_join(durable(&transaction), work(&transaction)).await?;
            *is_committing = true;
            transaction.commit().await?;
            Ok(value)
        };
        let outcome = timeout(STATEMENT_TIMEOUT, transacting).await;
        self.finish(connection, outcome)
    }

    /// Takes a connection from the pool. Its use has no time-out on this side.
    pub(super) async fn get(&self) -> Result<Object, Failure> {
        // If no thread can be had, the look-up of a host name panics in tokio.
        match AssertUnwindSafe(self.pool.get()).catch_unwind().await {
            Ok(taken) => taken.map_err(Failure::to_connect),
            Err(_) => Err(Failure::look_up()),
        }
    }

    /// Takes a connection from the pool, and retries for [`RETRY`] if the database is unreachable or
    /// still starting.
    pub(super) async fn get_with_retries(&self) -> Result<Object, Failure> {
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
        connection: Object,
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
        tracing::debug!(?failure, "retrying the database");
        sleep(pause).await;
        Ok(())
    }
}

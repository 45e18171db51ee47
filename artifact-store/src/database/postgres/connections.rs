//! A few connections, each of them set up alike, and trying again where one was lost.

use std::fmt;
use std::time::Duration;

use deadpool_postgres::{
    Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Transaction,
};
use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::NoTls;

use super::error::Failure;
use super::target::{CONNECT, Password, Target};
use crate::error::{Error, ErrorKind, Operation, Result};

/// How long a caller waits for a connection that others use.
const WAIT: Duration = Duration::from_secs(5);
/// How long a statement may take here. The server ends it before, after 10 seconds.
const STATEMENT: Duration = Duration::from_secs(12);
/// For how long something that may be done twice is tried again when its connection is lost.
pub(super) const RETRY: Duration = Duration::from_secs(2);
/// The pause before the second try; each one after it is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// What each session is. A commit is synced before it is acknowledged, whatever is set for the
/// database or the user; a stricter setting stays. Time-outs are in milliseconds.
const SESSION: &str = "\
    SELECT pg_catalog.set_config('synchronous_commit', 'on', false) \
        WHERE pg_catalog.current_setting('synchronous_commit') NOT IN ('on', 'remote_apply'); \
    SET search_path = artifact; \
    SET default_transaction_isolation = 'read committed'; \
    SET statement_timeout = 10000; \
    SET lock_timeout = 5000; \
    SET idle_in_transaction_session_timeout = 30000";

/// What is done by a connection, some statements.
pub(super) trait Work<T>:
    for<'c> Fn(&'c mut Object) -> BoxFuture<'c, Result<T, Failure>> + Send + Sync
{
}

impl<T, W> Work<T> for W where
    W: for<'c> Fn(&'c mut Object) -> BoxFuture<'c, Result<T, Failure>> + Send + Sync
{
}

/// What is done in a transaction. An error rolls it back.
pub(super) trait Changes<T>:
    for<'c> Fn(&'c Transaction<'c>) -> BoxFuture<'c, Result<T, Failure>> + Send + Sync
{
}

impl<T, W> Changes<T> for W where
    W: for<'c> Fn(&'c Transaction<'c>) -> BoxFuture<'c, Result<T, Failure>> + Send + Sync
{
}

/// Connections that are made when they are needed, at most so many at once.
pub(super) struct Connections {
    pool: Pool,
}

impl Connections {
    pub(super) fn new(target: &Target, password: Option<&Password>, most: usize) -> Result<Self> {
        let recycling_method = RecyclingMethod::Fast;
        let manager = Manager::from_config(
            target.config(password),
            NoTls,
            ManagerConfig { recycling_method },
        );
        let set_up = Hook::async_fn(|client, _| {
            Box::pin(async move {
                match timeout(CONNECT, client.batch_execute(SESSION)).await {
                    Ok(done) => done.map_err(HookError::Backend),
                    Err(_) => Err(HookError::message("setting the session up took too long")),
                }
            })
        });
        let pool = Pool::builder(manager)
            .max_size(most)
            .runtime(deadpool_postgres::Runtime::Tokio1)
            .wait_timeout(Some(WAIT))
            .create_timeout(Some(CONNECT))
            .post_create(set_up)
            .build()
            .map_err(|error| {
                Error::new(ErrorKind::Unexpected, Operation::OpenRows).with_source(error)
            })?;
        Ok(Self { pool })
    }

    /// Runs something once. When this is dropped, a statement that has begun runs to its end, and a
    /// transaction is rolled back.
    pub(super) async fn once<T: Send>(&self, work: impl Work<T>) -> Result<T, Failure> {
        let mut connection = self.get().await?;
        let failure = match timeout(STATEMENT, work(&mut connection)).await {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(failure)) => failure,
            Err(_) => Failure::silent(),
        };
        if failure.lost {
            // It does not come back to the others.
            drop(Object::take(connection));
        }
        Err(failure)
    }

    /// Runs something that may be done twice: again, for a while, when a connection was lost.
    pub(super) async fn repeatedly<T: Send>(&self, work: impl Work<T>) -> Result<T, Failure> {
        let mut tries = Tries::until(Instant::now() + RETRY);
        loop {
            match self.once(&work).await {
                Err(failure) if failure.lost => tries.again(failure).await?,
                outcome => return outcome,
            }
        }
    }

    /// Makes changes in one transaction, and again, for a while, when the connection was lost before
    /// they were to be committed. A commit that has no answer is not made again: nobody knows
    /// whether it was done.
    pub(super) async fn transact<T: Send>(&self, changes: impl Changes<T>) -> Result<T, Failure> {
        let mut tries = Tries::until(Instant::now() + RETRY);
        loop {
            let mut is_committing = false;
            match self.transact_once(&changes, &mut is_committing).await {
                Err(failure) if failure.lost && !is_committing => tries.again(failure).await?,
                outcome => return outcome,
            }
        }
    }

    async fn transact_once<T: Send>(
        &self,
        changes: &impl Changes<T>,
        is_committing: &mut bool,
    ) -> Result<T, Failure> {
        let mut connection = self.get().await?;
        let transacting = async {
            let transaction = connection.transaction().await?;
            let done = changes(&transaction).await?;
            *is_committing = true;
            transaction.commit().await?;
            Ok(done)
        };
        let failure = match timeout(STATEMENT, transacting).await {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(failure)) => failure,
            Err(_) => Failure::silent(),
        };
        if failure.lost {
            // It does not come back to the others.
            drop(Object::take(connection));
        }
        Err(failure)
    }

    /// One of the connections, with no deadline on what it is used for.
    pub(super) async fn get(&self) -> Result<Object, Failure> {
        self.pool.get().await.map_err(Failure::to_connect)
    }

    /// The same, tried for a while where the database is away or starts just now.
    pub(super) async fn patiently(&self) -> Result<Object, Failure> {
        let mut tries = Tries::until(Instant::now() + RETRY);
        loop {
            match self.get().await {
                Err(failure) if failure.lost => tries.again(failure).await?,
                outcome => return outcome,
            }
        }
    }

    /// Ends those that nobody uses now, and the others when they are done with.
    pub(super) fn close(&self) {
        self.pool.close();
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections")
            .field("status", &self.pool.status())
            .finish_non_exhaustive()
    }
}

/// When to try again, and when to give up.
#[derive(Debug)]
pub(super) struct Tries {
    until: Instant,
    pause: Duration,
}

impl Tries {
    pub(super) fn until(until: Instant) -> Self {
        Self {
            until,
            pause: FIRST_PAUSE,
        }
    }

    /// Waits before the next try, or gives the failure back where there is none.
    pub(super) async fn again(&mut self, failure: Failure) -> Result<(), Failure> {
        if Instant::now() + self.pause > self.until {
            return Err(failure);
        }
        tracing::debug!(?failure, "the database is tried again");
        sleep(self.pause).await;
        self.pause *= 2;
        Ok(())
    }
}

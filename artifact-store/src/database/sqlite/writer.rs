//! The one thread that writes.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use artifact_backend::blocking;
use futures_util::FutureExt as _;
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};
use tokio::time::Instant;

use super::connection::{BUSY_TIMEOUT, LOG_PAGES};
use super::error::{failed, failed_to_open, is_failed_sync, kind_after_open};
use super::files::{Cause, OpenFiles, leave_files};
use super::transaction::{SqliteTransaction, WriteError};
use super::work::Write;
use crate::database::sql::{Command, Flush, Inbox, Pending, Queue, channel, run};
use crate::error::{Error, ErrorKind, Operation, Result};

/// The handle of the thread. Dropping it lets the thread finish the waiting writes, and waits for
/// that.
#[derive(Debug)]
pub(super) struct Writer {
    // Dropped in this order: the end of the queue ends the thread.
    queue: Queue<Write>,
    thread: WriterThread,
}

#[derive(Debug)]
struct WriterThread(Mutex<Option<JoinHandle<()>>>);

impl Writer {
    /// Starts the thread.
    pub(super) fn start(connection: Connection, files: Arc<OpenFiles>) -> Result<Self> {
        let unavailable = |error| {
            Error::new(ErrorKind::Unavailable, Operation::OpenDatabase)
                .with_detail("the thread that writes to the database cannot be started; raise the limit of processes and threads (ulimit -u)")
                .with_source(error)
        };
        let (queue, inbox) = channel();
        let flusher = Flusher::new(connection, files)?;
        // The runtime is made on the thread: if the thread cannot be started, the closure is dropped
        // here, and a runtime must not be dropped inside another one.
        let work = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build();
            let runtime = runtime.expect("a runtime without drivers needs no resources");
            runtime.block_on(run(inbox, flusher));
        };
        let thread = thread::Builder::new()
            .name("artifact-sqlite".into())
            .spawn(work)
            .map_err(unavailable)?;
        Ok(Self {
            queue,
            thread: WriterThread(Mutex::new(Some(thread))),
        })
    }

    pub(super) fn transactions(&self) -> u64 {
        self.queue.flushes()
    }

    /// Makes one write durable.
    pub(super) async fn write(&self, write: impl Into<Write>) -> Result<()> {
        let mut write = write.into();
        let deadline = match &mut write {
            Write::Command(Command::InsertRow(_, deadline)) => deadline.take(),
            _ => None,
        };
        self.queue.write(write.subject(), write, deadline).await
    }

    /// Finishes the commands sent before, and ends the thread.
    pub(super) async fn close(&self) -> Result<()> {
        let closed = self.queue.close().await;
        if let Some(thread) = self.thread.take() {
            // The thread has replied and is about to end. It logs its own panic.
            let _ = blocking::run(move || thread.join()).await;
        }
        closed
    }
}

impl WriterThread {
    fn take(&self) -> Option<JoinHandle<()>> {
        let mut thread = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        thread.take()
    }
}

impl Drop for WriterThread {
    fn drop(&mut self) {
        if let Some(thread) = self.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes to the database panicked");
        }
    }
}

/// The state of the thread.
struct Flusher {
    connection: Connection,
    files: Arc<OpenFiles>,
    /// How long a batch waits for the write lock.
    busy_timeout: Duration,
    /// The first failed sync. After it, nothing is written any more.
    failed_sync: Option<Cause>,
    /// Whether the next commit is synced.
    syncs: bool,
}

/// Why a batch was not acknowledged.
enum BatchError {
    /// Another process held the write lock for the whole time-out. Nothing was written.
    Locked,
    Sql(rusqlite::Error),
    /// Nothing is written any more, or the files could not be examined.
    Refused(Cause),
}

impl From<rusqlite::Error> for BatchError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl Flush for Flusher {
    type Command = Write;

    async fn flush(&mut self, first: Pending<Write>, inbox: &mut Inbox<Write>) {
        self.flush_now(first, inbox);
    }

    /// Moves the log into the file and closes it.
    fn close(self) -> Result<()> {
        if let Err(lost) = self.files.check() {
            leave_files(&self.connection);
            let error = Error::new(ErrorKind::Unavailable, Operation::CloseDatabase);
            return Err(error.with_source(lost));
        }
        // If another process uses the file, the log stays; that is no error. This waits for no reader: SQLite would keep the
        // write lock meanwhile, and refuse the writes of every server.
        let checkpoint = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        if let Err(error) = checkpoint {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the log of the database could not be moved into its file"
            );
        }
        let closed = self.connection.close();
        closed.map_err(|(_, error)| failed(Operation::CloseDatabase, error))
    }
}

impl Flusher {
    fn new(connection: Connection, files: Arc<OpenFiles>) -> Result<Self> {
        // `begin` waits itself.
        let unset = connection.busy_timeout(Duration::ZERO);
        unset.map_err(failed_to_open)?;
        Ok(Self {
            connection,
            files,
            busy_timeout: BUSY_TIMEOUT,
            failed_sync: None,
            syncs: true,
        })
    }

    /// Commits a batch, and replies to every caller after the commit.
    fn flush_now(&mut self, first: Pending<Write>, inbox: &mut Inbox<Write>) {
        let mut batch = vec![first];
        let (kind, source) = match self.transact(&mut batch, inbox) {
            Ok(outcomes) => {
                inbox.count_flush();
                for (pending, outcome) in batch.into_iter().zip(outcomes) {
                    let subject = pending.command.subject();
                    pending.reply(outcome.map_err(|error| error.into_error(subject)));
                }
                return;
            }
            Err(BatchError::Locked) => return inbox.reject_locked(batch),
            Err(BatchError::Refused(cause)) => (ErrorKind::Unavailable, cause),
            Err(BatchError::Sql(error)) => {
                // A failed commit usually changes nothing, but SQLite does not guarantee that.
                let kind = match kind_after_open(&error) {
                    kind @ (ErrorKind::OutOfSpace
                    | ErrorKind::Misconfigured
                    | ErrorKind::Corrupt) => kind,
                    _ => ErrorKind::Unavailable,
                };
                let sync_failed = is_failed_sync(&error);
                let cause: Cause = Arc::new(error);
                if sync_failed {
                    self.failed_sync = Some(Arc::clone(&cause));
                }
                (kind, cause)
            }
        };
        for pending in batch {
            let failure = pending
                .command
                .subject()
                .error(kind)
                .with_detail("the transaction was not committed")
                .with_source(Arc::clone(&source));
            pending.reply(Err(failure));
        }
    }

    /// Applies a batch in one transaction, and returns the outcome of each command. Adds the
    /// commands that wait by the time that the write lock is taken.
    ///
    /// The files are examined before the first change, which must not reach the log of another
    /// database, and after the commit, which must be in the files that a restart finds.
    fn transact(
        &mut self,
        batch: &mut Vec<Pending<Write>>,
        inbox: &mut Inbox<Write>,
    ) -> Result<Vec<Result<(), WriteError>>, BatchError> {
        self.check()?;
        let is_noted = batch.iter().all(|pending| pending.command.is_noted());
        self.set_sync(!is_noted)?;
        let transaction = begin(&self.connection, self.busy_timeout)?;
        Inbox::remove_late(batch);
        let fits = |write: &Write| !is_noted || write.is_noted();
        inbox.fill(batch, Write::takes_long, fits);
        let mut outcomes = Vec::with_capacity(batch.len());
        for pending in &*batch {
            match apply(&pending.command, &transaction) {
                // Some errors, such as a full disk, roll the whole transaction back.
                Err(WriteError::Sql(error)) if transaction.is_autocommit() => {
                    return Err(error.into());
                }
                outcome => outcomes.push(outcome),
            }
        }
        transaction.commit()?;
        self.check()?;
        Ok(outcomes)
    }

    /// Sets whether the next commit is synced. A commit that is not leaves the file whole after a power cut, which may take it and
    /// later ones away (<https://sqlite.org/pragma.html#pragma_synchronous>, `NORMAL` in WAL mode). A synced commit makes those before
    /// it durable too, because all are in one log.
    ///
    /// Only a synced commit moves the log into the file. SQLite would also sync the log for that, but ignore that the sync failed, and
    /// the next sync would then succeed without what was lost.
    fn set_sync(&mut self, syncs: bool) -> rusqlite::Result<()> {
        if self.syncs != syncs {
            let (mode, log_pages) = if syncs {
                ("FULL", LOG_PAGES)
            } else {
                ("NORMAL", 0)
            };
            let connection = &self.connection;
            connection.pragma_update(None, "wal_autocheckpoint", log_pages)?;
            connection.pragma_update(None, "synchronous", mode)?;
            self.syncs = syncs;
        }
        Ok(())
    }

    /// Fails if nothing may be acknowledged until the database is opened again.
    fn check(&self) -> Result<(), BatchError> {
        let stopped = self.failed_sync.clone().map_or(Ok(()), Err);
        stopped
            .and_then(|()| self.files.check())
            .map_err(BatchError::Refused)
    }
}

/// Takes the write lock. Waits for another process that holds it. SQLite would not wait for all locks
/// that this takes.
fn begin(connection: &Connection, timeout: Duration) -> Result<Transaction<'_>, BatchError> {
    const MAX_PAUSE: Duration = Duration::from_millis(16);
    let deadline = Instant::now() + timeout;
    let mut pause = Duration::from_millis(1);
    loop {
        match Transaction::new_unchecked(connection, TransactionBehavior::Immediate) {
            Err(error) if !is_busy(&error) => return Err(error.into()),
            Err(_) if Instant::now() >= deadline => return Err(BatchError::Locked),
            Err(_) => thread::sleep(pause),
            Ok(transaction) => return Ok(transaction),
        }
        pause = (pause * 2).min(MAX_PAUSE);
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(
        code,
        Some(ErrorCode::DatabaseBusy | ErrorCode::FileLockingProtocolFailed)
    )
}

/// Applies one write completely or not at all.
fn apply(write: &Write, connection: &Connection) -> Result<(), WriteError> {
    let apply = || match write {
        Write::Command(command) => {
            let applied = command.apply(&SqliteTransaction(connection)).now_or_never();
            applied.expect("the futures of a SqliteTransaction are complete at once")
        }
        Write::Work(work) => work.apply(connection),
    };
    // A statement that fails undoes itself (`ABORT`, the default of
    // <https://sqlite.org/lang_conflict.html>); this command has only one, unless the row has digests or a key.
    if let Write::Command(Command::InsertRow(new, _)) = write
        && new.digests.is_none()
        && new.key.is_none()
    {
        return apply();
    }
    connection.execute_batch("SAVEPOINT command")?;
    let outcome = apply();
    // An error that rolled back the transaction has removed the savepoint too.
    if connection.is_autocommit() {
        return outcome;
    }
    if outcome.is_err() {
        connection.execute_batch("ROLLBACK TO command")?;
    }
    connection.execute_batch("RELEASE command")?;
    outcome
}

#[cfg(test)]
mod tests;

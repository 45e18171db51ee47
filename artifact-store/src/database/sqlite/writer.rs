//! The one thread that writes.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use artifact_backend::blocking;
use futures_util::FutureExt as _;
use rusqlite::{Connection, TransactionBehavior};

use super::error::{failed, is_failed_sync, kind_of};
use super::transaction::{SqliteTransaction, WriteError};
use crate::database::sql::{Command, Flush, Inbox, Pending, Queue, channel, run};
use crate::error::{Error, ErrorKind, Operation, Result};

/// The handle of the thread. Dropping it lets the thread finish the waiting writes, and waits for
/// that.
#[derive(Debug)]
pub(super) struct Writer {
    // Dropped in this order: the end of the queue ends the thread.
    queue: Queue<Command>,
    thread: WriterThread,
}

#[derive(Debug)]
struct WriterThread(Mutex<Option<JoinHandle<()>>>);

impl Writer {
    pub(super) fn start(connection: Connection) -> Result<Self> {
        let unavailable = |error| {
            Error::new(ErrorKind::Unavailable, Operation::OpenDatabase)
                .with_detail("the thread that writes to the database cannot be started")
                .with_source(error)
        };
        let (queue, inbox) = channel();
        let flusher = Flusher {
            connection,
            sync_failed: false,
        };
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

    /// Makes one command durable.
    pub(super) async fn write(&self, command: Command) -> Result<()> {
        self.queue.write(command.subject(), command).await
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
    sync_failed: bool,
}

impl Flush for Flusher {
    type Command = Command;

    async fn flush(&mut self, first: Pending<Command>, inbox: &mut Inbox<Command>) {
        self.flush_now(first, inbox);
    }

    /// Moves the log into the file and closes it.
    fn close(self) -> Result<()> {
        // If another process uses the file, the log stays; that is no error.
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
    /// Commits a batch, and replies to every caller after the commit.
    fn flush_now(&mut self, first: Pending<Command>, inbox: &mut Inbox<Command>) {
        let mut batch = vec![first];
        let error = match self.transact(&mut batch, inbox) {
            Ok(outcomes) => {
                inbox.count_flush();
                for (pending, outcome) in batch.into_iter().zip(outcomes) {
                    let subject = pending.command.subject();
                    pending.reply(outcome.map_err(|error| error.into_error(subject)));
                }
                return;
            }
            Err(error) => error,
        };
        self.sync_failed |= is_failed_sync(&error);
        // A failed commit usually changes nothing, but SQLite does not guarantee that.
        let kind = match kind_of(&error) {
            kind @ (ErrorKind::OutOfSpace | ErrorKind::Misconfigured | ErrorKind::Corrupt) => kind,
            _ => ErrorKind::Unavailable,
        };
        let error = Arc::new(error);
        for pending in batch {
            let failure = pending
                .command
                .subject()
                .error(kind)
                .with_detail("the transaction was not committed")
                .with_source(Arc::clone(&error));
            pending.reply(Err(failure));
        }
    }

    /// Applies a batch in one transaction, and returns the outcome of each command. Adds the
    /// commands that wait by the time that the write lock is taken.
    fn transact(
        &mut self,
        batch: &mut Vec<Pending<Command>>,
        inbox: &mut Inbox<Command>,
    ) -> rusqlite::Result<Vec<Result<(), WriteError>>> {
        if self.sync_failed {
            let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR_FSYNC);
            let detail = "an earlier sync failed; open the database again".to_owned();
            return Err(rusqlite::Error::SqliteFailure(code, Some(detail)));
        }
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        inbox.fill(batch);
        let mut outcomes = Vec::with_capacity(batch.len());
        for pending in &*batch {
            match apply(&pending.command, &transaction) {
                // Some errors, such as a full disk, roll the whole transaction back.
                Err(WriteError::Sql(error)) if transaction.is_autocommit() => return Err(error),
                outcome => outcomes.push(outcome),
            }
        }
        transaction.commit()?;
        Ok(outcomes)
    }
}

/// Applies one command completely or not at all.
fn apply(command: &Command, connection: &Connection) -> Result<(), WriteError> {
    let apply = || {
        let applied = command.apply(&SqliteTransaction(connection)).now_or_never();
        applied.expect("the futures of a SqliteTransaction are complete at once")
    };
    // A statement that fails undoes itself (`ABORT`, the default of
    // <https://sqlite.org/lang_conflict.html>); these commands have only one.
    if matches!(command, Command::InsertRow(_) | Command::DeleteRow(_)) {
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

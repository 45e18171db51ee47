//! The one thread that writes. All writes that wait share a transaction, and so a sync.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::error::{failed, is_failed_sync, kind_of};
use super::write::{Refused, Write};
use crate::error::{Error, ErrorKind, Operation, Result};

/// How many writes may wait for the thread; the callers after them wait to wait.
const QUEUE: usize = 1024;
/// How many writes one transaction takes at most, so that the first of them is not kept waiting.
const BATCH: usize = 512;

type Reply = oneshot::Sender<Result<()>>;

#[derive(Debug)]
enum Command {
    Write(Write, Reply),
    Close(Reply),
}

/// The handle of the thread. Dropping it lets the thread finish what was asked, and waits for it.
#[derive(Debug)]
pub(super) struct Writer {
    /// `None` only while it is dropped.
    commands: Option<mpsc::Sender<Command>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    transactions: Arc<AtomicU64>,
}

impl Writer {
    pub(super) fn start(connection: Connection) -> Result<Self> {
        let (commands, queue) = mpsc::channel(QUEUE);
        let transactions = Arc::new(AtomicU64::new(0));
        let work = Work {
            connection,
            queue,
            transactions: Arc::clone(&transactions),
            sync_failed: false,
        };
        let thread = thread::Builder::new()
            .name("artifact-rows".into())
            .spawn(move || work.run())
            .map_err(|error| {
                Error::new(ErrorKind::Unavailable, Operation::OpenRows)
                    .with_detail("the thread that writes rows cannot be started")
                    .with_source(error)
            })?;
        Ok(Self {
            commands: Some(commands),
            thread: Mutex::new(Some(thread)),
            transactions,
        })
    }

    pub(super) fn transactions(&self) -> u64 {
        self.transactions.load(Ordering::Relaxed)
    }

    /// Makes one change durable.
    pub(super) async fn write(&self, write: Write) -> Result<()> {
        if let Write::Row(row) = &write
            && i64::try_from(row.size).is_err()
        {
            return Err(write.fail(ErrorKind::TooLarge, "a size is at most i64::MAX"));
        }
        let closed = write.fail(ErrorKind::Unavailable, "the rows are closed");
        let (reply, answer) = oneshot::channel();
        if self.send(Command::Write(write, reply)).await.is_err() {
            return Err(closed);
        }
        answer.await.unwrap_or(Err(closed))
    }

    /// Finishes what was asked before, and ends the thread.
    pub(super) async fn close(&self) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        let closed = match self.send(Command::Close(reply)).await {
            Ok(()) => answer.await.unwrap_or(Ok(())),
            // It is closed already.
            Err(()) => Ok(()),
        };
        let thread = self.take_thread();
        if let Some(thread) = thread {
            // It has answered, so nothing is left to it but to end.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
        closed
    }

    async fn send(&self, command: Command) -> Result<(), ()> {
        let commands = self
            .commands
            .as_ref()
            .expect("it is taken only by `drop`, after which nobody calls");
        commands.send(command).await.map_err(|_| ())
    }

    fn take_thread(&self) -> Option<JoinHandle<()>> {
        self.thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.commands.take());
        if let Some(thread) = self.take_thread()
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes rows had panicked");
        }
    }
}

/// What the thread owns.
struct Work {
    connection: Connection,
    queue: mpsc::Receiver<Command>,
    transactions: Arc<AtomicU64>,
    sync_failed: bool,
}

impl Work {
    fn run(mut self) {
        let mut close = None;
        while close.is_none() {
            match self.queue.blocking_recv() {
                Some(Command::Write(write, reply)) => close = self.transact(write, reply),
                Some(Command::Close(reply)) => close = Some(reply),
                None => break,
            }
        }
        let closed = self.end();
        if let Some(reply) = close {
            // Who asked may have gone.
            let _ = reply.send(closed);
        }
    }

    /// Makes one transaction of a write and of those that wait behind it. Every one is answered
    /// after the commit. Gives the reply to a `Close` that it met.
    fn transact(&mut self, first: Write, reply: Reply) -> Option<Reply> {
        let mut close = None;
        let mut batch = vec![(first, reply)];

        let committed = self.apply(&mut batch, &mut close);
        match &committed {
            Ok(_) => drop(self.transactions.fetch_add(1, Ordering::Relaxed)),
            Err(error) => self.sync_failed |= is_failed_sync(error),
        }
        let (mut refused, failure) = match committed {
            Ok(refused) => (refused, None),
            Err(error) => (Vec::new(), Some(Arc::new(error))),
        };
        for (at, (write, reply)) in batch.into_iter().enumerate() {
            let answer = match &failure {
                Some(error) => {
                    // A failed commit is nearly always no commit, but that is not ours to promise.
                    let kind = match kind_of(error) {
                        ErrorKind::OutOfSpace => ErrorKind::OutOfSpace,
                        ErrorKind::Misconfigured => ErrorKind::Misconfigured,
                        ErrorKind::Corrupt => ErrorKind::Corrupt,
                        _ => ErrorKind::Unavailable,
                    };
                    Err(write
                        .fail(kind, "the transaction was not committed")
                        .with_source(Arc::clone(error)))
                }
                None => match refused.iter().position(|(refused, _)| *refused == at) {
                    Some(found) => {
                        let (_, why) = refused.swap_remove(found);
                        Err(write.refused(why))
                    }
                    None => Ok(()),
                },
            };
            // Who asked may have gone; the write is done or refused all the same.
            let _ = reply.send(answer);
        }
        close
    }

    /// Applies the batch, and what else waits by the time that the write lock is had, and commits.
    /// Gives the writes that were refused one by one.
    fn apply(
        &mut self,
        batch: &mut Vec<(Write, Reply)>,
        close: &mut Option<Reply>,
    ) -> rusqlite::Result<Vec<(usize, Refused)>> {
        if self.sync_failed {
            let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR_FSYNC);
            let detail = "a sync failed before; open the rows anew".to_owned();
            return Err(rusqlite::Error::SqliteFailure(code, Some(detail)));
        }
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        while batch.len() < BATCH && close.is_none() {
            match self.queue.try_recv() {
                Ok(Command::Write(write, reply)) => batch.push((write, reply)),
                Ok(Command::Close(reply)) => *close = Some(reply),
                Err(_) => break,
            }
        }
        let mut refused = Vec::new();
        for (at, (write, reply)) in batch.iter().enumerate() {
            // Who asked has gone, so the outcome is free, and nothing is the cheaper one.
            if reply.is_closed() {
                continue;
            }
            match write.apply(&transaction) {
                Ok(()) => {}
                // A full disk, for one, ends the whole transaction.
                Err(Refused::Sql(error)) if transaction.is_autocommit() => return Err(error),
                Err(why) => refused.push((at, why)),
            }
        }
        transaction.commit()?;
        Ok(refused)
    }

    /// Moves the log into the file and closes it.
    fn end(self) -> Result<()> {
        // Best effort: with another process on the file the log stays, and that is no fault.
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
        closed.map_err(|(_, error)| failed(Operation::CloseRows, None, error))
    }
}

#[cfg(test)]
mod tests;

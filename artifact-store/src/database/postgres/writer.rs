//! The one task that writes rows. All that wait share a statement, and so a round trip and a sync.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use artifact_backend::ArtifactId;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::codec::{self, Inserted};
use super::connections::{Connections, Tries};
use super::error::Failure;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::row::Row;

/// How many rows may wait for the task; the callers after them wait to wait.
const QUEUE: usize = 1024;
/// How many rows one statement takes at most, so that the first of them is not kept waiting.
const BATCH: usize = 512;
/// For how long rows are tried again while the database is away: their bytes are stored already, and
/// it may come back in a moment. Once it has been away for so long, a row is tried once.
const RETRY: Duration = Duration::from_secs(5);

type Reply = oneshot::Sender<Result<()>>;

#[derive(Debug)]
enum Command {
    Insert(Box<Row>, Reply),
    Close(oneshot::Sender<()>),
}

/// The handle of the task. Dropping it lets the task finish what was asked.
#[derive(Debug)]
pub(super) struct Writer {
    commands: mpsc::Sender<Command>,
    task: Mutex<Option<JoinHandle<()>>>,
    statements: Arc<AtomicU64>,
}

impl Writer {
    /// Starts the task, in the runtime of the caller.
    pub(super) fn start(connections: Connections) -> Self {
        let (commands, queue) = mpsc::channel(QUEUE);
        let statements = Arc::new(AtomicU64::new(0));
        let work = Work {
            connections,
            queue,
            waiting: VecDeque::new(),
            statements: Arc::clone(&statements),
            away_since: None,
        };
        Self {
            commands,
            task: Mutex::new(Some(tokio::spawn(work.run()))),
            statements,
        }
    }

    pub(super) fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    /// Makes one row durable.
    pub(super) async fn insert(&self, row: &Row) -> Result<()> {
        if i64::try_from(row.size).is_err() {
            return Err(Error::new(ErrorKind::TooLarge, Operation::InsertRow)
                .with_id(row.id)
                .with_detail("a size is at most i64::MAX"));
        }
        let closed = || Failure::closed().into_error(Operation::InsertRow, Some(row.id));
        let (reply, answer) = oneshot::channel();
        let command = Command::Insert(Box::new(row.clone()), reply);
        self.commands.send(command).await.map_err(|_| closed())?;
        // The task ends with its runtime, or once it was told to close.
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Finishes what was asked before, and ends the task.
    pub(super) async fn close(&self) {
        let (reply, closed) = oneshot::channel();
        // An error means that it has ended already.
        if self.commands.send(Command::Close(reply)).await.is_ok() {
            let _ = closed.await;
        }
        let task = self
            .task
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(task) = task
            && let Err(error) = task.await
            && error.is_panic()
        {
            tracing::error!("the task that writes rows had panicked");
        }
    }
}

/// A row that is to be written, and who waits for it.
#[derive(Debug)]
struct Wanted {
    row: Box<Row>,
    reply: Reply,
}

impl Wanted {
    fn answer(self, outcome: Result<(), Failure>) {
        let id = self.row.id;
        let outcome = outcome.map_err(|failure| failure.into_error(Operation::InsertRow, Some(id)));
        // Who asked may have gone; the row is written or refused all the same.
        let _ = self.reply.send(outcome);
    }

    fn refuse(self, kind: ErrorKind, detail: &'static str) {
        let error = Error::new(kind, Operation::InsertRow).with_id(self.row.id);
        let _ = self.reply.send(Err(error.with_detail(detail)));
    }
}

/// What the task owns.
struct Work {
    connections: Connections,
    queue: mpsc::Receiver<Command>,
    /// Rows that were taken from the queue and are not in a statement yet.
    waiting: VecDeque<Wanted>,
    statements: Arc<AtomicU64>,
    /// Since when no statement came to an answer.
    away_since: Option<Instant>,
}

impl Work {
    async fn run(mut self) {
        let mut close = None;
        while close.is_none() {
            match self.queue.recv().await {
                Some(Command::Insert(row, reply)) => self.waiting.push_back(Wanted { row, reply }),
                Some(Command::Close(reply)) => close = Some(reply),
                None => break,
            }
            while !self.waiting.is_empty() {
                // Those who were answered a moment ago may have the next row ready.
                tokio::task::yield_now().await;
                self.take_what_waits(&mut close);
                let batch = self.next_batch();
                self.write(batch).await;
            }
        }
        self.connections.close();
        if let Some(reply) = close {
            let _ = reply.send(());
        }
    }

    fn take_what_waits(&mut self, close: &mut Option<oneshot::Sender<()>>) {
        while self.waiting.len() < BATCH && close.is_none() {
            match self.queue.try_recv() {
                Ok(Command::Insert(row, reply)) => self.waiting.push_back(Wanted { row, reply }),
                Ok(Command::Close(reply)) => *close = Some(reply),
                Err(_) => break,
            }
        }
    }

    /// The rows of the next statement: those that wait, but no id twice.
    fn next_batch(&mut self) -> HashMap<ArtifactId, Wanted> {
        let mut batch = HashMap::new();
        let mut later = VecDeque::new();
        for wanted in self.waiting.drain(..) {
            // Who asked has gone, so the outcome is free, and nothing is the cheaper one.
            if wanted.reply.is_closed() {
                continue;
            }
            match batch.entry(wanted.row.id) {
                Entry::Vacant(free) => drop(free.insert(wanted)),
                Entry::Occupied(_) => later.push_back(wanted),
            }
        }
        self.waiting = later;
        batch
    }

    /// Writes a batch, and answers everyone in it.
    async fn write(&mut self, mut batch: HashMap<ArtifactId, Wanted>) {
        let Err(failure) = self.try_to_write(&mut batch).await else {
            return;
        };
        if failure.is_of_a_row() && batch.len() > 1 {
            // One of them is at fault. The others must not suffer for it.
            for (id, wanted) in batch {
                let mut alone = HashMap::from([(id, wanted)]);
                if let Err(failure) = self.try_to_write(&mut alone).await {
                    answer_all(alone, &failure);
                }
            }
            return;
        }
        answer_all(batch, &failure);
    }

    /// Writes a batch, and takes out of it who was answered: nobody or everyone.
    ///
    /// When the connection is lost, nobody knows whether the rows were written, so they are written
    /// again: of those whose ids are taken then, the ones that are equal to what is there are done.
    /// An id is minted at random for one row, so the row that is there is that one.
    async fn try_to_write(
        &mut self,
        batch: &mut HashMap<ArtifactId, Wanted>,
    ) -> Result<(), Failure> {
        let rows: Arc<[Row]> = batch.values().map(|wanted| (*wanted.row).clone()).collect();
        let away_since = self.away_since;
        let began = Instant::now();
        let mut tries = Tries::until(away_since.unwrap_or(began) + RETRY);
        let mut is_first = true;
        let outcome = loop {
            let outcome = if is_first {
                self.insert(&rows)
                    .await
                    .map(|inserted| (inserted, Vec::new()))
            } else {
                self.insert_again(&rows).await
            };
            match outcome {
                Err(failure) if failure.lost => {
                    is_first = false;
                    if let Err(failure) = tries.again(failure).await {
                        self.away_since = Some(away_since.unwrap_or(began));
                        break Err(failure);
                    }
                }
                outcome => {
                    self.away_since = None;
                    break outcome.map_err(|failure| {
                        // Of what was tried before nobody knows.
                        if is_first { failure } else { failure.unknown() }
                    });
                }
            }
        };
        let (inserted, done_before) = outcome?;
        self.statements.fetch_add(1, Ordering::Relaxed);
        for (id, inserted) in inserted {
            let Some(wanted) = batch.remove(&id) else {
                continue;
            };
            match inserted {
                Inserted::Written => wanted.answer(Ok(())),
                Inserted::Taken if done_before.contains(&id) => wanted.answer(Ok(())),
                Inserted::Taken => {
                    wanted.refuse(ErrorKind::AlreadyExists, "there is a row already");
                }
                Inserted::NoExperiment => {
                    wanted.refuse(ErrorKind::NotFound, "there is no such experiment");
                }
            }
        }
        Ok(())
    }

    async fn insert(&self, rows: &Arc<[Row]>) -> Result<Vec<(ArtifactId, Inserted)>, Failure> {
        let outcomes = self.connections.once(|client| {
            let rows = Arc::clone(rows);
            Box::pin(async move {
                let statement = client.prepare_cached(codec::INSERT_ROWS).await?;
                let columns = codec::Columns::of(rows.iter());
                let outcomes = client.query(&statement, &columns.parameters()).await?;
                let outcomes = outcomes.iter().map(codec::inserted);
                Ok(outcomes.collect::<Result<Vec<_>, tokio_postgres::Error>>()?)
            })
        });
        outcomes.await
    }

    /// Writes rows that may have been written before; also gives the ids of those that were.
    async fn insert_again(
        &self,
        rows: &Arc<[Row]>,
    ) -> Result<(Vec<(ArtifactId, Inserted)>, Vec<ArtifactId>), Failure> {
        // A session that was cut off in the middle of its commit holds the ids for as long as that
        // takes, and this waits for it: what it finds is what remains.
        let inserted = self.insert(rows).await?;
        let taken =
            |(id, inserted): &(ArtifactId, Inserted)| (*inserted == Inserted::Taken).then_some(*id);
        let taken: Arc<[ArtifactId]> = inserted.iter().filter_map(taken).collect();
        if taken.is_empty() {
            return Ok((inserted, Vec::new()));
        }
        let stored = self.connections.once(|client| {
            let taken = Arc::clone(&taken);
            Box::pin(async move {
                let ids: Vec<_> = taken.iter().map(|id| &id.as_bytes()[..]).collect();
                let statement = client.prepare_cached(codec::SELECT_ROWS).await?;
                Ok(client.query(&statement, &[&ids]).await?)
            })
        });
        let stored = stored.await?;
        let stored = stored
            .iter()
            .filter_map(|row| codec::row(codec::id(row)?, row).ok());
        let equal = stored
            .filter(|stored| rows.contains(stored))
            .map(|row| row.id)
            .collect();
        Ok((inserted, equal))
    }
}

fn answer_all(batch: HashMap<ArtifactId, Wanted>, failure: &Failure) {
    for wanted in batch.into_values() {
        wanted.answer(Err(failure.clone()));
    }
}

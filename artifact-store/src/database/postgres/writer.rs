//! The one task that inserts rows.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use artifact_backend::ArtifactId;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::connections::{Connections, Retries};
use super::error::Failure;
use super::insert::{insert, insert_again};
use crate::database::sql::{Flush, Inbox, NewRow, Pending, Queue, channel, run};
use crate::database::subject::Subject;
use crate::error::{Operation, Result};
use crate::time::Deadline;

/// How long inserts are retried while the database is unreachable.
///
/// Their blobs are already stored, and the database may be back in a moment. Once the database has been
/// unreachable for this long, each insert is tried only once.
const RETRY: Duration = Duration::from_secs(5);

/// The rows of one statement, by id.
type Batch = HashMap<ArtifactId, Pending<Box<NewRow>>>;

/// The handle of the task. Dropping it lets the task finish the waiting inserts.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Queue<Box<NewRow>>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Starts the task in the caller's runtime.
    pub(super) fn start(connections: Connections) -> Self {
        let (queue, inbox) = channel();
        let flusher = Flusher {
            connections,
            unreachable_since: None,
        };
        let task = tokio::spawn(run(inbox, flusher));
        Self {
            queue,
            task: Mutex::new(Some(task)),
        }
    }

    pub(super) fn statements(&self) -> u64 {
        self.queue.flushes()
    }

    /// Makes one row durable, unless its deadline passes before.
    pub(super) async fn insert(&self, new: Box<NewRow>, deadline: Option<Deadline>) -> Result<()> {
        self.queue.write(subject(&new), new, deadline).await
    }

    /// Finishes the inserts sent before, and ends the task.
    pub(super) async fn close(&self) {
        // Closing the connections cannot fail.
        let _ = self.queue.close().await;
        let task = self
            .task
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(task) = task
            && let Err(error) = task.await
            && error.is_panic()
        {
            tracing::error!("the task that inserts rows panicked");
        }
    }
}

fn subject(new: &NewRow) -> Subject {
    Subject::with_id(Operation::InsertRow, new.row.id)
}

/// The state of the task.
struct Flusher {
    connections: Connections,
    /// Since when no statement got a reply.
    unreachable_since: Option<Instant>,
}

impl Flush for Flusher {
    type Command = Box<NewRow>;

    async fn flush(&mut self, first: Pending<Box<NewRow>>, inbox: &mut Inbox<Box<NewRow>>) {
        // Callers that got a reply a moment ago may have their next row ready.
        tokio::task::yield_now().await;
        let mut waiting = vec![first];
        inbox.fill(&mut waiting, |new| new.is_large(), |_| true);
        let mut batch = Batch::new();
        let mut scopes = HashSet::new();
        for pending in waiting {
            let scope = pending.command.key_scope();
            let is_key_free = scope.is_none_or(|scope| scopes.insert(scope));
            match batch.entry(pending.command.row.id) {
                Entry::Vacant(free) if is_key_free => drop(free.insert(pending)),
                _ => inbox.defer(pending),
            }
        }
        self.insert_batch(batch, inbox).await;
    }

    fn close(self) -> Result<()> {
        self.connections.close();
        Ok(())
    }
}

impl Flusher {
    /// Inserts a batch, and replies to all its callers.
    async fn insert_batch(&mut self, mut batch: Batch, inbox: &Inbox<Box<NewRow>>) {
        let Err(failure) = self.try_insert(&mut batch, inbox).await else {
            return;
        };
        if !failure.may_concern_one_row() || batch.len() == 1 {
            return reply_all(batch, &failure);
        }
        // One row may have made the statement fail, so each is tried alone.
        for (id, pending) in batch {
            let Some(pending) = pending.unless_late() else {
                continue;
            };
            let mut single = Batch::from([(id, pending)]);
            if let Err(failure) = self.try_insert(&mut single, inbox).await {
                reply_all(single, &failure);
            }
        }
    }

    /// Inserts a batch. On success, replies to all its callers and empties it; on failure, replies
    /// to no caller.
    ///
    /// If the connection is lost, it is unknown whether the rows were inserted, so they are inserted
    /// [again](insert_again).
    async fn try_insert(
        &mut self,
        batch: &mut Batch,
        inbox: &Inbox<Box<NewRow>>,
    ) -> Result<(), Failure> {
        let rows = batch.values().map(|pending| (*pending.command).clone());
        let mut rows: Vec<_> = rows.collect();
        // Statements that insert the same ids then wait for each other, but not in a circle.
        rows.sort_unstable_by_key(|new| new.row.id);
        let rows: Arc<[NewRow]> = rows.into();
        let since = self.unreachable_since.unwrap_or_else(Instant::now);
        let mut retries = Retries::until(since + RETRY);
        let mut outcome = insert(&self.connections, &rows).await;
        loop {
            match outcome {
                Err(failure) if failure.lost => {
                    if let Err(failure) = retries.pause(failure).await {
                        self.unreachable_since = Some(since);
                        return Err(failure);
                    }
                    // The lost attempt may have inserted the rows, so no failure from here on says
                    // that they are not there.
                    let second = insert_again(&self.connections, &rows).await;
                    outcome = second.map_err(Failure::unknown);
                }
                known => {
                    outcome = known;
                    break;
                }
            }
        }
        self.unreachable_since = None;
        let outcomes = outcome?;
        inbox.count_flush();
        for (id, outcome) in outcomes {
            if let Some(pending) = batch.remove(&id) {
                let subject = subject(&pending.command);
                pending.reply(outcome.map_err(|rejected| rejected.into_error(subject)));
            }
        }
        Ok(())
    }
}

fn reply_all(batch: Batch, failure: &Failure) {
    for pending in batch.into_values() {
        let subject = subject(&pending.command);
        pending.reply(Err(failure.clone().into_error(subject)));
    }
}

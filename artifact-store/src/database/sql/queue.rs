//! The queue of writes.
//!
//! One task or thread takes all waiting commands and flushes them as one batch. The commands of a batch
//! share one transaction, and therefore one round trip and one sync.
//!
//! A command is begun within [`MAX_WAIT`] after its caller sent it and before its own deadline, or
//! never.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use artifact_backend::SystemClock;
use tokio::sync::{mpsc, oneshot};

use super::Subject;
use crate::database::rejected::Rejected;
use crate::error::Result;
use crate::time::{Deadline, Moment};

/// The maximum number of queued commands. Further callers wait until there is room.
pub(in crate::database) const MAX_WAITING: usize = 1024;
/// The maximum number of commands in a batch. It limits how long the first one waits.
pub(in crate::database) const MAX_BATCH: usize = 512;
/// How long a command waits for its turn. After that it is never executed, and its caller gets
/// `Unavailable`.
pub(in crate::database) const MAX_WAIT: Duration = Duration::from_secs(10);

/// A command, and the caller that waits for its outcome.
#[derive(Debug)]
pub(in crate::database) struct Pending<C> {
    pub(in crate::database) command: C,
    subject: Subject,
    sent: Moment,
    deadline: Option<Deadline>,
    reply: oneshot::Sender<Result<()>>,
}

impl<C> Pending<C> {
    /// Returns whether the command may still be executed: its caller waits, and no deadline of it has
    /// passed.
    fn is_current(&self) -> bool {
        !self.reply.is_closed()
            && self.sent.age(&SystemClock) < MAX_WAIT
            && !self.deadline.as_ref().is_some_and(Deadline::has_passed)
    }

    /// Returns the command if it may still be executed, and replies to its caller otherwise.
    pub(in crate::database) fn unless_late(self) -> Option<Self> {
        if self.is_current() {
            return Some(self);
        }
        self.reject(Rejected::LATE);
        None
    }

    fn reject(self, rejected: Rejected) {
        let error = rejected.into_error(self.subject);
        self.reply(Err(error));
    }

    /// Sends the outcome to the caller. A caller that was dropped does not change the outcome.
    pub(in crate::database) fn reply(self, outcome: Result<()>) {
        let _ = self.reply.send(outcome);
    }
}

#[derive(Debug)]
enum Message<C> {
    Write(Pending<C>),
    Close(oneshot::Sender<Result<()>>),
}

/// The callers' end of the queue. Once it is dropped, the waiting commands are flushed and the
/// flusher is closed.
#[derive(Debug)]
pub(in crate::database) struct Queue<C> {
    messages: mpsc::Sender<Message<C>>,
    flushes: Arc<AtomicU64>,
}

/// The flusher's end of the queue.
#[derive(Debug)]
pub(in crate::database) struct Inbox<C> {
    messages: mpsc::Receiver<Message<C>>,
    /// Commands for a later batch; they come before those in `messages`.
    deferred: VecDeque<Pending<C>>,
    /// The caller that waits for the queue to close. Once it is set, no more `messages` are received.
    close: Option<oneshot::Sender<Result<()>>>,
    /// Commands sent up to this moment are rejected.
    locked_until: Option<Moment>,
    flushes: Arc<AtomicU64>,
}

/// Flushes batches of commands to a database.
pub(in crate::database) trait Flush {
    type Command;

    /// Executes `first`, and as many waiting commands as possible; replies to each of them.
    fn flush(
        &mut self,
        first: Pending<Self::Command>,
        inbox: &mut Inbox<Self::Command>,
    ) -> impl Future<Output = ()> + Send;

    /// Closes the connection.
    fn close(self) -> Result<()>;
}

/// Creates a queue.
pub(in crate::database) fn channel<C>() -> (Queue<C>, Inbox<C>) {
    let (sender, receiver) = mpsc::channel(MAX_WAITING);
    let flushes = Arc::new(AtomicU64::new(0));
    let queue = Queue {
        messages: sender,
        flushes: Arc::clone(&flushes),
    };
    let inbox = Inbox {
        messages: receiver,
        deferred: VecDeque::new(),
        close: None,
        locked_until: None,
        flushes,
    };
    (queue, inbox)
}

/// Flushes commands until the queue is closed or dropped, then closes the flusher.
pub(in crate::database) async fn run<F: Flush>(mut inbox: Inbox<F::Command>, mut flusher: F) {
    while let Some(first) = inbox.next().await {
        flusher.flush(first, &mut inbox).await;
    }
    let closed = flusher.close();
    if let Some(reply) = inbox.close {
        let _ = reply.send(closed);
    }
}

impl<C> Queue<C> {
    /// Waits until a command is executed or rejected. Once the deadline has passed, it is not begun.
    /// `subject` is for the errors.
    pub(in crate::database) async fn write(
        &self,
        subject: Subject,
        command: C,
        deadline: Option<Deadline>,
    ) -> Result<()> {
        let closed = || Err(Rejected::CLOSED.into_error(subject));
        let (reply, outcome) = oneshot::channel();
        let pending = Pending {
            command,
            subject,
            sent: Moment::now(&SystemClock),
            deadline,
            reply,
        };
        if self.messages.send(Message::Write(pending)).await.is_err() {
            return closed();
        }
        // The sender is dropped if the queue is closed before the command's turn.
        outcome.await.unwrap_or_else(|_| closed())
    }

    /// Waits until the commands sent before are executed, and closes the queue. Succeeds if it is
    /// closed already.
    pub(in crate::database) async fn close(&self) -> Result<()> {
        let (reply, closed) = oneshot::channel();
        match self.messages.send(Message::Close(reply)).await {
            Ok(()) => closed.await.unwrap_or(Ok(())),
            Err(_) => Ok(()),
        }
    }

    /// Returns the number of batches that were flushed.
    pub(in crate::database) fn flushes(&self) -> u64 {
        self.flushes.load(Ordering::Relaxed)
    }
}

impl<C> Inbox<C> {
    /// Waits for the next command that may be executed.
    async fn next(&mut self) -> Option<Pending<C>> {
        loop {
            if let Some(pending) = self.try_next() {
                return Some(pending);
            }
            if self.close.is_some() {
                return None;
            }
            match self.messages.recv().await? {
                Message::Write(pending) => self.deferred.push_back(pending),
                Message::Close(reply) => self.close = Some(reply),
            }
        }
    }

    /// Returns the next command that may be executed, if one waits. Rejects those whose deadline has
    /// passed, and drops those whose callers are gone.
    pub(in crate::database) fn try_next(&mut self) -> Option<Pending<C>> {
        loop {
            let pending = match self.deferred.pop_front() {
                Some(pending) => pending,
                None if self.close.is_some() => return None,
                None => match self.messages.try_recv().ok()? {
                    Message::Write(pending) => pending,
                    Message::Close(reply) => {
                        self.close = Some(reply);
                        return None;
                    }
                },
            };
            if self.is_locked_out(&pending) {
                pending.reject(Rejected::LOCKED);
            } else if let Some(pending) = pending.unless_late() {
                return Some(pending);
            }
        }
    }

    fn is_locked_out(&self, pending: &Pending<C>) -> bool {
        self.locked_until
            .is_some_and(|until| pending.sent.is_until(until))
    }

    /// Removes the commands from a batch that may no longer be executed, and replies to them.
    #[cfg(feature = "sqlite")]
    pub(in crate::database) fn remove_late(batch: &mut Vec<Pending<C>>) {
        for late in batch.extract_if(.., |pending| !pending.is_current()) {
            late.reject(Rejected::LATE);
        }
    }

    /// Rejects every command that was sent until now, because another process has held the write lock
    /// for too long. Without this, each batch would wait for the lock in turn.
    #[cfg(feature = "sqlite")]
    pub(in crate::database) fn reject_locked(&mut self, batch: Vec<Pending<C>>) {
        self.locked_until = Some(Moment::now(&SystemClock));
        for pending in batch {
            pending.reject(Rejected::LOCKED);
        }
    }

    /// Appends the waiting commands to a batch, up to [`MAX_BATCH`]. At most one of them takes long, because
    /// the others wait for it; further ones are left for later batches, and shorter commands precede them. So are commands that do
    /// not fit.
    pub(in crate::database) fn fill(
        &mut self,
        batch: &mut Vec<Pending<C>>,
        takes_long: impl Fn(&C) -> bool,
        fits: impl Fn(&C) -> bool,
    ) {
        let mut has_long = batch.iter().any(|pending| takes_long(&pending.command));
        let mut later = VecDeque::new();
        while batch.len() < MAX_BATCH
            && let Some(pending) = self.try_next()
        {
            let is_long = takes_long(&pending.command);
            if (has_long && is_long) || !fits(&pending.command) {
                later.push_back(pending);
            } else {
                has_long |= is_long;
                batch.push(pending);
            }
        }
        later.append(&mut self.deferred);
        self.deferred = later;
    }

    /// Leaves a command for the next batch.
    #[cfg(feature = "postgres")]
    pub(in crate::database) fn defer(&mut self, pending: Pending<C>) {
        self.deferred.push_back(pending);
    }

    /// Counts a batch that was flushed.
    pub(in crate::database) fn count_flush(&self) {
        self.flushes.fetch_add(1, Ordering::Relaxed);
    }
}

//! The queue of writes.
//!
//! One task or thread takes all waiting commands and flushes them as one batch. The commands of a batch
//! share one transaction, and therefore one round trip and one sync.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{mpsc, oneshot};

use super::Subject;
use crate::database::rejected::Rejected;
use crate::error::Result;

/// The maximum number of queued commands. Further callers wait until there is room.
pub(in crate::database) const MAX_WAITING: usize = 1024;
/// The maximum number of commands in a batch. It limits how long the first one waits.
pub(in crate::database) const MAX_BATCH: usize = 512;

/// A command, and the caller that waits for its outcome.
#[derive(Debug)]
pub(in crate::database) struct Pending<C> {
    pub(in crate::database) command: C,
    reply: oneshot::Sender<Result<()>>,
}

impl<C> Pending<C> {
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
    /// Waits until a command is executed. `subject` is for the error if the queue is closed.
    pub(in crate::database) async fn write(&self, subject: Subject, command: C) -> Result<()> {
        let closed = || Err(Rejected::CLOSED.into_error(subject));
        let (reply, outcome) = oneshot::channel();
        let message = Message::Write(Pending { command, reply });
        if self.messages.send(message).await.is_err() {
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
    /// Waits for the next command. Skips commands whose callers are gone: executing them or not are
    /// both allowed, and skipping is cheaper.
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

    /// Returns the next command if one waits. Skips commands whose callers are gone.
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
            if !pending.reply.is_closed() {
                return Some(pending);
            }
        }
    }

    /// Appends the waiting commands to a batch, up to [`MAX_BATCH`].
    pub(in crate::database) fn fill(&mut self, batch: &mut Vec<Pending<C>>) {
        while batch.len() < MAX_BATCH
            && let Some(pending) = self.try_next()
        {
            batch.push(pending);
        }
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

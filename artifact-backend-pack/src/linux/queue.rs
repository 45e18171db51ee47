//! What waits for the committer, in the order of its arrival.
//!
//! `tests/model` explores every interleaving of this module with loom.

use std::collections::VecDeque;

use crate::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A request that waits in the queue.
pub(crate) trait Queued {
    /// Returns the bytes that it takes in a group.
    fn length(&self) -> usize;

    /// Answers the caller that the queue is closed.
    fn refuse(self);
}

#[derive(Debug)]
struct Waiting<R> {
    requests: VecDeque<R>,
    closed: bool,
}

/// The requests that wait for the committer.
#[derive(Debug)]
pub(crate) struct Queue<R> {
    waiting: Mutex<Waiting<R>>,
    arrived: Condvar,
    /// The bytes of a group, unless its first request alone has more.
    group_bytes: usize,
}

impl<R: Queued> Queue<R> {
    pub(crate) fn new(group_bytes: usize) -> Self {
        Self {
            waiting: Mutex::new(Waiting {
                requests: VecDeque::new(),
                closed: false,
            }),
            arrived: Condvar::new(),
            group_bytes,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<R>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a request, or refuses it if the queue is closed.
    pub(crate) fn push(&self, request: R) {
        let mut waiting = self.lock();
        if waiting.closed {
            drop(waiting);
            request.refuse();
            return;
        }
        waiting.requests.push_back(request);
        let is_first = waiting.requests.len() == 1;
        drop(waiting);
        // The committer waits only while the queue is empty.
        if is_first {
            self.arrived.notify_one();
        }
    }

    /// Waits for requests and takes a group. Returns `None` when the queue is closed and empty. Only one thread calls this.
    pub(crate) fn take(&self) -> Option<Vec<R>> {
        let mut waiting = self.lock();
        while waiting.requests.is_empty() {
            if waiting.closed {
                return None;
            }
            let woken = self.arrived.wait(waiting);
            waiting = woken.unwrap_or_else(PoisonError::into_inner);
        }
        let mut bytes = 0;
        let fits = waiting.requests.iter().take_while(|request| {
            bytes += request.length();
            bytes <= self.group_bytes
        });
        let count = fits.count().max(1);
        Some(waiting.requests.drain(..count).collect())
    }

    /// Takes no more requests. [`take`](Self::take) still returns those that wait.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_one();
    }

    /// Takes no more requests, and drops those that wait. Their callers see that no answer will come.
    pub(crate) fn abandon(&self) {
        let mut waiting = self.lock();
        waiting.closed = true;
        let requests = std::mem::take(&mut waiting.requests);
        drop(waiting);
        drop(requests);
    }
}

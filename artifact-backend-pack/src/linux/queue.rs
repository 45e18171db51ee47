//! What waits for the committer, in the order of its arrival.
//!
//! `tests/model` explores every interleaving of this module with loom.

use std::collections::VecDeque;

use crate::linux::patience::Patience;
use crate::sync::{self, Condvar, Mutex, MutexGuard, PoisonError};

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
    /// The bytes of all of them.
    bytes: usize,
    /// How many requests wake the committer.
    wakes_at: usize,
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
                bytes: 0,
                wakes_at: 1,
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
        waiting.bytes += request.length();
        waiting.requests.push_back(request);
        // A committer that waits for more requests than one does not wait for those of the next group.
        let ends_wait = waiting.wakes_at > 1 && waiting.bytes > self.group_bytes;
        let wakes = waiting.requests.len() == waiting.wakes_at || ends_wait;
        drop(waiting);
        if wakes {
            self.arrived.notify_one();
        }
    }

    /// Returns how many requests wait.
    pub(crate) fn len(&self) -> usize {
        self.lock().requests.len()
    }

    /// Waits for requests and takes a group. Returns `None` when the queue is closed and empty. Only one thread calls this.
    pub(crate) fn take(&self, patience: &mut Patience) -> Option<Vec<R>> {
        let wanted = patience.wanted();
        let mut waiting = self.lock();
        while waiting.requests.is_empty() {
            if waiting.closed {
                return None;
            }
            let woken = self.arrived.wait(waiting);
            waiting = woken.unwrap_or_else(PoisonError::into_inner);
        }
        if waiting.requests.len() < wanted && waiting.bytes <= self.group_bytes && !waiting.closed {
            waiting.wakes_at = wanted;
            let timeout = patience.timeout();
            waiting = sync::wait_timeout(&self.arrived, &self.waiting, waiting, timeout);
            waiting.wakes_at = 1;
            patience.waited(wanted, waiting.requests.len());
        }
        let mut bytes = 0;
        let fits = waiting.requests.iter().take_while(|request| {
            bytes += request.length();
            bytes <= self.group_bytes
        });
        let count = fits.count().max(1);
        let group: Vec<_> = waiting.requests.drain(..count).collect();
        waiting.bytes -= group.iter().map(Queued::length).sum::<usize>();
        Some(group)
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

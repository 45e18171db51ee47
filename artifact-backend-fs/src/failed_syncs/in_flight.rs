//! The calls whose result is not known yet.

use std::collections::VecDeque;

use crate::sync::{Mutex, MutexGuard, PoisonError, thread};

/// The calls whose result is not known yet, in the order in which they began.
///
/// A caller can wait for the calls that have begun. Calls that begin later do not extend its wait, so a
/// reader-writer lock would not do.
#[derive(Debug, Default)]
pub(crate) struct InFlight(Mutex<Calls>);

#[derive(Debug, Default)]
struct Calls {
    /// The ticket of the oldest call in `ended`. All calls before it have ended.
    oldest: u64,
    /// Whether each call from `oldest` on has ended.
    ended: VecDeque<bool>,
    /// The threads that wait until all calls before a ticket have ended, sorted by ticket.
    waiting: VecDeque<(u64, thread::Thread)>,
}

impl Calls {
    fn next(&self) -> u64 {
        self.oldest + self.ended.len() as u64
    }
}

impl InFlight {
    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a call and returns its ticket.
    pub(crate) fn begin(&self) -> u64 {
        let mut calls = self.calls();
        let ticket = calls.next();
        calls.ended.push_back(false);
        ticket
    }

    /// Ends a call and wakes the threads that waited only for calls up to it.
    pub(crate) fn end(&self, ticket: u64) {
        let mut calls = self.calls();
        let index = usize::try_from(ticket - calls.oldest).expect("few calls are in flight");
        calls.ended[index] = true;
        while calls.ended.front() == Some(&true) {
            calls.ended.pop_front();
            calls.oldest += 1;
        }
        let oldest = calls.oldest;
        while let Some((_, thread)) = calls.waiting.pop_front_if(|(until, _)| *until <= oldest) {
            thread.unpark();
        }
    }

    /// Waits until every call that has begun has ended.
    pub(crate) fn wait(&self) {
        let mut calls = self.calls();
        let until = calls.next();
        if calls.oldest == until {
            return;
        }
        calls.waiting.push_back((until, thread::current()));
        while calls.oldest < until {
            drop(calls);
            // May return without a reason (std::thread::park).
            thread::park();
            calls = self.calls();
        }
    }
}

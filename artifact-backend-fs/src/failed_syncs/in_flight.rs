//! The calls whose result is not known yet.

use std::collections::VecDeque;

use super::Blocks;
use crate::sync::{Arc, AtomicUsize, Mutex, MutexGuard, Ordering, PoisonError, thread};

/// The calls whose result is not known yet, in the order in which they began.
///
/// A caller can wait for some of the calls that have begun. Calls that begin later do not extend its wait,
/// so a reader-writer lock would not do.
#[derive(Debug, Default)]
pub(crate) struct InFlight(Mutex<Calls>);

#[derive(Debug, Default)]
struct Calls {
    /// The ticket of the first call in `calls`. All calls before it have ended.
    oldest: u64,
    calls: VecDeque<Call>,
}

#[derive(Debug)]
struct Call {
    blocks: Blocks,
    ended: bool,
    waiting: Vec<Arc<Waiter>>,
}

/// A thread that waits until all the calls that it chose have ended.
#[derive(Debug)]
struct Waiter {
    calls: AtomicUsize,
    thread: thread::Thread,
}

impl InFlight {
    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a call that may write `blocks`, and returns its ticket.
    pub(crate) fn begin(&self, blocks: Blocks) -> u64 {
        let mut calls = self.calls();
        calls.calls.push_back(Call {
            blocks,
            ended: false,
            waiting: Vec::new(),
        });
        calls.oldest + calls.calls.len() as u64 - 1
    }

    /// Returns the ticket of the next call that begins.
    pub(crate) fn next(&self) -> u64 {
        let calls = self.calls();
        calls.oldest + calls.calls.len() as u64
    }

    /// Ends a call and wakes the threads that waited for it last.
    pub(crate) fn end(&self, ticket: u64) {
        let mut calls = self.calls();
        let index = usize::try_from(ticket - calls.oldest).expect("few calls are in flight");
        let call = &mut calls.calls[index];
        call.ended = true;
        for waiter in call.waiting.drain(..) {
            if waiter.calls.fetch_sub(1, Ordering::AcqRel) == 1 {
                waiter.thread.unpark();
            }
        }
        while calls.calls.front().is_some_and(|call| call.ended) {
            calls.calls.pop_front();
            calls.oldest += 1;
        }
    }

    /// Waits until every call that has begun, and that `wanted` selects by its ticket and blocks, has ended.
    pub(crate) fn wait(&self, wanted: impl Fn(u64, Blocks) -> bool) {
        let mut calls = self.calls();
        let oldest = calls.oldest;
        let mut chosen: Vec<_> = (oldest..)
            .zip(&mut calls.calls)
            .filter(|(ticket, call)| !call.ended && wanted(*ticket, call.blocks))
            .map(|(_, call)| call)
            .collect();
        if chosen.is_empty() {
            return;
        }
        let waiter = Arc::new(Waiter {
            calls: AtomicUsize::new(chosen.len()),
            thread: thread::current(),
        });
        for call in &mut chosen {
            call.waiting.push(Arc::clone(&waiter));
        }
        drop(calls);
        while waiter.calls.load(Ordering::Acquire) > 0 {
            // May return without a reason (std::thread::park).
            thread::park();
        }
    }
}

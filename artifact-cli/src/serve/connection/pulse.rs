//! What goes on on one connection, for those who see only one side of it each.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

/// Shared by the stream, which sees bytes; the service, which sees requests; the task, which can
/// end the connection; and the list of all connections, which may want it to.
#[derive(Debug)]
pub(crate) struct Pulse {
    state: Mutex<State>,
    /// Asks for the end after what is in flight.
    retire: Notify,
    /// Asks for the end unless something is in flight.
    evict: Notify,
    /// Asks for the end at once.
    cut: Notify,
}

#[derive(Debug)]
struct State {
    in_flight: usize,
    /// How many requests there were.
    begun: u64,
    /// Whether everything that belongs to those was written.
    flushed: bool,
    idle_since: Instant,
}

/// What is to happen with the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Retire,
    Evict,
    Cut,
}

impl Pulse {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                in_flight: 0,
                begun: 0,
                flushed: true,
                idle_since: Instant::now(),
            }),
            retire: Notify::new(),
            evict: Notify::new(),
            cut: Notify::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is one step: a panic leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request has begun. It is over once the guard is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> InFlight {
        let mut state = self.state();
        state.in_flight += 1;
        state.begun += 1;
        state.flushed = false;
        drop(state);
        InFlight(Arc::clone(self))
    }

    /// How many requests there were, and whether none of them is in flight.
    pub(super) fn requests(&self) -> (u64, bool) {
        let state = self.state();
        (state.begun, state.in_flight == 0)
    }

    /// Everything that was written has left.
    pub(crate) fn flushed(&self) {
        let mut state = self.state();
        state.flushed = state.in_flight == 0;
    }

    /// Whether no request has an answer still to come or to be written: what is written now is not
    /// part of one.
    pub(super) fn is_between_requests(&self) -> bool {
        let state = self.state();
        state.in_flight == 0 && state.flushed
    }

    /// Since when nothing was in flight; `None` where something is, or is still to be written.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        let state = self.state();
        (state.in_flight == 0 && state.flushed).then_some(state.idle_since)
    }

    pub(super) fn retire(&self) {
        self.retire.notify_one();
    }

    /// Ends the connection if nothing is in flight on it.
    pub(crate) fn evict(&self) {
        self.evict.notify_one();
    }

    /// Returns once it was evicted while nothing was in flight.
    pub(crate) async fn evicted(&self) {
        self.evict.notified().await;
    }

    pub(super) fn cut(&self) {
        self.cut.notify_one();
    }

    /// What somebody wants of the connection.
    pub(super) async fn order(&self) -> Order {
        tokio::select! {
            biased;
            () = self.cut.notified() => Order::Cut,
            () = self.evict.notified() => Order::Evict,
            () = self.retire.notified() => Order::Retire,
        }
    }
}

/// A request in flight, from its header to the last byte of its answer.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<Pulse>);

impl InFlight {
    pub(super) fn pulse(&self) -> &Arc<Pulse> {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.in_flight -= 1;
        state.idle_since = Instant::now();
    }
}

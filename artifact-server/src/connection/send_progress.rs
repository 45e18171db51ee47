//! How much of a response body the connection has taken from the HTTP implementation.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::time::Instant;

use super::wait_budget::{LATE, WaitBudget};
use crate::config::ServerConfig;

/// The number of bytes of one response that may wait for the connection before more are requested
/// from the service. Small pieces of a body are joined up to this size.
const LOW_WATER: usize = 16 << 10;

/// How long the watchdog sleeps at least while the client is not waited for.
const MIN_PAUSE: Duration = Duration::from_millis(100);

/// Counts the bytes of one response that hyper holds, and how long the client may take for them.
///
/// hyper requests a body's next piece although the client has no room for it. So the body waits here
/// until the connection has taken what it returned before, and a slow reader costs one piece.
#[derive(Debug)]
pub(super) struct SendProgress(Mutex<State>);

#[derive(Debug)]
struct State {
    /// The number of bytes that hyper holds.
    pending: usize,
    /// The task that waits for room.
    body: Option<Waker>,
    budget: WaitBudget,
}

impl SendProgress {
    /// Begins with a client that has not made room for the first byte.
    pub(super) fn new(config: &ServerConfig) -> Arc<Self> {
        let mut budget = WaitBudget::new(config.min_throughput, config.throughput_window);
        budget.wait();
        Arc::new(Self(Mutex::new(State {
            pending: 0,
            body: None,
            budget,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is complete before the next call, so a panic leaves no inconsistent state.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ready once the connection has taken almost all bytes.
    pub(super) fn poll_room(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if state.pending < LOW_WATER {
            return Poll::Ready(());
        }
        state.body = Some(context.waker().clone());
        Poll::Pending
    }

    /// Hands a piece of the body to hyper.
    pub(super) fn hand_out(self: &Arc<Self>, bytes: Bytes) -> BodyBytes {
        let mut state = self.state();
        state.pending += bytes.len();
        state.budget.wait();
        drop(state);
        BodyBytes {
            bytes,
            progress: Some(Arc::clone(self)),
        }
    }

    /// Records that the service has no piece ready. The client is not waited for if it has taken all.
    pub(super) fn wait_for_service(&self) {
        let mut state = self.state();
        if state.pending == 0 {
            state.budget.record_bytes(0);
        }
    }

    /// Records that the connection took `bytes` bytes.
    fn record_bytes(&self, bytes: usize) {
        let mut state = self.state();
        state.pending = state.pending.saturating_sub(bytes);
        state.budget.record_bytes(bytes);
        // Without further bytes, the client may still have to make room for the next piece.
        state.budget.wait();
        let has_room = state.pending < LOW_WATER;
        let body = state.body.take_if(|_| has_room);
        drop(state);
        if let Some(body) = body {
            body.wake();
        }
    }

    /// Returns when to call again; `None` if the client has used up its time.
    pub(super) fn check_time(&self) -> Option<Instant> {
        let mut state = self.state();
        let (now, end) = (Instant::now(), state.budget.earliest_end());
        if !state.budget.is_waiting() {
            return Some(end.max(now + MIN_PAUSE));
        }
        if now < end {
            return Some(end);
        }
        if now.duration_since(end) < LATE {
            return None;
        }
        // The client may have made room meanwhile.
        state.budget.restart();
        Some(state.budget.earliest_end())
    }
}

/// Bytes of a response body. Taking them is recorded.
#[derive(Debug)]
pub(crate) struct BodyBytes {
    bytes: Bytes,
    progress: Option<Arc<SendProgress>>,
}

impl BodyBytes {
    /// Wraps bytes whose way to the client nothing waits for.
    pub(super) fn unrecorded(bytes: Bytes) -> Self {
        Self {
            bytes,
            progress: None,
        }
    }
}

impl Buf for BodyBytes {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        if let Some(progress) = &self.progress {
            progress.record_bytes(count);
        }
    }
}

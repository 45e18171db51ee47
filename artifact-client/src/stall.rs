//! Detects that a deposit makes no progress because of the server, not because of its source.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Records when the connection last polled the body of a deposit, and what it got.
#[derive(Debug)]
pub(crate) struct StallDetector(Mutex<LastPoll>);

#[derive(Debug, Clone, Copy)]
struct LastPoll {
    at: Instant,
    source_pending: bool,
}

impl StallDetector {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(LastPoll {
            at: Instant::now(),
            source_pending: false,
        }))
    }

    /// Records a poll of the body. `source_pending` says that the source had no data.
    pub(crate) fn record_poll(&self, source_pending: bool) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = LastPoll {
            at: Instant::now(),
            source_pending,
        };
    }

    /// Returns after the connection has not polled the body for `limit` although the source had data:
    /// the server does not read, or does not respond.
    pub(crate) async fn wait_for_stall(&self, limit: Duration) {
        loop {
            let LastPoll { at, source_pending } =
                *self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let deadline = at + limit;
            if source_pending {
                sleep_until(now + limit).await;
            } else if deadline <= now {
                return;
            } else {
                sleep_until(deadline).await;
            }
        }
    }
}

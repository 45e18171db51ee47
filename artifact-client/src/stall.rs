//! Notices that a deposit stands still because of the server, not because of its source.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// When the connection last asked for more of the body, and what it got.
#[derive(Debug)]
pub(crate) struct Pace(Mutex<State>);

#[derive(Debug, Clone, Copy)]
struct State {
    last: Instant,
    source_pending: bool,
}

impl Pace {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State {
            last: Instant::now(),
            source_pending: false,
        }))
    }

    /// The connection asked for more; the source had something to give, or made it wait.
    pub(crate) fn asked(&self, source_pending: bool) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = State {
            last: Instant::now(),
            source_pending,
        };
    }

    /// Returns once the connection has asked for nothing for `limit`, although the source did not
    /// make it wait: the server does not take, or does not answer.
    pub(crate) async fn stalled(&self, limit: Duration) {
        loop {
            let State {
                last,
                source_pending,
            } = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let deadline = last + limit;
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

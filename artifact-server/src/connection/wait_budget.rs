//! How long a peer may keep the server waiting for bytes.

use std::time::Duration;

use tokio::time::Instant;

/// A wait that is longer than its limit by this much includes a pause of the server itself.
pub(super) const LATE: Duration = Duration::from_secs(1);

/// A budget of waiting time.
///
/// It starts with the window. Waiting for the peer spends it. Each transferred byte refills it by the
/// time that the byte takes at the minimum rate, up to the window. So a peer may pause for the window
/// or be slightly too slow for long, but sending or taking one byte at a time does not buy more time,
/// and the size of what waits for the peer does not either.
#[derive(Debug)]
pub(super) struct WaitBudget {
    rate: u64,
    window: Duration,
    left: Duration,
    waiting_since: Option<Instant>,
}

impl WaitBudget {
    /// `rate` is in bytes per second; 0 disables the limit.
    pub(super) fn new(rate: u64, window: Duration) -> Self {
        Self {
            rate,
            window,
            left: window,
            waiting_since: None,
        }
    }

    /// Begins to wait, unless it waits already. Returns when the budget is spent; `None` if there is
    /// no limit.
    pub(super) fn wait(&mut self) -> Option<Instant> {
        if self.rate == 0 {
            return None;
        }
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        Some(since + self.left)
    }

    /// Returns when the budget is spent. While nothing waits for the peer, that is the earliest time
    /// at which it can be.
    pub(super) fn earliest_end(&self) -> Instant {
        self.waiting_since.unwrap_or_else(Instant::now) + self.left
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.waiting_since.is_some()
    }

    /// Ends the wait and refills the budget for `bytes` transferred bytes.
    pub(super) fn record_bytes(&mut self, bytes: usize) {
        if let Some(since) = self.waiting_since.take() {
            let waited = since.elapsed();
            // A longer wait would have ended the connection, so the server itself stood still.
            if waited < self.left + LATE {
                self.left = self.left.saturating_sub(waited);
            }
        }
        let earned = time_for(bytes as u64, self.rate);
        self.left = self.left.saturating_add(earned).min(self.window);
    }

    /// Starts the wait and the budget again. For a wait that the server itself prolonged.
    pub(super) fn restart(&mut self) {
        self.left = self.window;
        self.waiting_since = self.waiting_since.map(|_| Instant::now());
    }
}

/// Returns how long `bytes` take at this rate; zero if there is no rate.
pub(super) fn time_for(bytes: u64, rate: u64) -> Duration {
    if rate == 0 {
        return Duration::ZERO;
    }
    let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(rate);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

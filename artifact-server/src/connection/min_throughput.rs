//! Minimum throughput: how long a peer may keep the server waiting for bytes.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::config::{ServerConfig, UNSENT_BYTES};

/// A budget of waiting time.
///
/// It starts with the window. Waiting for the peer spends it. Each transferred byte refills it by the
/// time that the byte takes at the minimum rate, up to the maximum. So a peer may pause for the window
/// or be slightly too slow for long, but sending one byte at a time does not buy more time.
#[derive(Debug)]
pub(crate) struct MinThroughput {
    rate: u64,
    max_budget: Duration,
    budget: Duration,
    waiting_since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl MinThroughput {
    /// `rate` is in bytes per second; 0 disables the limit. `buffered` is how many bytes may count as
    /// transferred although the peer has not received them yet.
    fn new(rate: u64, window: Duration, buffered: u64) -> Self {
        Self {
            rate,
            max_budget: window + time_for(buffered, rate),
            budget: window,
            waiting_since: None,
            timer: None,
        }
    }

    /// Returns the budget of a request body.
    pub(super) fn of_request(config: &ServerConfig) -> Self {
        Self::new(config.min_throughput, config.throughput_window, 0)
    }

    /// Returns the budget of a client that reads responses.
    pub(super) fn of_responses(config: &ServerConfig) -> Self {
        let buffered = u64::from(UNSENT_BYTES);
        Self::new(config.min_throughput, config.throughput_window, buffered)
    }

    /// Counts the time from the first call on as waiting. Ready once the budget is spent.
    pub(super) fn poll_timeout(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.rate == 0 {
            return Poll::Pending;
        }
        if self.waiting_since.is_none() {
            let now = Instant::now();
            self.waiting_since = Some(now);
            let deadline = now + self.budget;
            match &mut self.timer {
                Some(timer) => timer.as_mut().reset(deadline),
                None => self.timer = Some(Box::pin(sleep_until(deadline))),
            }
        }
        match &mut self.timer {
            Some(timer) => timer.as_mut().poll(context),
            None => Poll::Pending,
        }
    }

    /// Ends the wait and refills the budget for `bytes` transferred bytes.
    pub(super) fn record_bytes(&mut self, bytes: usize) {
        if let Some(since) = self.waiting_since.take() {
            self.budget = self.budget.saturating_sub(since.elapsed());
        }
        let earned = time_for(bytes as u64, self.rate);
        self.budget = self.budget.saturating_add(earned).min(self.max_budget);
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

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::{sleep, timeout};

    use super::*;

    const WINDOW: Duration = Duration::from_secs(10);
    const ALMOST: Duration = Duration::from_secs(9);

    /// Lets `time` pass without any bytes. Returns whether the time limit was not reached.
    async fn wait(throughput: &mut MinThroughput, time: Duration) -> bool {
        let timed_out = poll_fn(|context| throughput.poll_timeout(context));
        timeout(time, timed_out).await.is_err()
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_as_long_as_the_window_is_allowed() {
        let mut throughput = MinThroughput::new(1000, WINDOW, 0);
        let began = Instant::now();
        assert!(!wait(&mut throughput, 2 * WINDOW).await);
        assert_eq!(began.elapsed(), WINDOW);
        let mut throughput = MinThroughput::new(1000, WINDOW, 0);
        assert!(wait(&mut throughput, ALMOST).await);
        throughput.record_bytes(5_000);
        assert!(wait(&mut throughput, Duration::from_secs(5)).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_below_the_minimum_times_out_and_the_minimum_does_not() {
        for (bytes, lasts) in [(1, false), (900, false), (1000, true), (5000, true)] {
            let mut throughput = MinThroughput::new(1000, WINDOW, 0);
            let mut lasted = true;
            for _ in 0..200 {
                lasted = lasted && wait(&mut throughput, Duration::from_secs(1)).await;
                throughput.record_bytes(bytes);
            }
            assert_eq!(lasted, lasts, "{bytes} bytes per second");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_fast_start_does_not_buy_a_longer_pause() {
        let mut throughput = MinThroughput::new(1000, WINDOW, 2000);
        throughput.record_bytes(1 << 40);
        let began = Instant::now();
        assert!(!wait(&mut throughput, 5 * WINDOW).await);
        assert_eq!(began.elapsed(), WINDOW + Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn time_in_which_the_server_does_not_wait_does_not_count() {
        let mut throughput = MinThroughput::new(1000, WINDOW, 0);
        sleep(5 * WINDOW).await;
        assert!(wait(&mut throughput, ALMOST).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_of_zero_disables_the_limit() {
        let mut throughput = MinThroughput::new(0, WINDOW, 0);
        assert!(wait(&mut throughput, 100 * WINDOW).await);
    }
}

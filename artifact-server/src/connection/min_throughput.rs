//! Minimum throughput: how long a peer may keep the server waiting for bytes.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::wait_budget::time_for;
use crate::client_timeout::{ClientTimeout, GRACE};
use crate::config::ServerConfig;

/// A budget of waiting time.
///
/// It starts with the window. Waiting for the peer spends it. Each transferred byte refills it by the
/// time that the byte takes at the minimum rate, up to the window. So a peer may pause for the window
/// or be slightly too slow for long, but sending or taking one byte at a time does not buy more time, and
/// the size of what waits for the peer does not either. A pause of the server itself is not the peer's waiting time ([`ClientTimeout`]).
#[derive(Debug)]
pub(crate) struct MinThroughput {
    rate: u64,
    window: Duration,
    budget: Duration,
    /// The part of the grace period of a time-out that was used without being earned back.
    overdraft: Duration,
    waiting: bool,
    timer: Option<Pin<Box<ClientTimeout>>>,
}

impl MinThroughput {
    pub(super) fn new(config: &ServerConfig) -> Self {
        Self {
            rate: config.min_throughput,
            window: config.throughput_window,
            budget: config.throughput_window,
            overdraft: Duration::ZERO,
            waiting: false,
            timer: None,
        }
    }

    /// Counts the time from the first call on as waiting. Ready once the budget is spent.
    pub(super) fn poll_timeout(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.rate == 0 {
            return Poll::Pending;
        }
        if !self.waiting {
            self.waiting = true;
            let grace = GRACE.saturating_sub(self.overdraft);
            match &mut self.timer {
                Some(timer) => timer.as_mut().reset_with_grace(self.budget, grace),
                None => self.timer = Some(Box::pin(ClientTimeout::new(self.budget))),
            }
        }
        match &mut self.timer {
            Some(timer) => timer.as_mut().poll(context),
            None => Poll::Pending,
        }
    }

    /// Ends the wait and refills the budget for `bytes` transferred bytes.
    pub(super) fn record_bytes(&mut self, bytes: usize) {
        if std::mem::take(&mut self.waiting)
            && let Some(timer) = &self.timer
        {
            let used = timer.used();
            self.overdraft += used.saturating_sub(self.budget);
            self.budget = self.budget.saturating_sub(used);
        }
        let earned = time_for(bytes as u64, self.rate);
        let rest = earned.saturating_sub(self.overdraft);
        self.overdraft = self.overdraft.saturating_sub(earned);
        self.budget = self.budget.saturating_add(rest).min(self.window);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::{Instant, advance, sleep, timeout};

    use super::*;

    const WINDOW: Duration = Duration::from_secs(10);
    const ALMOST: Duration = Duration::from_secs(9);

    fn of_rate(rate: u64) -> MinThroughput {
        MinThroughput::new(&ServerConfig {
            min_throughput: rate,
            throughput_window: WINDOW,
            ..ServerConfig::default()
        })
    }

    /// Lets `time` pass without any bytes. Returns whether the time limit was not reached.
    async fn wait(throughput: &mut MinThroughput, time: Duration) -> bool {
        let timed_out = poll_fn(|context| throughput.poll_timeout(context));
        timeout(time, timed_out).await.is_err()
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_as_long_as_the_window_is_allowed() {
        let mut throughput = of_rate(1000);
        let began = Instant::now();
        assert!(!wait(&mut throughput, 2 * WINDOW).await);
        assert_eq!(began.elapsed(), WINDOW);
        let mut throughput = of_rate(1000);
        assert!(wait(&mut throughput, ALMOST).await);
        throughput.record_bytes(5_000);
        assert!(wait(&mut throughput, Duration::from_secs(5)).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_below_the_minimum_times_out_and_the_minimum_does_not() {
        for (bytes, lasts) in [(1, false), (900, false), (1000, true), (5000, true)] {
            let mut throughput = of_rate(1000);
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
        let mut throughput = of_rate(1000);
        throughput.record_bytes(1 << 40);
        let began = Instant::now();
        assert!(!wait(&mut throughput, 5 * WINDOW).await);
        assert_eq!(began.elapsed(), WINDOW);
    }

    #[tokio::test(start_paused = true)]
    async fn time_in_which_the_server_does_not_wait_does_not_count() {
        let mut throughput = of_rate(1000);
        sleep(5 * WINDOW).await;
        assert!(wait(&mut throughput, ALMOST).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_of_the_server_does_not_use_up_the_budget() {
        let mut throughput = of_rate(1000);
        assert!(wait(&mut throughput, Duration::from_secs(1)).await);
        advance(100 * WINDOW).await;
        throughput.record_bytes(1);
        // The part of the window in which the pause began is lost.
        let began = Instant::now();
        assert!(!wait(&mut throughput, WINDOW).await);
        let left = WINDOW * 3 / 4;
        assert!((left..=left + GRACE).contains(&began.elapsed()));
    }

    /// Polls once. Returns whether the time limit was reached.
    async fn is_over(throughput: &mut MinThroughput) -> bool {
        poll_fn(|context| Poll::Ready(throughput.poll_timeout(context).is_ready())).await
    }

    #[tokio::test(start_paused = true)]
    async fn small_pieces_do_not_renew_the_grace_period() {
        for pause in [1, 5, 20, 90] {
            let mut throughput = of_rate(1000);
            let began = Instant::now();
            // Timers fire a little late, as they do without a paused clock.
            let pause = Duration::from_micros(pause * 1000 + 1);
            while !is_over(&mut throughput).await {
                advance(pause).await;
                if is_over(&mut throughput).await {
                    break;
                }
                throughput.record_bytes(usize::from(pause > Duration::from_millis(10)));
                assert!(began.elapsed() < WINDOW + WINDOW / 5, "{pause:?}");
            }
            assert!(began.elapsed() >= WINDOW, "{pause:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_of_zero_disables_the_limit() {
        let mut throughput = of_rate(0);
        assert!(wait(&mut throughput, 100 * WINDOW).await);
    }
}

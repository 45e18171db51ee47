//! Minimum throughput: a time limit on waiting for a peer's bytes.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Sleep, sleep_until};

use super::wait_budget::WaitBudget;
use crate::config::ServerConfig;

/// A [`WaitBudget`] with a timer.
#[derive(Debug)]
pub(crate) struct MinThroughput {
    budget: WaitBudget,
    timer: Option<Pin<Box<Sleep>>>,
}

impl MinThroughput {
    pub(super) fn new(config: &ServerConfig) -> Self {
        Self {
            budget: WaitBudget::new(config.min_throughput, config.throughput_window),
            timer: None,
        }
    }

    /// Counts the time from the first call on as waiting. Ready once the budget is spent.
    pub(super) fn poll_timeout(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let was_waiting = self.budget.is_waiting();
        let Some(deadline) = self.budget.wait() else {
            return Poll::Pending;
        };
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if !was_waiting {
            timer.as_mut().reset(deadline);
        }
        timer.as_mut().poll(context)
    }

    /// Ends the wait and refills the budget for `bytes` transferred bytes.
    pub(super) fn record_bytes(&mut self, bytes: usize) {
        self.budget.record_bytes(bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use tokio::time::{Instant, sleep, timeout};

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
    async fn a_rate_of_zero_disables_the_limit() {
        let mut throughput = of_rate(0);
        assert!(wait(&mut throughput, 100 * WINDOW).await);
    }
}

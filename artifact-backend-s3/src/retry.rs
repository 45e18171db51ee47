//! The pauses between the attempts of one operation.

use std::time::Duration;

use artifact_backend::metrics::RETRIES;
use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use tokio::time::{Instant, sleep_until};

/// The name of this kind of backend in the labels of metrics.
pub(crate) const METRICS_LABEL: &str = "bucket";

/// Exponential back-off with jitter, up to a deadline.
///
/// The delays come from `backon`. The loop and the deadline are our own, because `backon` cannot
/// express either: its `total_delay` counts only the pauses, while our deadline also covers the time
/// that the retries take; and between two attempts of a create the object is read back.
#[derive(Debug)]
pub(crate) struct Retry {
    limit: Limit,
    delays: ExponentialBackoff,
}

#[derive(Debug, Clone, Copy)]
enum Limit {
    /// From the first pause on, which is the end of the first attempt.
    Within(Duration),
    Until(Instant),
}

impl Retry {
    /// `backon` adds a jitter of up to the delay itself, so the first pause is 25 to 50 ms and no
    /// pause exceeds 3 s.
    const FIRST_DELAY: Duration = Duration::from_millis(25);
    const MAX_DELAY: Duration = Duration::from_millis(1_500);

    /// Retries until `deadline`.
    pub(crate) fn until(deadline: Instant) -> Self {
        Self::new(Limit::Until(deadline))
    }

    /// Retries for `time` after the first attempt, however long that takes.
    pub(crate) fn within(time: Duration) -> Self {
        Self::new(Limit::Within(time))
    }

    fn new(limit: Limit) -> Self {
        let delays = ExponentialBuilder::new()
            .with_min_delay(Self::FIRST_DELAY)
            .with_max_delay(Self::MAX_DELAY)
            .with_factor(2.0)
            .without_max_times()
            .with_jitter()
            .build();
        Self { limit, delays }
    }

    /// Returns the deadline, if it is known: not before the end of the first attempt.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.limit {
            Limit::Within(_) => None,
            Limit::Until(deadline) => Some(deadline),
        }
    }

    /// Waits before the next attempt. Returns `false` at once if that attempt would start after the
    /// deadline.
    pub(crate) async fn pause(&mut self) -> bool {
        let now = Instant::now();
        let deadline = match self.limit {
            Limit::Within(time) => now + time,
            Limit::Until(deadline) => deadline,
        };
        self.limit = Limit::Until(deadline);
        let delay = self.delays.next().unwrap_or(Self::MAX_DELAY);
        let end = now + delay;
        if end >= deadline {
            return false;
        }
        // Rare enough to register it each time.
        RETRIES.register_counter(&[METRICS_LABEL]).increment(1);
        sleep_until(end).await;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_to_three_seconds_and_end_before_the_deadline() {
        let began = Instant::now();
        let mut retry = Retry::within(Duration::from_secs(60));
        let mut pauses = Vec::new();
        let mut last = began;
        while retry.pause().await {
            pauses.push(last.elapsed());
            last = Instant::now();
        }
        assert!((25..=51).contains(&pauses[0].as_millis()), "{pauses:?}");
        let longest = pauses.iter().max().unwrap().as_millis();
        assert!((1_500..=3_001).contains(&longest), "{pauses:?}");
        assert!(began.elapsed() < Duration::from_secs(60));
        assert!(began.elapsed() > Duration::from_secs(56));
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_counts_from_the_end_of_the_first_attempt() {
        let mut retry = Retry::within(Duration::from_secs(30));
        assert_eq!(retry.deadline(), None);
        tokio::time::advance(Duration::from_secs(79)).await;
        let first_ended = Instant::now();
        assert!(retry.pause().await);
        let deadline = first_ended + Duration::from_secs(30);
        assert_eq!(retry.deadline(), Some(deadline));
        while retry.pause().await {}
        // The timers of the runtime end up to a millisecond late, so the last pause may end that much after the deadline.
        assert!(Instant::now() < deadline + Duration::from_millis(1));
    }
}

//! Retries: how often, and after which delays.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use artifact_backend::random;
use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use crate::error::{Error, Result};

/// How often, and after which delays, the client repeats a request that may be repeated.
///
/// Each delay is twice the delay before it, shortened at random by up to half, so that clients that
/// failed together do not retry together. The first new byte of a resumed fetch resets the count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    max_retries: u32,
    initial_delay: Duration,
    max_delay: Duration,
    max_retry_after: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_retries: 5,
            initial_delay: Duration::from_millis(250),
            max_delay: Duration::from_secs(8),
            max_retry_after: Duration::from_secs(30),
        }
    }
}

impl RetryPolicy {
    /// Returns a policy without retries. A broken fetch is not resumed either.
    pub fn never() -> Self {
        Self::default().with_max_retries(0)
    }

    /// Sets how many attempts without progress may follow the first; 5 by default.
    #[must_use = "this returns the changed policy"]
    pub fn with_max_retries(mut self, max_retries: u32) -> Self {
        self.max_retries = max_retries;
        self
    }

    /// Sets the delay before the first retry (250 ms by default) and the longest delay (8 s by
    /// default).
    #[must_use = "this returns the changed policy"]
    pub fn with_delays(mut self, initial: Duration, max: Duration) -> Self {
        self.initial_delay = initial;
        self.max_delay = max;
        self
    }

    /// Sets the longest `Retry-After` that the client waits for; 30 s by default. If the server asks
    /// for more time, the operation fails at once, and [`Error::retry_after`] returns that time.
    #[must_use = "this returns the changed policy"]
    pub fn with_max_retry_after(mut self, limit: Duration) -> Self {
        self.max_retry_after = limit;
        self
    }

    /// Returns the delays in their order, one for each retry.
    ///
    /// backon's jitter adds up to the whole delay. On halved delays this gives the half to the whole.
    fn delays(&self, jitter_seed: u64) -> ExponentialBackoff {
        ExponentialBuilder::new()
            .with_min_delay(self.initial_delay.min(self.max_delay) / 2)
            .with_max_delay(self.max_delay / 2)
            .with_factor(2.0)
            .with_jitter()
            .with_jitter_seed(jitter_seed)
            .with_max_times(self.max_retries.try_into().unwrap_or(usize::MAX))
            .build()
    }
}

/// A function that is called before each retry.
#[derive(Clone, Default)]
pub(crate) struct RetryCallback(Option<Arc<RetryFn>>);

type RetryFn = dyn Fn(&Error, Duration) + Send + Sync;

impl RetryCallback {
    pub(crate) fn new(call: impl Fn(&Error, Duration) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(call)))
    }
}

impl fmt::Debug for RetryCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RetryCallback")
            .field(&self.0.is_some())
            .finish()
    }
}

/// The remaining retries of one operation.
#[derive(Debug)]
pub(crate) struct Retries {
    policy: RetryPolicy,
    callback: RetryCallback,
    delays: ExponentialBackoff,
    /// Whether a delay was taken since the last reset.
    has_waited: bool,
    /// Whether the server may have processed an earlier attempt.
    pub(crate) may_be_done: bool,
}

impl Retries {
    pub(crate) fn new(policy: RetryPolicy, callback: RetryCallback) -> Self {
        Self {
            delays: policy.delays(jitter_seed()),
            has_waited: false,
            may_be_done: false,
            policy,
            callback,
        }
    }

    /// Resets the count after progress.
    pub(crate) fn reset(&mut self) {
        if !std::mem::take(&mut self.has_waited) {
            return;
        }
        self.delays = self.policy.delays(jitter_seed());
    }

    /// Waits before the next attempt. Returns the error if another attempt cannot help, or if the
    /// policy allows no further one.
    ///
    /// The caller decides whether the operation may be repeated at all.
    pub(crate) async fn wait_before_retry(&mut self, error: Error) -> Result<()> {
        let retry_after = error.retry_after().unwrap_or_default();
        if !error.is_retryable() || retry_after > self.policy.max_retry_after {
            return Err(error);
        }
        let Some(own_delay) = self.delays.next() else {
            return Err(error);
        };
        self.has_waited = true;
        let delay = retry_after.saturating_add(own_delay);
        if let Some(call) = &self.callback.0 {
            call(&error, delay);
        }
        tokio::time::sleep(delay).await;
        Ok(())
    }
}

fn jitter_seed() -> u64 {
    u64::from_ne_bytes(random::bytes())
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::error::{ErrorKind, Operation};

    fn unavailable(seconds: Option<u64>) -> Error {
        Error::new(ErrorKind::Unavailable, Operation::Fetch)
            .with_retry_after(seconds.map(Duration::from_secs))
    }

    fn policy() -> RetryPolicy {
        RetryPolicy::default()
            .with_max_retries(4)
            .with_delays(Duration::from_secs(1), Duration::from_secs(5))
            .with_max_retry_after(Duration::from_secs(30))
    }

    fn retries() -> Retries {
        Retries::new(policy(), RetryCallback::default())
    }

    #[test]
    fn delays_double_up_to_the_maximum_and_jitter_removes_up_to_half() {
        let policy = policy().with_max_retries(100);
        let mut shares = vec![];
        for seed in 0..100 {
            let delays: Vec<_> = policy.delays(seed).collect();
            assert_eq!(delays.len(), 100);
            for (retry, whole) in [(0, 1.0), (1, 2.0), (2, 4.0), (3, 5.0), (32, 5.0), (99, 5.0)] {
                let share = delays[retry].as_secs_f64() / whole;
                assert!((0.5..=1.0).contains(&share), "retry {retry}: {share}");
                shares.push(share);
            }
        }
        assert!(shares.iter().any(|share| *share < 0.52));
        assert!(shares.iter().any(|share| *share > 0.98));
        let capped = policy.with_delays(Duration::from_secs(9), Duration::from_secs(5));
        assert!(capped.delays(0).all(|delay| delay.as_secs_f64() <= 5.0));
    }

    #[tokio::test(start_paused = true)]
    async fn progress_resets_the_count() {
        let mut retries = retries();
        for round in 0..3 {
            let start = Instant::now();
            for _ in 0..4 {
                retries.wait_before_retry(unavailable(None)).await.unwrap();
            }
            let took = start.elapsed().as_secs_f64();
            // 1 + 2 + 4 + 5 seconds, or as little as half of it; timers tick by the millisecond.
            assert!((6.0..12.01).contains(&took), "{round}: {took}");
            let error = retries.wait_before_retry(unavailable(None)).await;
            error.unwrap_err();
            retries.reset();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_retry_is_sent_before_retry_after() {
        let mut retries = retries();
        let start = Instant::now();
        let waited = retries.wait_before_retry(unavailable(Some(30))).await;
        waited.unwrap();
        let took = start.elapsed().as_secs_f64();
        assert!((30.5..31.01).contains(&took), "{took}");
        // Longer than the policy allows: fails at once, with the time that the server asked for.
        let start = Instant::now();
        let waited = retries.wait_before_retry(unavailable(Some(31))).await;
        let error = waited.unwrap_err();
        assert_eq!(error.retry_after(), Some(Duration::from_secs(31)));
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test]
    async fn permanent_errors_are_not_retried() {
        let error = Error::new(ErrorKind::Forbidden, Operation::Fetch);
        let error = retries().wait_before_retry(error).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Forbidden);
        let mut never = Retries::new(RetryPolicy::never(), RetryCallback::default());
        let error = never.wait_before_retry(unavailable(None)).await;
        error.unwrap_err();
    }
}

//! How often something is tried again, and after which pauses.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use artifact_backend::random;

use crate::error::{Error, Result};

/// How often, and after which pauses, the client tries again what it may try again.
///
/// Each pause is twice the one before, shortened by up to half at random, so that many clients that
/// failed together do not come back together. Progress (a byte of a fetch that was not there before)
/// begins the count anew.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// How many tries there are after the first, one after another without progress; 5 by default.
    pub retries: u32,
    /// The pause before the second try; 250 ms by default.
    pub first_pause: Duration,
    /// The longest pause that the client takes by itself; 8 s by default.
    pub max_pause: Duration,
    /// The longest `Retry-After` that is waited for; 30 s by default. A server that asks for more
    /// time is not asked again before that: the operation fails at once, and
    /// [`Error::retry_after`] says what the server asked for.
    pub max_retry_after: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            retries: 5,
            first_pause: Duration::from_millis(250),
            max_pause: Duration::from_secs(8),
            max_retry_after: Duration::from_secs(30),
        }
    }
}

impl RetryPolicy {
    /// Nothing is tried again, and no broken fetch is resumed.
    pub fn never() -> Self {
        Self::default().with_retries(0)
    }

    /// With so many tries after the first.
    #[must_use = "this gives the policy back, it does not change it in place"]
    pub fn with_retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// With pauses from `first` to `longest`.
    #[must_use = "this gives the policy back, it does not change it in place"]
    pub fn with_pauses(mut self, first: Duration, longest: Duration) -> Self {
        self.first_pause = first;
        self.max_pause = longest;
        self
    }

    /// With another longest `Retry-After`.
    #[must_use = "this gives the policy back, it does not change it in place"]
    pub fn with_max_retry_after(mut self, longest: Duration) -> Self {
        self.max_retry_after = longest;
        self
    }

    /// The pause before the try after `failed` failed ones, `jitter` being from 0 to 255.
    fn pause(&self, failed: u32, jitter: u8) -> Duration {
        let factor = 1_u32.checked_shl(failed).unwrap_or(u32::MAX);
        let whole = self.first_pause.saturating_mul(factor).min(self.max_pause);
        let half = whole / 2;
        half + half.mul_f64(f64::from(jitter) / 255.0)
    }
}

type OnRetry = dyn Fn(&Error, Duration) + Send + Sync;

/// Who wants to know of each try that failed.
#[derive(Clone, Default)]
pub(crate) struct Observer(Option<Arc<OnRetry>>);

impl Observer {
    pub(crate) fn new(observe: impl Fn(&Error, Duration) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(observe)))
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Observer").field(&self.0.is_some()).finish()
    }
}

/// The tries of one operation.
#[derive(Debug)]
pub(crate) struct Retries {
    policy: RetryPolicy,
    observer: Observer,
    failed: u32,
}

impl Retries {
    pub(crate) fn new(policy: RetryPolicy, observer: Observer) -> Self {
        Self {
            policy,
            observer,
            failed: 0,
        }
    }

    /// Something new arrived: the count begins anew.
    pub(crate) fn progressed(&mut self) {
        self.failed = 0;
    }

    /// Waits before the next try, or gives the error back where there may be none.
    ///
    /// Whether the operation may be repeated at all is for the caller to know.
    pub(crate) async fn wait(&mut self, error: Error) -> Result<()> {
        let asked = error.retry_after();
        let too_long = asked.is_some_and(|pause| pause > self.policy.max_retry_after);
        if too_long || self.failed >= self.policy.retries || !error.is_retryable() {
            return Err(error);
        }
        let [jitter] = random::bytes();
        let own = self.policy.pause(self.failed, jitter);
        let pause = asked.unwrap_or_default().saturating_add(own);
        self.failed += 1;
        if let Some(observe) = &self.observer.0 {
            observe(&error, pause);
        }
        tokio::time::sleep(pause).await;
        Ok(())
    }
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
            .with_retries(4)
            .with_pauses(Duration::from_secs(1), Duration::from_secs(5))
            .with_max_retry_after(Duration::from_secs(30))
    }

    fn retries() -> Retries {
        Retries::new(policy(), Observer::default())
    }

    #[test]
    fn a_pause_doubles_up_to_the_longest_and_jitter_takes_up_to_half() {
        for (failed, whole) in [(0, 1), (1, 2), (2, 4), (3, 5), (31, 5), (32, 5), (99, 5)] {
            let whole = Duration::from_secs(whole);
            assert_eq!(policy().pause(failed, 255), whole, "{failed}");
            assert_eq!(policy().pause(failed, 0), whole / 2, "{failed}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn tries_are_counted_from_the_last_progress() {
        let mut retries = retries();
        for round in 0..3 {
            let begin = Instant::now();
            for _ in 0..4 {
                retries.wait(unavailable(None)).await.unwrap();
            }
            let took = begin.elapsed().as_secs_f64();
            // 1 + 2 + 4 + 5 seconds, or as little as half of it; timers tick by the millisecond.
            assert!((6.0..12.01).contains(&took), "{round}: {took}");
            retries.wait(unavailable(None)).await.unwrap_err();
            retries.progressed();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_server_is_never_asked_before_the_time_that_it_named() {
        let mut retries = retries();
        let begin = Instant::now();
        retries.wait(unavailable(Some(30))).await.unwrap();
        let took = begin.elapsed().as_secs_f64();
        assert!((30.5..31.01).contains(&took), "{took}");
        // Longer than anybody waits: at once, with what was asked for.
        let begin = Instant::now();
        let error = retries.wait(unavailable(Some(31))).await.unwrap_err();
        assert_eq!(error.retry_after(), Some(Duration::from_secs(31)));
        assert_eq!(begin.elapsed(), Duration::ZERO);
    }

    #[tokio::test]
    async fn what_is_no_use_is_not_tried_again() {
        let error = Error::new(ErrorKind::Forbidden, Operation::Fetch);
        let error = retries().wait(error).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Forbidden);
        let mut never = Retries::new(RetryPolicy::never(), Observer::default());
        never.wait(unavailable(None)).await.unwrap_err();
    }
}

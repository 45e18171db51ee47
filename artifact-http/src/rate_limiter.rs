//! Limits how many requests each principal sends in a time.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

use artifact_store::{ExperimentId, Principal, PrincipalId};
use governor::clock::{Clock, MonotonicClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter as Limiter};
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};

use crate::config::RequestRate;
use crate::problem::Problem;

/// After this many requests, principals that have their whole burst again are forgotten. So the memory is bounded by the
/// principals of the requests of that time.
const REQUESTS_BEFORE_CLEANING: u32 = 1 << 16;

/// A principal within its experiment: two experiments might contain the same id.
type Key = (Option<ExperimentId>, PrincipalId);

/// Counts the requests of each principal.
pub(crate) struct RateLimiter<C: Clock = MonotonicClock> {
    limiter: Limiter<Key, HashMapStateStore<Key>, C, NoOpMiddleware<C::Instant>>,
    clock: C,
    requests: AtomicU32,
}

impl RateLimiter {
    pub(crate) fn new(rate: RequestRate) -> Self {
        Self::with_clock(rate, MonotonicClock)
    }
}

impl<C: Clock + Clone> RateLimiter<C> {
    fn with_clock(rate: RequestRate, clock: C) -> Self {
        let quota = Quota::per_second(rate.per_second).allow_burst(rate.burst);
        Self {
            limiter: Limiter::new(quota, HashMapStateStore::default(), clock.clone()),
            clock,
            requests: AtomicU32::new(0),
        }
    }

    /// Counts a request of a principal. Fails with 429 if the principal has sent too many; such a request does not count.
    pub(crate) fn check(&self, principal: &Principal) -> Result<(), Problem> {
        // The number wraps around, which does no harm.
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        if number % REQUESTS_BEFORE_CLEANING == REQUESTS_BEFORE_CLEANING - 1 {
            self.limiter.retain_recent();
        }
        let key = (principal.experiment().cloned(), principal.id());
        let Err(refused) = self.limiter.check_key(&key) else {
            return Ok(());
        };
        let wait = refused.wait_time_from(self.clock.now());
        // Whole seconds (RFC 9110, section 10.2.3), rounded up, so that the request is then accepted.
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let problem = Problem::plain(
            StatusCode::TOO_MANY_REQUESTS,
            "the principal sends too many requests; wait for the time in Retry-After, in seconds",
        );
        Err(problem.with_header(RETRY_AFTER, HeaderValue::from(seconds.max(1))))
    }
}

impl<C: Clock> fmt::Debug for RateLimiter<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimiter")
            .field("principals", &self.limiter.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use governor::clock::FakeRelativeClock;

    use super::*;

    fn worker(number: u32) -> Principal {
        let id = format!("wkr_{number:026}");
        Principal::worker(id.parse().unwrap(), "e".parse().unwrap())
    }

    #[test]
    fn a_burst_is_accepted_and_then_the_rate() {
        let clock = FakeRelativeClock::default();
        let rate = RequestRate::new(2, 3).unwrap();
        let limiter = RateLimiter::with_clock(rate, clock.clone());
        let accepted = |principal: &Principal, of: u32| {
            let accepted = (0..of).filter(|_| limiter.check(principal).is_ok());
            accepted.count()
        };
        let (one, other) = (worker(1), worker(2));
        assert_eq!(accepted(&one, 10), 3);
        // Each principal has its own.
        assert_eq!(accepted(&other, 10), 3);
        assert_eq!(accepted(&Principal::admin(), 10), 3);
        clock.advance(Duration::from_millis(499));
        assert_eq!(accepted(&one, 10), 0);
        clock.advance(Duration::from_millis(1));
        assert_eq!(accepted(&one, 10), 1);
        clock.advance(Duration::from_mins(1));
        assert_eq!(accepted(&one, 10), 3);
    }

    #[test]
    fn a_refused_request_is_told_when_the_next_is_accepted() {
        let clock = FakeRelativeClock::default();
        let rate = RequestRate::new(1, 1).unwrap();
        let limiter = RateLimiter::with_clock(rate, clock.clone());
        limiter.check(&worker(1)).unwrap();
        let problem = limiter.check(&worker(1)).unwrap_err();
        assert_eq!(problem.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(problem.header(&RETRY_AFTER).unwrap(), "1");
        clock.advance(Duration::from_secs(1));
        limiter.check(&worker(1)).unwrap();
    }

    #[test]
    fn idle_principals_are_forgotten() {
        let clock = FakeRelativeClock::default();
        let rate = RequestRate::new(10, 1).unwrap();
        let limiter = RateLimiter::with_clock(rate, clock.clone());
        for number in 0..REQUESTS_BEFORE_CLEANING - 1 {
            limiter.check(&worker(number)).unwrap();
        }
        clock.advance(Duration::from_secs(2));
        limiter.check(&worker(0)).unwrap();
        assert_eq!(limiter.limiter.len(), 1);
    }
}

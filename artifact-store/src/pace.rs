//! A limit on how fast maintenance works.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Lets callers pass at a steady rate. Unused time is not saved up, so there are no bursts.
#[derive(Debug)]
pub(crate) struct Pace {
    per_second: Option<u64>,
    /// When the next caller may pass.
    next: Mutex<Option<Instant>>,
}

impl Pace {
    /// Creates a limit of `per_second` units; `None` and 0 are no limit.
    pub(crate) fn new(per_second: Option<u64>) -> Self {
        Self {
            per_second: per_second.filter(|units| *units > 0),
            next: Mutex::default(),
        }
    }

    /// Waits until `units` more units may be used. A dropped future has used them.
    pub(crate) async fn take(&self, units: u64) {
        let Some(per_second) = self.per_second else {
            return;
        };
        let at = self.reserve(units, per_second);
        if at > Instant::now() {
            sleep_until(at).await;
        }
    }

    /// Reserves the next units. Returns when they may be used.
    fn reserve(&self, units: u64, per_second: u64) -> Instant {
        let nanos = u128::from(units) * 1_000_000_000 / u128::from(per_second);
        let time = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let now = Instant::now();
        // The critical section cannot leave a half-written value.
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let at = next.map_or(now, |next| next.max(now));
        *next = Some(at.checked_add(time).unwrap_or(at));
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_limited_rate_is_kept_and_pauses_are_not_saved_up() {
        let start = Instant::now();
        let pace = Pace::new(Some(10));
        for _ in 0..11 {
            pace.take(1).await;
        }
        // The clock of a runtime counts milliseconds.
        let took = start.elapsed().as_millis();
        assert!((1000..1020).contains(&took), "{took} ms");
        tokio::time::sleep(Duration::from_mins(1)).await;
        let start = Instant::now();
        for _ in 0..6 {
            pace.take(2).await;
        }
        let took = start.elapsed().as_millis();
        assert!((1000..1020).contains(&took), "{took} ms");
    }

    #[tokio::test(start_paused = true)]
    async fn no_limit_and_zero_do_not_wait() {
        let start = Instant::now();
        for pace in [Pace::new(None), Pace::new(Some(0))] {
            pace.take(u64::MAX).await;
            pace.take(1).await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}

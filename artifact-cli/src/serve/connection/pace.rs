//! The least throughput: how long a peer may make us wait for the bytes that it moves.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// Patience as an account. It begins with a window's worth; each byte that moves pays in the time
/// that it takes at the least rate; waiting for the peer, and only that, takes out. So a peer may
/// pause for the window, or be a little too slow for long, but a drip of bytes does not buy time.
#[derive(Debug)]
pub(crate) struct Pace {
    rate: u64,
    most: Duration,
    left: Duration,
    waiting_since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Pace {
    /// `backlog` is how many bytes may have moved from our view that the peer has yet to take.
    pub(crate) fn new(rate: u64, window: Duration, backlog: u64) -> Self {
        Self {
            rate,
            most: window + time_for(backlog, rate),
            left: window,
            waiting_since: None,
            timer: None,
        }
    }

    /// The peer makes us wait. Ready once that is too long.
    pub(crate) fn poll_wait(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.rate == 0 {
            return Poll::Pending;
        }
        if self.waiting_since.is_none() {
            let now = Instant::now();
            self.waiting_since = Some(now);
            let deadline = now + self.left;
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

    /// So many bytes moved.
    pub(crate) fn moved(&mut self, bytes: usize) {
        if let Some(since) = self.waiting_since.take() {
            self.left = self.left.saturating_sub(since.elapsed());
        }
        let earned = time_for(bytes as u64, self.rate);
        self.left = self.left.saturating_add(earned).min(self.most);
    }
}

/// How long so many bytes take at this rate.
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

    /// Waits for as long as the peer may, or for this time.
    async fn wait(pace: &mut Pace, time: Duration) -> bool {
        let waited = poll_fn(|context| pace.poll_wait(context));
        timeout(time, waited).await.is_err()
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_of_the_window_is_allowed_and_not_more() {
        let mut pace = Pace::new(1000, WINDOW, 0);
        let began = Instant::now();
        assert!(!wait(&mut pace, 2 * WINDOW).await);
        assert_eq!(began.elapsed(), WINDOW);
        let mut pace = Pace::new(1000, WINDOW, 0);
        assert!(wait(&mut pace, ALMOST).await);
        pace.moved(5_000);
        assert!(wait(&mut pace, Duration::from_secs(5)).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_drip_ends_and_the_least_rate_does_not() {
        for (bytes, ends) in [(1, true), (900, true), (1000, false), (5000, false)] {
            let mut pace = Pace::new(1000, WINDOW, 0);
            let mut alive = true;
            for _ in 0..200 {
                alive = alive && wait(&mut pace, Duration::from_secs(1)).await;
                pace.moved(bytes);
            }
            assert_eq!(alive, !ends, "{bytes} bytes a second");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_fast_once_may_not_pause_for_longer() {
        let mut pace = Pace::new(1000, WINDOW, 2000);
        pace.moved(1 << 40);
        let began = Instant::now();
        assert!(!wait(&mut pace, 5 * WINDOW).await);
        assert_eq!(began.elapsed(), WINDOW + Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn our_own_slowness_does_not_count_and_no_rate_is_no_limit() {
        let mut pace = Pace::new(1000, WINDOW, 0);
        sleep(5 * WINDOW).await;
        assert!(wait(&mut pace, ALMOST).await);
        let mut pace = Pace::new(0, WINDOW, 0);
        assert!(wait(&mut pace, 100 * WINDOW).await);
    }
}

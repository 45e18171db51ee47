//! A time limit for a client, in which only the time counts that the server runs.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

/// How much later than its limit a time-out fires, so that the runtime looks at the socket in between.
pub(crate) const GRACE: Duration = Duration::from_millis(200);
/// A timer that is later than this fired after a pause of the server.
const LATE: Duration = Duration::from_millis(100);
/// The parts of a limit. A pause of the server costs the client at most one part.
const PARTS: u32 = 4;

pin_project! {
    /// A future that is ready once a client has used up its time limit.
    ///
    /// The process may stand still: SIGSTOP, a frozen cgroup, a suspended virtual machine. What the client
    /// sends meanwhile waits in the socket. Afterwards `epoll_wait(2)` can fail with `EINTR` (signal(7)), and
    /// tokio then fires the expired timers before it looks at any socket. So this future:
    ///
    /// - measures the limit in four parts, and repeats a part that ends more than 100 ms late;
    /// - fires 200 ms after the limit. The runtime has looked at the socket by then, and a future that
    ///   tries to read before it polls the time-out has received the bytes. Only a timer that is
    ///   exactly on time fires at once, which happens if a test has paused the clock.
    ///
    /// Moving a [`Sleep`] takes a lock of the runtime. A limit that starts again, as on a busy connection, is
    /// therefore only noted: the sleep then ends too early and is moved once.
    #[derive(Debug)]
    pub(crate) struct ClientTimeout {
        // Ends at or before the end of the current part.
        #[pin]
        sleep: Sleep,
        limit: Duration,
        // The parts that are over.
        counted: Duration,
        // The length of the current part.
        part: Duration,
        // The end of the current part.
        deadline: Instant,
        grace: Duration,
        phase: Phase,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The limit is being measured.
    Measuring,
    /// The limit is over, and the grace period runs.
    Looking,
    Expired,
}

impl ClientTimeout {
    /// Starts a time limit.
    pub(crate) fn new(limit: Duration) -> Self {
        let part = part_of(limit);
        let deadline = Instant::now() + part;
        Self {
            sleep: sleep_until(deadline),
            limit,
            counted: Duration::ZERO,
            part,
            deadline,
            grace: GRACE,
            phase: Phase::Measuring,
        }
    }

    /// Starts another time limit now. The next poll registers the task.
    pub(crate) fn reset(self: Pin<&mut Self>, limit: Duration) {
        self.reset_with_grace(limit, GRACE);
    }

    /// Starts another time limit, after which the time-out fires with this delay. For a client that may
    /// send a little each time to get another grace period.
    pub(crate) fn reset_with_grace(self: Pin<&mut Self>, limit: Duration, grace: Duration) {
        let this = self.project();
        *this.limit = limit;
        *this.grace = grace;
        *this.counted = Duration::ZERO;
        *this.part = part_of(limit);
        *this.deadline = Instant::now() + *this.part;
        *this.phase = Phase::Measuring;
        if *this.deadline < this.sleep.deadline() {
            this.sleep.reset(*this.deadline);
        }
    }

    /// Returns how much of the limit and of the grace period the client has used. Does not include pauses
    /// of the server.
    pub(crate) fn used(&self) -> Duration {
        let rest = self.deadline.saturating_duration_since(Instant::now());
        self.counted + self.part.saturating_sub(rest)
    }
}

/// Returns the length of a part: at least the resolution of the runtime's timers.
fn part_of(limit: Duration) -> Duration {
    (limit / PARTS).max(Duration::from_millis(1)).min(limit)
}

impl Future for ClientTimeout {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        while *this.phase != Phase::Expired {
            ready!(this.sleep.as_mut().poll(context));
            let now = Instant::now();
            let late = now.saturating_duration_since(*this.deadline);
            if this.sleep.deadline() < *this.deadline {
                // The limit was started again meanwhile.
            } else if late > LATE {
                *this.deadline = now + *this.part;
            } else if *this.phase == Phase::Looking {
                *this.phase = Phase::Expired;
            } else {
                *this.counted += *this.part;
                let rest = this.limit.saturating_sub(*this.counted);
                if !rest.is_zero() {
                    // The last part includes what the division left over.
                    let part = part_of(*this.limit);
                    *this.part = if rest < 2 * part { rest } else { part };
                    *this.deadline += *this.part;
                } else if late.is_zero() || this.grace.is_zero() {
                    *this.part = Duration::ZERO;
                    *this.phase = Phase::Expired;
                } else {
                    *this.phase = Phase::Looking;
                    *this.part = *this.grace;
                    *this.deadline += *this.grace;
                }
            }
            this.sleep.as_mut().reset(*this.deadline);
        }
        Poll::Ready(())
    }
}

/// The timers that hyper uses: for the rest of a header, and for the pings of HTTP/2.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClientTimer;

impl hyper::rt::Sleep for ClientTimeout {}

impl hyper::rt::Timer for ClientTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(ClientTimeout::new(duration))
    }

    fn sleep_until(&self, deadline: std::time::Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        self.sleep(deadline.saturating_duration_since(self.now()))
    }

    fn now(&self) -> std::time::Instant {
        Instant::now().into_std()
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn hyper::rt::Sleep>>, deadline: std::time::Instant) {
        let limit = deadline.saturating_duration_since(self.now());
        match sleep.as_mut().downcast_mut_pin::<ClientTimeout>() {
            Some(sleep) => sleep.reset(limit),
            None => *sleep = self.sleep(limit),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, timeout};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    #[tokio::test(start_paused = true)]
    async fn the_limit_is_exact_if_the_server_runs() {
        for limit in [
            Duration::ZERO,
            Duration::from_millis(3),
            Duration::from_millis(1001),
            LIMIT,
        ] {
            let began = Instant::now();
            ClientTimeout::new(limit).await;
            assert_eq!(began.elapsed(), limit);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_of_the_server_costs_at_most_a_part_of_the_limit() {
        for part in 0..PARTS {
            let mut client = Box::pin(ClientTimeout::new(LIMIT));
            let used = part * LIMIT / PARTS + LIMIT / PARTS / 2;
            assert!(timeout(used, client.as_mut()).await.is_err());
            // A suspended machine.
            advance(100 * LIMIT).await;
            let resumed = Instant::now();
            client.as_mut().await;
            assert_eq!(resumed.elapsed(), (PARTS - part) * LIMIT / PARTS);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_that_fires_late_leaves_time_to_look_at_the_socket() {
        for late in [Duration::from_millis(1), LATE, 2 * LATE, LIMIT] {
            let mut client = Box::pin(ClientTimeout::new(LIMIT));
            let almost = LIMIT.saturating_sub(Duration::from_millis(10));
            assert!(timeout(almost, client.as_mut()).await.is_err());
            advance(Duration::from_millis(10) + late).await;
            let looking = timeout(LATE / 2, client.as_mut()).await;
            assert!(looking.is_err(), "{late:?}");
            client.await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_used_time_includes_no_pause_of_the_server() {
        let mut client = Box::pin(ClientTimeout::new(LIMIT));
        let second = Duration::from_secs(1);
        assert!(timeout(7 * second, client.as_mut()).await.is_err());
        assert_eq!(client.used(), 7 * second);
        advance(LIMIT).await;
        assert_eq!(client.used(), 10 * second);
        client.as_mut().reset(LIMIT);
        assert_eq!(client.used(), Duration::ZERO);
        client.as_mut().await;
        assert_eq!(client.used(), LIMIT);
    }
}

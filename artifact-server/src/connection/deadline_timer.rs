//! A timer whose deadline is moved with every request.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::{Instant, Sleep, sleep_until};

/// Waits until a deadline that can be moved.
///
/// Moving a [`Sleep`] takes a lock of the runtime's timers. A deadline that only moves to a later time, as
/// on a busy connection, is therefore only noted. The sleep then ends too early and is moved once.
#[derive(Debug)]
pub(super) struct DeadlineTimer {
    deadline: Instant,
    /// Ends at or before `deadline`.
    sleep: Pin<Box<Sleep>>,
}

impl DeadlineTimer {
    pub(super) fn new(deadline: Instant) -> Self {
        Self {
            deadline,
            sleep: Box::pin(sleep_until(deadline)),
        }
    }

    /// Moves the deadline. The next poll registers the task.
    pub(super) fn reset(&mut self, deadline: Instant) {
        self.deadline = deadline;
        if deadline < self.sleep.deadline() {
            self.sleep.as_mut().reset(deadline);
        }
    }

    /// Ready once the deadline has passed.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.sleep.as_mut().poll(context));
            if self.sleep.deadline() >= self.deadline {
                return Poll::Ready(());
            }
            self.sleep.as_mut().reset(self.deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_deadline_can_be_moved_in_both_directions() {
        for (first, moved) in [(10, 30), (10, 5), (10, 10)] {
            let began = Instant::now();
            let mut timer = DeadlineTimer::new(began + first * SECOND);
            timer.reset(began + moved * SECOND);
            poll_fn(|context| timer.poll(context)).await;
            assert_eq!(began.elapsed(), moved * SECOND);
        }
    }
}

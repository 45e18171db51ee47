//! The background lane: maintenance that leaves the resources of requests alone.
//!
//! A pool of permits, threads or connections that serves requests keeps a small part of it for maintenance, and asks
//! [`is_background`] which part a call may use. So maintenance waits for itself only, and no request waits for it.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;

thread_local! {
    static IS_BACKGROUND: Cell<bool> = const { Cell::new(false) };
}

/// Runs a future in the background lane: what it does with a backend or a database uses the permits and connections that
/// these keep for maintenance.
///
/// The lane is narrow: a folder runs two operations of it at the same time, a database one or two queries. A task that the future
/// spawns is not in the lane, unless it calls this function too. Nothing changes for backends without a lane.
///
/// ```
/// use artifact_backend::{background, is_background};
///
/// # async fn example() {
/// assert!(background(async { is_background() }).await);
/// assert!(!is_background());
/// # }
/// ```
pub async fn background<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|context| {
        let _inside = Inside::enter();
        future.as_mut().poll(context)
    })
    .await
}

/// Returns whether the caller runs in the [background lane](background), for pools that keep a part for it.
pub fn is_background() -> bool {
    IS_BACKGROUND.get()
}

/// The time of one poll in the lane.
struct Inside {
    was_inside: bool,
}

impl Inside {
    fn enter() -> Self {
        Self {
            was_inside: IS_BACKGROUND.replace(true),
        }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        IS_BACKGROUND.set(self.was_inside);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[test]
    fn only_the_polls_of_the_future_are_in_the_lane() {
        let mut seen = Vec::new();
        {
            let mut polls = 0;
            let inner = poll_fn(|_| {
                seen.push(is_background());
                polls += 1;
                if polls < 3 {
                    Poll::Pending
                } else {
                    Poll::Ready(())
                }
            });
            let mut future = pin!(background(background(inner)));
            let mut context = Context::from_waker(Waker::noop());
            while future.as_mut().poll(&mut context).is_pending() {
                assert!(!is_background());
            }
        }
        assert_eq!(seen, [true; 3]);
        assert!(!is_background());
    }

    #[test]
    fn a_panic_leaves_the_lane() {
        let mut future = Box::pin(background(async { panic!("a test") }));
        let mut context = Context::from_waker(Waker::noop());
        let poll = AssertUnwindSafe(|| future.as_mut().poll(&mut context));
        catch_unwind(poll).map(|_: Poll<()>| ()).unwrap_err();
        assert!(!is_background());
    }
}

//! The precision of recorded times, and periods of time on two clocks.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use artifact_backend::Clock;
use jiff::Timestamp;
use tokio::time::Instant;

/// Truncates a time to microseconds, the precision of the databases. A new record is then equal to
/// the record that is read back later.
pub(crate) fn truncate_to_micros(time: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(time.as_microsecond())
        // jiff's last second exists only as a whole second: microseconds past it are out of range.
        .or_else(|_| Timestamp::from_second(time.as_second()))
        .unwrap_or(time)
}

/// A moment on two clocks: a wall clock can be set back, and the monotonic clock can stand still while
/// the machine sleeps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    wall: SystemTime,
    monotonic: Instant,
}

impl Moment {
    pub(crate) fn now(clock: &dyn Clock) -> Self {
        Self {
            wall: clock.now(),
            monotonic: Instant::now(),
        }
    }

    /// Returns the time since this moment on the clock that shows the longer time.
    pub(crate) fn age(self, clock: &dyn Clock) -> Duration {
        let wall = clock.now().duration_since(self.wall);
        wall.unwrap_or_default().max(self.monotonic.elapsed())
    }

    /// Returns the time since this moment on the monotonic clock and on the wall clock. The latter is zero if that clock was
    /// set back to before this moment.
    pub(crate) fn ages(self, clock: &dyn Clock) -> (Duration, Duration) {
        let wall = clock.now().duration_since(self.wall);
        (self.monotonic.elapsed(), wall.unwrap_or_default())
    }

    /// Returns whether this moment is not after another one, on the monotonic clock.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(crate) fn is_until(self, other: Self) -> bool {
        self.monotonic <= other.monotonic
    }
}

/// A moment after which a write must not begin, and the placement that the bytes of the row were stored under; see
/// [`Catalog::insert_with`](crate::Catalog::insert_with).
#[derive(Debug, Clone)]
pub struct Deadline {
    from: Moment,
    period: Duration,
    clock: Arc<dyn Clock>,
    placement: u64,
}

impl Deadline {
    /// Creates a deadline that passes when `period` is over, either on this clock or on the
    /// monotonic clock.
    pub fn after(period: Duration, clock: Arc<dyn Clock>) -> Self {
        let from = Moment::now(&*clock);
        Self {
            from,
            period,
            clock,
            placement: 0,
        }
    }

    /// Sets the epoch of the [`Placement`](crate::Placement) that was known before the bytes were stored (default: 0). A
    /// catalog refuses the row if the epoch is below the fence of the placement.
    #[must_use = "returns the changed deadline"]
    pub fn for_placement(mut self, epoch: u64) -> Self {
        self.placement = epoch;
        self
    }

    /// Returns the epoch of the placement.
    pub fn placement(&self) -> u64 {
        self.placement
    }

    /// Returns whether the deadline has passed.
    pub fn has_passed(&self) -> bool {
        self.from.age(&*self.clock) > self.period
    }
}

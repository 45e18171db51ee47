//! Until when a cache may be used whose entries are valid until the database removes them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use artifact_backend::Clock;

use crate::time::Moment;

/// A period that begins when the removals are read, and during which the cache may be used.
///
/// A removal that is committed after that read stays unnoticed for at most this period. The read is counted from its
/// beginning, so a slow database shortens the rest. A process that was suspended finds the period over.
#[derive(Debug)]
pub(crate) struct Freshness {
    clock: Arc<dyn Clock>,
    /// The moment that the two times count from. Unset while nothing watches the removals: the cache may then be used for
    /// ever.
    base: OnceLock<Moment>,
    /// The end of the period in nanoseconds after the base, on the monotonic clock and on the wall clock.
    monotonic_end: AtomicU64,
    wall_end: AtomicU64,
}

impl Freshness {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            base: OnceLock::new(),
            monotonic_end: AtomicU64::new(0),
            wall_end: AtomicU64::new(0),
        }
    }

    /// Makes the cache one that may be used only in the period after [`renew`](Self::renew).
    pub(crate) fn require(&self) {
        self.base.get_or_init(|| Moment::now(&*self.clock));
    }

    /// Returns whether the cache may be used now. Takes two looks at clocks at most, and no lock.
    pub(crate) fn is_fresh(&self) -> bool {
        let Some((monotonic, wall)) = self.now() else {
            return true;
        };
        monotonic < self.monotonic_end.load(Ordering::Acquire)
            && wall < self.wall_end.load(Ordering::Acquire)
    }

    /// Returns the time now, for [`renew`](Self::renew); `None` if freshness is not required.
    fn now(&self) -> Option<(u64, u64)> {
        let (monotonic, wall) = self.base.get()?.ages(&*self.clock);
        Some((nanos(monotonic), nanos(wall)))
    }

    /// Begins to read the removals.
    pub(crate) fn begin(&self) -> Reading {
        let (monotonic, wall) = self.now().unwrap_or_default();
        Reading { monotonic, wall }
    }

    /// Lets the cache be used for a period that began with this reading.
    pub(crate) fn renew(&self, reading: Reading, period: Duration) {
        let end = |began: u64| began.saturating_add(nanos(period));
        // Another watch may have begun a later reading.
        self.monotonic_end
            .fetch_max(end(reading.monotonic), Ordering::Release);
        self.wall_end.store(end(reading.wall), Ordering::Release);
    }
}

/// The moment when a reading of the removals began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    monotonic: u64,
    wall: u64,
}

/// Converts to nanoseconds. The largest number stands for 584 years.
fn nanos(period: Duration) -> u64 {
    u64::try_from(period.as_nanos()).unwrap_or(u64::MAX)
}

//! The clocks.

use std::time::{Duration, SystemTime};

use artifact_backend::{Clock, ManualClock, SystemClock};

#[test]
fn manual_clocks_move_only_by_advance() {
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(7);
    let clock = ManualClock::new(start);
    assert_eq!((clock.now(), clock.now()), (start, start));
    clock.advance(Duration::from_millis(1_500));
    assert_eq!(clock.now(), start + Duration::from_millis(1_500));
}

#[test]
fn the_system_clock_is_after_2019() {
    assert!(SystemClock.now() > SystemTime::UNIX_EPOCH + Duration::from_hours(24 * 365 * 50));
}

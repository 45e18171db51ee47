//! The clocks.

use std::time::{Duration, SystemTime};

use artifact_backend::{Clock, ManualClock, SystemClock};

#[test]
fn a_manual_clock_moves_only_when_told() {
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(7);
    let clock = ManualClock::new(start);
    assert_eq!((clock.now(), clock.now()), (start, start));
    clock.advance(Duration::from_millis(1_500));
    assert_eq!(clock.now(), start + Duration::from_millis(1_500));
}

#[test]
fn the_system_clock_is_past_the_year_2020() {
    assert!(SystemClock.now() > SystemTime::UNIX_EPOCH + Duration::from_hours(24 * 365 * 50));
}

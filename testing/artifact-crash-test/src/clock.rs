//! Reads the clocks for the whole crate: time limits of subjects, durations in reports, and the file
//! times that the strict file system shows. No verdict depends on the time.

use std::time::{Instant, SystemTime};

#[expect(
    clippy::disallowed_methods,
    reason = "this crate has no async runtime with a clock that tests could pause"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a subject may compare file times with its own clock"
)]
pub(crate) fn wall_time() -> SystemTime {
    SystemTime::now()
}

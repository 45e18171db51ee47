//! The one place that asks for the time: bounds on subjects, seconds in reports, and the file times
//! that the strict file system shows. No verdict depends on it.

use std::time::{Instant, SystemTime};

#[expect(
    clippy::disallowed_methods,
    reason = "no runtime here whose paused clock could be asked"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[expect(
    clippy::disallowed_methods,
    reason = "file times, which a subject may compare with its own clock"
)]
pub(crate) fn wall() -> SystemTime {
    SystemTime::now()
}

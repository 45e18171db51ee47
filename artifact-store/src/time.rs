//! The precision of recorded times.

use jiff::Timestamp;

/// Truncates a time to microseconds, the precision of the databases. A new record is then equal to
/// the record that is read back later.
pub(crate) fn truncate_to_micros(time: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(time.as_microsecond())
        // jiff's last second exists only as a whole second: microseconds past it are out of range.
        .or_else(|_| Timestamp::from_second(time.as_second()))
        .unwrap_or(time)
}

//! The records of scrubs as they are stored.

use std::time::Duration;

use super::maintenance::{position, stored_position};
use super::{Columns, Record};
use crate::catalog::ScrubRecord;

/// Selects the newest scrub. The argument is an expression of the current time in microseconds.
macro_rules! select_last_scrub {
    ($now:expr) => {
        concat!(
            // The last column is read from a few rows: those from the last complete scrub on.
            "SELECT number, finished_at IS NOT NULL, ",
            $now,
            " - started_at, reached, artifacts, bytes, corrupt, missing, orphaned, unreadable_rows, unchecked, \
             (SELECT MAX(corrupt + missing) FROM scrubs WHERE number >= COALESCE(( \
                 SELECT number FROM scrubs WHERE finished_at IS NOT NULL AND unchecked = 0 \
                 ORDER BY number DESC LIMIT 1), 0)) \
             FROM scrubs ORDER BY number DESC LIMIT 1"
        )
    };
}
pub(in crate::database) use select_last_scrub;

/// Inserts or updates a scrub with the values $1 to $9. The arguments are expressions of the current time, and of the time
/// at which the scrub ended or NULL.
macro_rules! record_scrub {
    ($now:expr, $finished_at:expr) => {
        concat!(
            "INSERT INTO scrubs (number, reached, artifacts, bytes, corrupt, missing, orphaned, unreadable_rows, \
                 unchecked, started_at, finished_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, ",
            $now,
            ", ",
            $finished_at,
            ") ON CONFLICT (number) DO UPDATE SET \
                 reached = excluded.reached, artifacts = excluded.artifacts, bytes = excluded.bytes, \
                 corrupt = excluded.corrupt, missing = excluded.missing, orphaned = excluded.orphaned, \
                 unreadable_rows = excluded.unreadable_rows, unchecked = excluded.unchecked, \
                 finished_at = excluded.finished_at \
             WHERE scrubs.finished_at IS NULL"
        )
    };
}
pub(in crate::database) use record_scrub;

impl Record for ScrubRecord {
    fn read<C: Columns>(row: &C) -> Result<Self, C::Error> {
        // The database stores no negative numbers; a clock that was set back makes the age one.
        let number = |column| Ok(u64::try_from(row.integer(column)?).unwrap_or(0));
        Ok(Self {
            number: number(0)?,
            is_finished: row.boolean(1)?,
            age: Duration::from_micros(number(2)?),
            reached: position(row.integer(3)?),
            artifacts: number(4)?,
            bytes: number(5)?,
            corrupt: number(6)?,
            missing: number(7)?,
            orphaned: number(8)?,
            unreadable_rows: number(9)?,
            unchecked: number(10)?,
            known_damaged: number(11)?,
        })
    }
}

/// Returns the values of [`record_scrub`].
pub(in crate::database) fn scrub_values(record: &ScrubRecord) -> [i64; 9] {
    let stored = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    [
        stored(record.number),
        stored_position(record.reached),
        stored(record.artifacts),
        stored(record.bytes),
        stored(record.corrupt),
        stored(record.missing),
        stored(record.orphaned),
        stored(record.unreadable_rows),
        stored(record.unchecked),
    ]
}

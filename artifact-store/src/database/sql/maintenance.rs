//! Values of the maintenance: positions, periods, and the rows of a page.

use std::sync::Arc;
use std::time::Duration;

use artifact_backend::BoxError;

use crate::catalog::{RowFilter, RowPage, RowPosition};
use crate::row::Row;

/// Returns the number of a position as it is stored.
pub(in crate::database) fn stored_position(position: RowPosition) -> i64 {
    i64::try_from(position.number()).unwrap_or(i64::MAX)
}

/// Returns the position that is stored as this number. The databases store no negative one.
pub(in crate::database) fn position(seq: i64) -> RowPosition {
    RowPosition::from_number(u64::try_from(seq).unwrap_or(0))
}

/// Returns whole microseconds. A longer period than about 100,000 years becomes that.
pub(in crate::database) fn micros(period: Duration) -> i64 {
    const MAX: i64 = i64::MAX / 3;
    i64::try_from(period.as_micros()).map_or(MAX, |micros| micros.min(MAX))
}

/// Adds a row that the filter selects. Logs the first one that cannot be read.
pub(in crate::database) fn push_row(
    page: &mut RowPage,
    filter: &RowFilter,
    seq: i64,
    row: Result<Row, BoxError>,
) {
    match row {
        Ok(row) if filter.selects(&row) => page.rows.push(Arc::new(row)),
        Ok(_) => {}
        Err(error) => {
            if page.unreadable == 0 {
                tracing::warn!(
                    alarm = "corrupt-rows",
                    seq,
                    error = &*error as &dyn std::error::Error,
                    "a list leaves out a row that cannot be read; repair it in the database"
                );
            }
            page.unreadable += 1;
        }
    }
}

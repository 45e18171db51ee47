//! The keys of deposits.

use rusqlite::Connection;

use super::removal::now;
use super::transaction::WriteError;
use crate::database::sql::select_key;

pub(super) const SELECT: &str = select_key!("id", now!());
const FORGET: &str = concat!(
    "DELETE FROM idempotency_keys WHERE (experiment, principal, key) IN (\
        SELECT experiment, principal, key FROM idempotency_keys WHERE expires_at <= ",
    now!(),
    " ORDER BY expires_at LIMIT $1)"
);

/// Deletes keys that are no longer kept, and returns how many.
pub(super) fn forget(connection: &Connection, limit: usize) -> Result<u64, WriteError> {
    let mut statement = connection.prepare_cached(FORGET)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    Ok(statement.execute([limit])? as u64)
}

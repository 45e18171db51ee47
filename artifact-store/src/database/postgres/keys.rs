//! The keys of deposits.

use super::PostgresDatabase;
use super::durable::durable;
use super::query::value;
use super::scan::NumberRecord;
use crate::database::sql::{Lane, select_key};
use crate::error::{Operation, Result};

/// Locks the key that it finds, so that its transaction has a commit. The sync of that commit, also that of a standby, covers the
/// transaction that wrote the key and its row: one that was cancelled while it waited for its standby left both visible without
/// that sync.
pub(super) const SELECT: &str = concat!(
    select_key!(concat!("id, ", durable!()), "now_micros()"),
    " LIMIT 1 FOR KEY SHARE"
);
/// Leaves out keys that another transaction has locked, so that no two wait for each other.
const FORGET: &str = concat!(
    "WITH old AS (\
        SELECT experiment, principal, key FROM idempotency_keys WHERE expires_at <= (SELECT now_micros()) \
        ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED\
    ), forgotten AS (\
        DELETE FROM idempotency_keys USING old \
        WHERE idempotency_keys.experiment = old.experiment AND idempotency_keys.principal = old.principal \
            AND idempotency_keys.key = old.key RETURNING old.key\
    ) SELECT (SELECT count(*) FROM forgotten), ",
    durable!()
);

impl PostgresDatabase {
    /// Deletes keys that are no longer kept, and returns how many.
    pub(super) async fn delete_keys(&self, limit: usize) -> Result<u64> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let operation = Operation::DeleteRow;
        let deleted = self.rows(Lane::List, operation, FORGET, vec![value(limit)]);
        let deleted: Option<NumberRecord> = deleted.await?.pop();
        Ok(deleted.map_or(0, |NumberRecord(number)| u64::try_from(number).unwrap_or(0)))
    }
}

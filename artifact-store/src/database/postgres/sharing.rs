//! The statements of grants and links that only PostgreSQL understands.

use super::PostgresDatabase;
use super::durable::durable;
use super::query::value;
use super::scan::NumberRecord;
use crate::database::sql::{Lane, SharingStatements, sharing_statements};
use crate::error::{Operation, Result};

/// The lock of a row conflicts with that of its removal. The lock of a worker that makes a link conflicts with the revocation of its
/// token too.
pub(super) const STATEMENTS: &SharingStatements =
    &sharing_statements!("now_micros()", "FOR KEY SHARE", "FOR SHARE", "FOR UPDATE");

/// Leaves out what another transaction has locked, so that no two wait for each other.
const FORGET: &str = concat!(
    "WITH old_grants AS (\
        SELECT subject_kind, subject_id, id FROM access_grants WHERE expires_at <= (SELECT now_micros()) \
        ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED\
    ), old_links AS (\
        SELECT artifact, id FROM access_links WHERE expires_at <= (SELECT now_micros()) \
        ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED\
    ), used_links AS (\
        SELECT artifact, id FROM access_links WHERE downloads >= max_downloads LIMIT $1 FOR UPDATE SKIP LOCKED\
    ), grants AS (\
        DELETE FROM access_grants USING old_grants AS old \
        WHERE access_grants.subject_kind = old.subject_kind AND access_grants.subject_id = old.subject_id \
            AND access_grants.id = old.id RETURNING 1\
    ), links AS (\
        DELETE FROM access_links USING (SELECT * FROM old_links UNION SELECT * FROM used_links) AS old \
        WHERE access_links.artifact = old.artifact AND access_links.id = old.id RETURNING 1\
    ) SELECT (SELECT count(*) FROM grants) + (SELECT count(*) FROM links), ",
    durable!()
);

impl PostgresDatabase {
    /// Deletes grants and links that have ended, and returns how many.
    pub(super) async fn forget_ended_shares(&self, limit: usize) -> Result<u64> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let deleted = self.rows(Lane::List, Operation::Share, FORGET, vec![value(limit)]);
        let deleted: Option<NumberRecord> = deleted.await?.pop();
        Ok(deleted.map_or(0, |NumberRecord(number)| u64::try_from(number).unwrap_or(0)))
    }
}

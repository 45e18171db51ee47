//! The statements of grants and links that only SQLite understands.

use rusqlite::Connection;

use super::removal::now;
use super::transaction::WriteError;
use crate::database::sql::{SharingStatements, sharing_statements};

/// A transaction holds the write lock of the whole file, so no row has to be locked.
pub(super) const STATEMENTS: &SharingStatements = &sharing_statements!(now!(), "", "", "");

const FORGET_GRANTS: &str = concat!(
    "DELETE FROM access_grants WHERE (subject_kind, subject_id, id) IN (\
        SELECT subject_kind, subject_id, id FROM access_grants WHERE expires_at <= ",
    now!(),
    " ORDER BY expires_at LIMIT $1)"
);
const FORGET_EXPIRED_LINKS: &str = concat!(
    "DELETE FROM access_links WHERE (artifact, id) IN (\
        SELECT artifact, id FROM access_links WHERE expires_at <= ",
    now!(),
    " ORDER BY expires_at LIMIT $1)"
);
const FORGET_USED_LINKS: &str = "\
    DELETE FROM access_links WHERE (artifact, id) IN (\
        SELECT artifact, id FROM access_links WHERE downloads >= max_downloads LIMIT $1)";

/// Deletes grants and links that have ended, and returns how many.
pub(super) fn forget(connection: &Connection, limit: usize) -> Result<u64, WriteError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut forgotten = 0;
    for statement in [FORGET_GRANTS, FORGET_EXPIRED_LINKS, FORGET_USED_LINKS] {
        forgotten += connection.prepare_cached(statement)?.execute([limit])? as u64;
    }
    Ok(forgotten)
}

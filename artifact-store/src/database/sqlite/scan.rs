//! The reads of the maintenance.

use std::iter;

use artifact_backend::{ArtifactId, BoxError};
use rusqlite::{Connection, OptionalExtension as _, ToSql, params_from_iter};

use super::removal::now;
use crate::catalog::{RowFilter, RowPage, RowPosition, ScrubRecord};
use crate::database::sql::{
    ArtifactRecord, ExpiryStatements, Record as _, position, push_row, select_last_scrub,
    stored_position,
};
use crate::experiment::ExperimentId;
use crate::principal::PrincipalId;
use crate::row::Row;

/// How many rows and tombstones one page looks at.
const LOOKED_AT: usize = 10_000;

macro_rules! rows {
    ($from:literal) => {
        concat!(
            "SELECT id, experiment, created_by, size, content_type, file_name, sha256, created_at, \
             expires_at, seq, removed_at IS NULL FROM artifact_rows ",
            $from,
            " ORDER BY seq"
        )
    };
}
/// The index is named, so that no page is ever sorted.
const ROWS: &str = rows!("NOT INDEXED WHERE seq > $1");
const ROWS_OF_EXPERIMENT: &str =
    rows!("INDEXED BY artifact_rows_by_experiment WHERE seq > $1 AND experiment = $2");
const ROWS_OF_DEPOSITOR: &str = rows!(
    "INDEXED BY artifact_rows_by_depositor WHERE seq > $1 AND experiment = $2 AND created_by = $3"
);
const HAS_ROW: &str = "SELECT 1 FROM artifact_rows WHERE id = $1 AND removed_at IS NULL";
macro_rules! usage {
    ($where:literal) => {
        concat!(
            "SELECT created_by, count(*), sum(size >> 32), sum(size & 4294967295) FROM artifact_rows \
             INDEXED BY artifact_rows_by_depositor WHERE experiment = $1",
            $where,
            " GROUP BY created_by ORDER BY created_by"
        )
    };
}
/// Reads only the index. The sum of the sizes may exceed an integer, so it is two sums.
const USAGE: &str = usage!("");
const USAGE_OF: &str = usage!(" AND created_by = $2");
const REMOVALS: &str = "\
    SELECT seq, id FROM artifact_rows INDEXED BY artifact_rows_removed \
    WHERE removed_at IS NOT NULL AND seq > $1 ORDER BY seq LIMIT $2";
const LAST_REMOVAL: &str = "\
    SELECT seq FROM artifact_rows INDEXED BY artifact_rows_removed \
    WHERE removed_at IS NOT NULL ORDER BY seq DESC LIMIT 1";
macro_rules! expired {
    ($time:literal, $index:literal, $where:expr) => {
        concat!(
            "SELECT id, seq, ",
            $time,
            ", EXISTS (SELECT 1 FROM holds WHERE holds.id = artifact_rows.id) \
             FROM artifact_rows INDEXED BY ",
            $index,
            " WHERE ",
            $where
        )
    };
}
pub(super) const EXPIRED: ExpiryStatements = ExpiryStatements {
    by_time: expired!(
        "expires_at",
        "artifact_rows_by_expiry",
        concat!(
            "expires_at IS NOT NULL AND (expires_at, seq) > ($1, $2) AND expires_at <= ",
            now!(),
            " ORDER BY expires_at, seq LIMIT $3"
        )
    ),
    by_retention: expired!(
        "created_at",
        "artifact_rows_by_creation",
        concat!(
            "experiment = $1 AND expires_at IS NULL AND (created_at, seq) > ($2, $3) AND created_at <= ",
            now!(),
            " - $4 ORDER BY created_at, seq LIMIT $5"
        )
    ),
};
const LAST_SCRUB: &str = select_last_scrub!(now!());

/// The bytes of an id, as they are stored.
pub(super) type IdBytes = Vec<u8>;

/// Returns the rows after a position that the filter selects.
pub(super) fn scan(
    connection: &Connection,
    filter: &RowFilter,
    after: RowPosition,
    limit: usize,
) -> rusqlite::Result<RowPage> {
    let start = stored_position(after);
    let experiment = filter.experiment.as_ref().map(ExperimentId::as_str);
    let created_by = filter.created_by.as_ref().map(PrincipalId::as_str);
    let (statement, params): (_, &[&dyn ToSql]) = match (&experiment, &created_by) {
        (Some(experiment), Some(created_by)) => {
            (ROWS_OF_DEPOSITOR, &[&start, experiment, created_by])
        }
        (Some(experiment), None) => (ROWS_OF_EXPERIMENT, &[&start, experiment]),
        (None, _) => (ROWS, &[&start]),
    };
    let mut statement = connection.prepare_cached(statement)?;
    let mut results = statement.query(params)?;
    let mut page = RowPage::default();
    let (mut last, mut looked_at) = (start, 0);
    while let Some(result) = results.next()? {
        if page.rows.len() == limit || looked_at == LOOKED_AT {
            page.next = Some(position(last));
            break;
        }
        last = result.get(9)?;
        looked_at += 1;
        let is_row: bool = result.get(10)?;
        if is_row {
            push_row(&mut page, filter, last, row(result));
        }
    }
    Ok(page)
}

fn row(result: &rusqlite::Row<'_>) -> Result<Row, BoxError> {
    Ok(ArtifactRecord::read(result)?.decode()?)
}

/// Returns the ids without a row, in one snapshot.
pub(super) fn missing(
    connection: &Connection,
    ids: &[ArtifactId],
) -> rusqlite::Result<Vec<ArtifactId>> {
    let snapshot = connection.unchecked_transaction()?;
    let mut missing = Vec::new();
    {
        let mut statement = snapshot.prepare_cached(HAS_ROW)?;
        for id in ids {
            if !statement.exists([id.as_bytes()])? {
                missing.push(*id);
            }
        }
    }
    snapshot.finish()?;
    Ok(missing)
}

/// Returns each principal of an experiment with the number of its rows and the sum of their sizes.
pub(super) fn usage(
    connection: &Connection,
    experiment: &str,
    created_by: Option<&str>,
) -> rusqlite::Result<Vec<(String, u64, u64)>> {
    let statement = created_by.map_or(USAGE, |_| USAGE_OF);
    let params = iter::once(experiment).chain(created_by);
    let mut statement = connection.prepare_cached(statement)?;
    let usage = statement.query_map(params_from_iter(params), |row| {
        let [high, low]: [i64; 2] = [row.get(2)?, row.get(3)?];
        let bytes = (i128::from(high) << 32) + i128::from(low);
        let rows: i64 = row.get(1)?;
        Ok((
            row.get(0)?,
            u64::try_from(rows).unwrap_or(0),
            u64::try_from(bytes).unwrap_or(u64::MAX),
        ))
    })?;
    usage.collect()
}

/// Returns the positions and ids of the tombstones after a position.
pub(super) fn removals(
    connection: &Connection,
    after: RowPosition,
    limit: usize,
) -> rusqlite::Result<Vec<(RowPosition, IdBytes)>> {
    let mut statement = connection.prepare_cached(REMOVALS)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let removals = statement.query_map([stored_position(after), limit], |row| {
        Ok((position(row.get(0)?), row.get(1)?))
    })?;
    removals.collect()
}

/// Returns the position of the last tombstone.
pub(super) fn last_removal(connection: &Connection) -> rusqlite::Result<RowPosition> {
    let mut statement = connection.prepare_cached(LAST_REMOVAL)?;
    let last = statement.query_row([], |row| row.get(0)).optional()?;
    Ok(last.map_or(RowPosition::START, position))
}

/// Returns the newest scrub.
pub(super) fn last_scrub(connection: &Connection) -> rusqlite::Result<Option<ScrubRecord>> {
    let mut statement = connection.prepare_cached(LAST_SCRUB)?;
    let last = statement.query_row([], |row| ScrubRecord::read(row));
    last.optional()
}

#[cfg(test)]
mod tests;
